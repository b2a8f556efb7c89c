"""Manifests of any size, and worlds for them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.plan import Plan
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.world.world import World

_MANIFEST = """\
name: {name}
clouds:
  sim:
    endpoint: {url}
    project: sim
    auth: {{auth_url: "{url}/v3", username: demo, password: demo, domain: sim}}
limits: {{writes: {writes}, reads: {reads}, in_flight: 100%, per_cluster: {per_cluster}, connections: {connections}}}
defaults:
  release: {{namespace: bench, timeout: {timeout}}}
clusters:
  - from: clusters.csv
releases:
{releases}
{pairs}
"""
_RELEASE = (
    "  - {{name: release-{number}, chart: {{id: {chart}}}, version: 1.0.0, {targets}"
    "values: {{image: {{tag: v{number}, pullPolicy: IfNotPresent}}, replicas: 2}}}}"
)
NOWHERE = "http://127.0.0.1:1"
UNBOUND = "50000/s"
"""A limit that no client on one core reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Size and limits of a manifest."""

    clusters: int
    releases: int
    writes: str = UNBOUND
    reads: str = UNBOUND
    per_cluster: str = "1"
    connections: int = 32
    pairs: bool = False
    """Every pair as a line of a CSV, instead of releases with targets."""
    timeout: str = "15m"

    @property
    def deployments(self) -> int:
        """How many pairs."""
        return self.clusters * self.releases


def write_manifest(folder: Path, shape: Shape, *, url: str = NOWHERE, name: str = "bench") -> Path:
    """A manifest and its tables, with the simulator's own account."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "clusters.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "name", "cloud", "tags.env"])
        table.writerows(
            [uuid_like("bench", "cluster", n), f"cluster-{n:06}", "sim", "prod"] for n in range(shape.clusters)
        )
    if shape.pairs:
        with (folder / "pairs.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["cluster", "release"])
            table.writerows(
                (f"cluster-{c:06}", f"release-{r}") for c in range(shape.clusters) for r in range(shape.releases)
            )
    targets = "" if shape.pairs else 'targets: "*", '
    releases = "\n".join(
        _RELEASE.format(number=n, chart=uuid_like("bench", "chart", n), targets=targets) for n in range(shape.releases)
    )
    text = _MANIFEST.format(
        name=name,
        url=url,
        writes=shape.writes,
        reads=shape.reads,
        per_cluster=shape.per_cluster,
        connections=shape.connections,
        timeout=shape.timeout,
        releases=releases,
        pairs="deployments:\n  - from: pairs.csv\n" if shape.pairs else "",
    )
    path = folder / "manifest.yaml"
    path.write_text(text, "utf-8")
    return path


def load_shape(folder: Path, shape: Shape, environ: Mapping[str, str] | None = None) -> Plan:
    """Write, read and plan."""
    return build_plan(load(write_manifest(folder, shape), environ or {}))


def world_of(plan: Plan, *, install: float | None = None, spread: float | None = None) -> World:
    """A world in which the plan can succeed. `install`, `spread`: of every chart, instead of each its own."""
    world = World.from_plan(plan)
    charts = [
        msgspec.structs.replace(
            chart,
            install=chart.install if install is None else install,
            spread=chart.spread if spread is None else spread,
        )
        for chart in world.charts
    ]
    return msgspec.structs.replace(world, charts=tuple(charts))
