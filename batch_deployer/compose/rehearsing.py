"""Rehearsals of a whole plan: many seeds of the real engine on the virtual clock, and what they say about time and calls."""

import math
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import msgspec

from batch_deployer.compose.rehearsal import Stage, play
from batch_deployer.errors import BadInput
from batch_deployer.execution.engine import Past
from batch_deployer.model.deployment import Action, Cluster, Deployment, key_of
from batch_deployer.model.events import Finished, Measured
from batch_deployer.plan.forecast import forecast
from batch_deployer.plan.frozen import Plan
from batch_deployer.plan.store import freeze, thaw
from batch_deployer.simulator.chance import uuid_like
from batch_deployer.simulator.fault_rules import FaultRule
from batch_deployer.simulator.fleet import Fleet
from batch_deployer.simulator.inventory import SimChart
from batch_deployer.simulator.world import World

LEAST_KNOWN = 5
"""Fewer past installs than this do not replace a chart's simulated install time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rehearsal."""

    seed: int
    seconds: float
    exit_code: int
    reason: str
    outcomes: Mapping[str, int]
    calls: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """All rehearsals of a plan."""

    trials: Sequence[Trial]
    deployments: int
    clusters: int
    bottleneck: str
    from_history: Sequence[str]
    """Charts whose install times come from past runs; the others' are simulated guesses."""

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(trial.seconds for trial in self.trials)

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 rehearsals ended (nearest rank)."""
        return _rank95(trial.seconds for trial in self.trials)

    @property
    def recovered(self) -> float:
        """Seconds within which 95 of 100 rehearsals brought everything about; infinite when fewer ever did."""
        return _rank95(trial.seconds if trial.exit_code == 0 else math.inf for trial in self.trials)

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls by kind, median over the rehearsals."""
        kinds = {kind for trial in self.trials for kind in trial.calls}
        return {
            kind: round(statistics.median(trial.calls.get(kind, 0) for trial in self.trials)) for kind in sorted(kinds)
        }


def _rank95(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def rehearse(
    plan: Plan,
    *,
    seeds: Sequence[int],
    faults: Sequence[FaultRule] = (),
    durations: Mapping[str, Sequence[float]],
) -> Rehearsed:
    """Play the plan once per seed, on all cores. `durations`: seconds that installs took, by chart name."""
    world = timed(World.from_plan(plan), durations).to_json()
    tasks = [(freeze(plan), world, seed, tuple(faults), dict(durations)) for seed in seeds]
    workers = min(len(tasks), os.cpu_count() or 1)
    if workers == 1:
        trials = [_trial(*task) for task in tasks]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            trials = list(pool.map(_trial, *zip(*tasks, strict=True)))
    actions = {deployment.key: Action.CREATE for deployment in plan.deployments}
    known = {chart.name: [chart.install] for chart in World.from_json(world).charts}
    return Rehearsed(
        trials=trials,
        deployments=len(plan.deployments),
        clusters=len({deployment.cluster.id for deployment in plan.deployments}),
        bottleneck=forecast(plan, actions, known).bottleneck,
        from_history=sorted(name for name in known if len(durations.get(name, ())) >= LEAST_KNOWN),
    )


def _trial(
    plan_text: str, world: str, seed: int, faults: Sequence[FaultRule], durations: Mapping[str, Sequence[float]]
) -> Trial:
    """Play once; arguments and result cross a process boundary."""
    fleet = Fleet(World.from_json(world), seed=seed, faults=faults)
    played = play(thaw(plan_text), seed=seed, stage=Stage(fleet=fleet, past=Past(durations=durations)))
    calls: dict[str, Counter[str]] = {}
    for event in played.events:
        if isinstance(event, Measured):
            calls[event.cloud] = Counter(event.calls)
    return Trial(
        seed=seed,
        seconds=played.seconds,
        exit_code=played.ending.exit_code,
        reason=played.ending.reason,
        outcomes=Counter(str(event.outcome) for event in played.events if isinstance(event, Finished)),
        calls=dict(sum(calls.values(), Counter[str]())),
    )


def timed(world: World, durations: Mapping[str, Sequence[float]]) -> World:
    """Give the simulated charts the install times that past runs have seen, where there are enough of them."""

    def learned(chart: SimChart) -> SimChart:
        known = [seconds for seconds in durations.get(chart.name, ()) if seconds > 0]
        if len(known) < LEAST_KNOWN:
            return chart
        logs = [math.log(seconds) for seconds in known]
        install, spread = math.exp(statistics.fmean(logs)), statistics.pstdev(logs)
        return msgspec.structs.replace(chart, install=install, spread=spread)

    return msgspec.structs.replace(world, charts=tuple(learned(chart) for chart in world.charts))


def scaled(plan: Plan, clusters: int) -> Plan:
    """The same plan for another number of clusters: the plan's own, in order, repeated or cut."""
    by_cluster: dict[str, list[Deployment]] = {}
    for deployment in plan.deployments:
        by_cluster.setdefault(deployment.cluster.id, []).append(deployment)
    originals = list(by_cluster.values())
    if not originals or clusters < 1:
        raise BadInput("there is nothing to rehearse: the plan has no deployments, or --clusters is below 1")
    pairs = [
        each
        for number in range(clusters)
        for each in _copied(originals[number % len(originals)], number // len(originals))
    ]
    return replace(plan, deployments=pairs, expected={})


def _copied(deployments: Sequence[Deployment], copy: int) -> Sequence[Deployment]:
    """One cluster's deployments on its n-th copy; copy 0 is the cluster itself."""
    if copy == 0:
        return deployments
    original = deployments[0].cluster
    cluster: Cluster = replace(original, id=uuid_like("copy", original.id, copy), name=f"{original.name}-copy{copy}")
    return [
        replace(each, cluster=cluster, key=key_of(cluster.id, each.release.namespace, each.release.name))
        for each in deployments
    ]
