"""Put the releases on the clusters that ran before the story begins."""

import re
from collections.abc import Iterator

from batch_deployer.model.api import Status
from batch_deployer.simulator.service.bodies import release_time
from batch_deployer.simulator.service.release import NEVER, Revision
from batch_deployer.simulator.service.state import ServiceState
from batch_deployer.simulator.world.entities import SimRelease
from batch_deployer.simulator.world.world import World

_AGE = 86400.0
"""Seconds for which they have been running."""
_PENDING = frozenset({Status.PENDING_INSTALL, Status.PENDING_UPGRADE, Status.PENDING_ROLLBACK})
_ADDON = "coredns"


def seed_releases(world: World, estate: ServiceState, now: float) -> None:
    """Install what the world says runs already, a day ago. A release on a cluster that is not there is left out."""
    for release in (*world.releases, *_addons(world)):
        hosted = estate.find(release.cluster_id)
        if hosted is None:
            continue
        slot = hosted.slot(release.namespace, release.name)
        slot.created_at = release_time(now - _AGE)
        for number in range(1, release.revision + 1):
            newest = number == release.revision
            slot.add(_revision(release, estate, number, now, Status(release.status) if newest else Status.DEPLOYED))
        if release.status == Status.DELETING:
            slot.delete_ends = NEVER


def _addons(world: World) -> Iterator[SimRelease]:
    if world.addons:
        for cluster in world.clusters:
            yield SimRelease(
                cluster_id=cluster.id,
                namespace="kube-system",
                name=f"cceaddon-{_ADDON}",
                chart_id=_ADDON,
                version="1.30.6",
            )


def _revision(release: SimRelease, estate: ServiceState, number: int, now: float, status: Status) -> Revision:
    chart = estate.chart(release.chart_id)
    pending = status if status in _PENDING else Status.PENDING_INSTALL if number == 1 else Status.PENDING_UPGRADE
    return Revision(
        number=number,
        chart_name=chart.name if chart is not None else re.sub(r"[^a-z0-9-]", "-", release.chart_id.lower()),
        chart_version=release.version or (chart.versions[-1] if chart is not None and chart.versions else "1.0.0"),
        chart_public=chart.public if chart is not None else False,
        values=release.values,
        parameters="",
        pending=pending,
        final=Status.DEPLOYED if status in _PENDING or status == Status.DELETING else status,
        ends=NEVER if status in _PENDING else now - _AGE,
        updated_at=release_time(now - _AGE),
    )
