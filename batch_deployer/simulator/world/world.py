"""The world that a fleet starts from. Plain JSON, so that a process can be started with it."""

from typing import Literal

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.plan.plan import Plan
from batch_deployer.settings import Rate
from batch_deployer.simulator.keyed_random import hexadecimal, uuid_like
from batch_deployer.simulator.world.entities import (
    Account,
    Part,
    SimChart,
    SimCloud,
    SimCluster,
    SimRelease,
    timed_chart,
)
from batch_deployer.simulator.world.from_plan import WorldBuilder


class World(Part, frozen=True, kw_only=True):
    """Everything there is at second 0."""

    clouds: tuple[SimCloud, ...]
    clusters: tuple[SimCluster, ...] = ()
    charts: tuple[SimChart, ...] = ()
    releases: tuple[SimRelease, ...] = ()
    account: Account = Account()
    autocreate: bool = False
    """Clusters and charts with an id in UUID form come into being when they are first named."""
    retry_after: Literal["none", "seconds", "date"] = "none"
    """What a 429 says in its Retry-After header."""
    token_lifetime: float = 86400.0
    addons: bool = False
    """Every cluster runs `cceaddon-coredns` in kube-system, as real ones do."""

    def to_json(self) -> str:
        """The world as one JSON object."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "World":
        """Read what `to_json` wrote. InputError names the field that is wrong."""
        try:
            world = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise InputError(f"this is not a simulated world: {error}") from error
        world.check()
        return world

    def check(self) -> None:
        """Raise InputError when the parts do not fit together."""
        names = {cloud.name for cloud in self.clouds}
        for cloud in self.clouds:
            for rate in (cloud.writes, cloud.reads):
                try:
                    Rate.parse(rate)
                except ValueError as error:
                    raise InputError(f"simulated cloud {cloud.name!r}: {error}") from error
        for cluster in self.clusters:
            if cluster.cloud not in names:
                raise InputError(
                    f"simulated cluster {cluster.name!r} names the cloud {cluster.cloud!r}, which is not there"
                )

    def cloud(self, name: str) -> SimCloud:
        """The cloud of that name. InputError when there is none."""
        for cloud in self.clouds:
            if cloud.name == name:
                return cloud
        raise InputError(f"the simulated world has no cloud {name!r}, only {', '.join(c.name for c in self.clouds)}")

    @classmethod
    def from_plan(cls, *plans: Plan, autocreate: bool = False) -> "World":
        """A world in which every one of the plans can succeed.

        The limits of a plan's clouds are the hard limits of the simulated gateway. Charts named by name get an id
        that follows from name and version.
        """
        wanted = WorldBuilder()
        for plan in plans:
            wanted.add(plan)
        return cls(
            clouds=tuple(wanted.clouds.values()),
            clusters=tuple(wanted.clusters.values()),
            charts=tuple(wanted.made_charts()),
            autocreate=autocreate,
        )

    @classmethod
    def generated(
        cls, *, clouds: int = 3, clusters: int = 100, seed: int = 0, writes: str = "10/min", reads: str = "10/s"
    ) -> "World":
        """Some clouds named `sim-1`.. with clusters dealt out in turn, and a few charts; autocreate is on."""
        made = tuple(
            SimCloud(name=f"sim-{n}", project_id=hexadecimal(32, seed, "project", n), writes=writes, reads=reads)
            for n in range(1, clouds + 1)
        )
        return cls(
            clouds=made,
            clusters=tuple(_generated_cluster(seed, n, made[n % clouds].name) for n in range(clusters)),
            charts=tuple(timed_chart(uuid_like(seed, "chart", name), name, ("1.0.0",)) for name in _CHARTS),
            autocreate=True,
        )


_CHARTS = ("node-exporter", "cert-manager", "ingress-nginx", "fluent-bit", "external-dns", "kyverno")
_TIERS = ("canary", "standard", "standard", "standard", "critical")


def _generated_cluster(seed: int, n: int, cloud: str) -> SimCluster:
    tags = {"env": "prod" if n % 4 else "test", "tier": _TIERS[n % len(_TIERS)]}
    return SimCluster(id=uuid_like(seed, "cluster", n), name=f"sim-cluster-{n + 1:03}", cloud=cloud, tags=tags)
