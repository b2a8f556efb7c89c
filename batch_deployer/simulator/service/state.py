"""Everything the provider holds: which clusters and charts there are, and the releases on each cluster."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from batch_deployer.model.deployment import key_of
from batch_deployer.simulator.service.release import ReleaseRecord
from batch_deployer.simulator.world.entities import SimChart, SimCluster, timed_chart
from batch_deployer.simulator.world.world import World

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
USABLE = frozenset({"Available", "ScalingUp", "ScalingDown"})
"""Phases in which releases can be read and written."""


@dataclass(slots=True)
class HostedCluster:
    """A cluster and the release names on it."""

    cluster: SimCluster
    forced_phase: str = ""
    """Set by hand; beats the rules."""
    slots: dict[tuple[str, str], ReleaseRecord] = field(default_factory=dict)

    def slot(self, namespace: str, name: str) -> ReleaseRecord:
        """The slot of a name, made when it is new."""
        found = self.slots.get((namespace, name))
        if found is None:
            cluster = self.cluster
            found = self.slots[namespace, name] = ReleaseRecord(
                key=key_of(cluster.id, namespace, name),
                cluster_id=cluster.id,
                cluster_name=cluster.name,
                namespace=namespace,
                name=name,
            )
        return found


class ServiceState:
    """Look-ups; with `autocreate`, ids in UUID form are found even if nobody made them."""

    def __init__(self, world: World) -> None:
        """Start as the world says."""
        self.autocreate = world.autocreate
        self.charts = {chart.id: chart for chart in world.charts}
        self._holdings = {cluster.id: HostedCluster(cluster) for cluster in world.clusters}

    def cluster_named(self, cloud: str, cluster_id: str) -> HostedCluster | None:
        """The cluster of that id if this cloud has it."""
        found = self._holdings.get(cluster_id)
        if found is None and self.autocreate and _UUID.fullmatch(cluster_id):
            made = SimCluster(id=cluster_id, name=f"auto-{cluster_id[:8]}", cloud=cloud)
            found = self._holdings[cluster_id] = HostedCluster(made)
        return found if found is not None and found.cluster.cloud == cloud else None

    def clusters_of(self, cloud: str) -> Iterator[HostedCluster]:
        """All clusters of a cloud."""
        return (cluster_named for cluster_named in self._holdings.values() if cluster_named.cluster.cloud == cloud)

    def all_clusters(self) -> Iterator[HostedCluster]:
        """All clusters of all clouds."""
        return iter(self._holdings.values())

    def find(self, cluster_id: str) -> HostedCluster | None:
        """A cluster of any cloud, only if it is there already."""
        return self._holdings.get(cluster_id)

    def chart(self, chart_id: str) -> SimChart | None:
        """The chart of that id."""
        found = self.charts.get(chart_id)
        if found is None and self.autocreate and _UUID.fullmatch(chart_id):
            found = self.charts[chart_id] = timed_chart(chart_id, f"chart-{chart_id[:8]}", ())
        return found

    def chart_named(self, name: str) -> SimChart:
        """The chart of a running release, also if it has been removed since."""
        return next((chart for chart in self.charts.values() if chart.name == name), SimChart(id="", name=name))
