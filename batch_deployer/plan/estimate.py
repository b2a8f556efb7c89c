"""What a plan will cost and how long it will take, from its limits and what installs took before. Arithmetic, no trial."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.model.deployment import Action, Deployment
from batch_deployer.plan.plan import CloudSpec, Plan

WRITES = {Action.CREATE: 1, Action.UPGRADE: 1, Action.ROLLBACK: 1, Action.DELETE: 1, Action.REPLACE: 2}
"""Writes that each action takes when nothing goes wrong; other actions take none."""
WRITE_KIND = {
    Action.CREATE: ("create_release",),
    Action.UPGRADE: ("update_release",),
    Action.ROLLBACK: ("update_release",),
    Action.DELETE: ("delete_release",),
    Action.REPLACE: ("delete_release", "create_release"),
}
GUESSED_INSTALL = 60.0
"""Seconds, while no install of a chart was ever seen."""
POLLS = 4
"""Looks at a cluster from a write to its noticed end, when it waits for one deployment alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate. Seconds from the first call to the last outcome, gates passed at once."""

    seconds: float
    bottleneck: str
    """What the time is spent waiting for, in words; empty when nothing is to be written."""
    calls: Mapping[str, int]
    """API calls by kind; looks are an estimate."""
    guessed: Sequence[str] = ()
    """Charts whose install time is a guess, because no run has seen one yet."""


_Parts = Sequence[tuple[float, str]]
"""Seconds, and what they are spent waiting for."""


@dataclass(slots=True)
class _Load:
    """The work of one wave in one cloud."""

    writes: int = 0
    longest: float = 0.0
    install_seconds: float = 0.0
    by_cluster: Counter[str] = field(default_factory=Counter)
    seconds_by_cluster: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


def estimate(plan: Plan, actions: Mapping[str, Action], durations: Mapping[str, Sequence[float]]) -> Estimate:
    """Estimate a plan. `actions` by key; `durations`: seconds that installs took, by chart."""
    typical = {chart: sorted(known)[len(known) // 2] for chart, known in durations.items() if known}
    waves: dict[int, dict[str, _Load]] = {}
    calls: Counter[str] = Counter()
    guessed: dict[str, None] = {}
    for deployment in plan.deployments:
        action = actions.get(deployment.key, Action.CREATE)
        if action not in WRITES:
            continue
        chart = deployment.release.chart.learned_as
        if chart not in typical:
            guessed[chart] = None
        load = waves.setdefault(deployment.wave, {}).setdefault(deployment.cluster.cloud, _Load())
        _add(load, deployment, WRITES[action], typical.get(chart, GUESSED_INSTALL))
        calls.update(WRITE_KIND[action])
    clusters = defaultdict(set)
    for deployment in plan.deployments:
        clusters[deployment.cluster.cloud].add(deployment.cluster.id)
    for cloud, members in clusters.items():
        calls.update({"list_charts": 1, "list_clusters": 1, "list_releases": len(members)})
        calls["list_releases"] += _polls(plan.clouds[cloud], [loads.get(cloud) for loads in waves.values()])
    seconds, bottleneck = _duration(plan, waves, {cloud: len(members) for cloud, members in clusters.items()})
    return Estimate(seconds=seconds, bottleneck=bottleneck, calls=dict(calls), guessed=tuple(guessed))


def _add(load: _Load, deployment: Deployment, writes: int, seconds: float) -> None:
    load.writes += writes
    load.longest = max(load.longest, seconds)
    load.install_seconds += seconds
    load.by_cluster[deployment.cluster.id] += 1
    load.seconds_by_cluster[deployment.cluster.id] += seconds


def _polls(cloud: CloudSpec, loads: Iterable[_Load | None]) -> int:
    """Looks at all clusters: deployments under way side by side on one cluster share theirs."""
    looks = 0.0
    for load in loads:
        for deployments in (load.by_cluster if load else {}).values():
            looks += POLLS * deployments / max(1.0, math.sqrt(cloud.limits.per_cluster.of(deployments)))
    return round(looks)


def _duration(plan: Plan, waves: Mapping[int, Mapping[str, _Load]], clusters: Mapping[str, int]) -> tuple[float, str]:
    """Add the waves up; each takes as long as its tightest limit in its slowest cloud."""
    observing = max(
        ((count / plan.clouds[name].limits.reads.per_second, name) for name, count in clusters.items()),
        default=(0.0, ""),
    )
    spent: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for index in sorted(waves):
        parts = max((_slowest(plan.clouds[name], load) for name, load in waves[index].items()), key=_sum)
        total += _sum(parts)
        for seconds, why in parts:
            spent[why] += seconds
        if index != max(waves):
            total += plan.waves[index].soak
            spent[f"the soak of wave {plan.waves[index].name}"] += plan.waves[index].soak
    if observing[0] > total:
        return observing[0], f"reads of {plan.clouds[observing[1]].limits.reads} in cloud {observing[1]}"
    return total, max(spent, key=lambda why: spent[why]) if spent else ""


def _sum(parts: _Parts) -> float:
    return sum(seconds for seconds, _ in parts)


def _slowest(cloud: CloudSpec, load: _Load) -> _Parts:
    """What one cloud's part of a wave waits for: a limit, then the last install, which no limit could make shorter."""
    limits, deployments = cloud.limits, sum(load.by_cluster.values())
    in_flight = max(1, limits.in_flight.of(deployments))
    writing = (load.writes - 1) / limits.writes.per_second
    should_yield = load.install_seconds / in_flight if deployments > in_flight else 0.0
    busiest = max(
        load.seconds_by_cluster[cluster] / max(1, limits.per_cluster.of(count))
        for cluster, count in load.by_cluster.items()
    )
    limit = max(
        (writing, f"writes of {limits.writes} in cloud {cloud.name}"),
        (should_yield, f"in_flight {limits.in_flight} in cloud {cloud.name}"),
        (busiest - load.longest, f"per_cluster {limits.per_cluster} in cloud {cloud.name}"),
    )
    return (max(0.0, limit[0]), limit[1]), (load.longest, "the longest install")
