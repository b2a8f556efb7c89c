"""What a read shows: releases, charts, clusters, as bodies of section 2."""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from batch_deployer.model.api import (
    ClusterTags,
    ListCharts,
    ListClusters,
    ListReleases,
    Read,
    ReleaseHistory,
    ShowChart,
    ShowCluster,
    ShowRelease,
)
from batch_deployer.model.helm_values import MASK
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.bodies import (
    ChartBody,
    ClusterBody,
    ClusterListBody,
    ReleaseBody,
    chart_time,
    cluster_time,
)
from batch_deployer.simulator.service.responses import SimResponse
from batch_deployer.simulator.service.state import USABLE, HostedCluster, ServiceState
from batch_deployer.simulator.world.entities import SimChart


class Views:
    """Answers reads."""

    def __init__(self, estate: ServiceState, phase: Callable[[HostedCluster], str]) -> None:
        """`phase` tells the phase that a cluster is in now."""
        self._estate = estate
        self._phase = phase
        self.since = 0.0
        """Creation time of what the world began with, epoch seconds."""

    def read(self, cloud: str, call: Read, hosted: HostedCluster | None, now: float) -> SimResponse:
        """The answer of a healthy service. `hosted` is the cluster that the call names, if it is there."""
        if isinstance(call, ListCharts):
            return SimResponse(status=200, body=[self._chart(chart) for chart in self._estate.charts.values()])
        if isinstance(call, ShowChart):
            chart = self._estate.chart(call.chart_id)
            return responses.not_found(f"chart {call.chart_id}") if chart is None else _ok(self._chart(chart))
        if isinstance(call, ListClusters):
            return _ok(ClusterListBody(items=[self._cluster(one) for one in self._estate.clusters_of(cloud)]))
        if hosted is None:
            return responses.not_found(f"cluster {call.cluster_id}")
        if isinstance(call, ShowCluster):
            return _ok(self._cluster(hosted))
        if isinstance(call, ClusterTags):
            return _ok(dict(hosted.cluster.tags))
        phase = self._phase(hosted)
        if phase not in USABLE:
            return responses.phase_forbids(hosted.cluster.name, phase)
        if isinstance(call, ListReleases):
            return self._releases(call, hosted, now)
        return _one(call, hosted, now)

    def _releases(self, call: ListReleases, hosted: HostedCluster, now: float) -> SimResponse:
        cluster = hosted.cluster
        slots = [slot for slot in hosted.slots.values() if slot.namespace not in cluster.unlisted]
        if cluster.lists_revisions:
            found = [body for slot in slots for body in reversed(slot.history(now))]
        else:
            found = [body for slot in slots if (body := slot.view(now)) is not None]
        if call.namespace:
            found = [body for body in found if body.namespace == call.namespace]
        if call.chart_id:
            chart = self._estate.chart(call.chart_id)
            found = [body for body in found if chart is not None and body.chart_name == chart.name]
        return SimResponse(status=200, body=[as_shown(body, cluster.shows) for body in found])

    def _chart(self, chart: SimChart) -> ChartBody:
        return ChartBody(
            id=chart.id,
            name=chart.name,
            version=chart.versions[-1] if chart.versions else "1.0.0",
            description=chart.description,
            values=chart.values,
            public=chart.public,
            create_at=chart_time(self.since),
            update_at=chart_time(self.since + chart.uploaded),
        )

    def _cluster(self, hosted: HostedCluster) -> ClusterBody:
        cluster, phase = hosted.cluster, self._phase(hosted)
        status = {"phase": phase, "endpoints": [{"Internal": "https://192.168.0.10:5443"}]}
        if phase != "Available":
            status |= {"reason": phase, "message": f"the cluster is {phase}"}
        return ClusterBody(
            metadata={
                "uid": cluster.id,
                "name": cluster.name,
                "alias": cluster.name,
                "labels": {"FeatureGates": "simulated"},
                "creationTimestamp": cluster_time(self.since),
                "updateTimestamp": cluster_time(self.since),
            },
            spec={
                "category": "CCE",
                "type": "VirtualMachine",
                "flavor": "cce.s2.medium",
                "version": "v1.33",
                "hostNetwork": {"vpc": "vpc-simulated"},
                "clusterTags": [{"key": key, "value": value} for key, value in cluster.tags.items()],
            },
            status=status,
        )


def _ok(body: object) -> SimResponse:
    return SimResponse(status=200, body=body)


def _one(call: ShowRelease | ReleaseHistory, hosted: HostedCluster, now: float) -> SimResponse:
    slot = hosted.slots.get((call.namespace, call.name))
    if isinstance(call, ReleaseHistory):
        bodies = slot.history(now) if slot is not None else ()
        return _ok(list(bodies)) if bodies else responses.not_found(f"release {call.namespace}/{call.name}")
    body = slot.view(now) if slot is not None else None
    return (
        _ok(as_shown(body, hosted.cluster.shows))
        if body is not None
        else responses.not_found(f"release {call.namespace}/{call.name}")
    )


def as_shown(body: ReleaseBody, form: str) -> ReleaseBody:
    """A release with its values in the form in which a cluster shows them (`SimCluster.shows`)."""
    if form == "sent":
        return body
    values = "" if form == "nothing" else json.dumps(_in_form(json.loads(body.values), form))
    return msgspec.structs.replace(body, values=values)


def _in_form(value: Any, form: str) -> Any:
    if isinstance(value, dict):
        items = {name: _in_form(item, form) for name, item in value.items()}
        return {name: item for name, item in items.items() if form != "pruned" or item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_in_form(item, form) for item in value]
    if form == "texts" and value is not None:
        return value if isinstance(value, str) else json.dumps(value)
    return MASK if form == "masked" and isinstance(value, str) else value
