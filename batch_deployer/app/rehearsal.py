"""Rehearsals of a whole plan: many seeds of the real engine on the virtual clock, and what they say about time and calls."""

import math
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import msgspec

from batch_deployer.app.rehearsal_summary import RehearsalSetup, play
from batch_deployer.engine.engine import PriorState
from batch_deployer.errors import InputError
from batch_deployer.manifest.bounds import MAX_DEPLOYMENTS
from batch_deployer.model.deployment import Action, Cluster, Deployment, key_of
from batch_deployer.model.events import Finished, Measured
from batch_deployer.plan.estimate import estimate
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.serialization import dump_plan, parse_plan
from batch_deployer.simulator.faults import files as fault_files
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.process import child_command, child_environment
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import SimChart
from batch_deployer.simulator.world.world import World

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
class RehearsalResult:
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
) -> RehearsalResult:
    """Play the plan once per seed, on all cores. `durations`: seconds that installs took, by chart name."""
    world = timed(World.from_plan(plan), durations)
    workers = min(len(seeds), os.cpu_count() or 1)
    batches = [
        _Batch(
            plan=dump_plan(plan),
            world=world,
            seeds=list(seeds[worker::workers]),
            faults=msgspec.Raw(fault_files.dump(faults)),
            durations=durations,
        )
        for worker in range(workers)
    ]
    trials = [trial for batch in batches for trial in _trials(batch)] if workers == 1 else _all_apart(batches)
    actions = {deployment.key: Action.CREATE for deployment in plan.deployments}
    known = {chart.name: [chart.install] for chart in world.charts}
    return RehearsalResult(
        trials=sorted(trials, key=lambda trial: trial.seed),
        deployments=len(plan.deployments),
        clusters=len({deployment.cluster.id for deployment in plan.deployments}),
        bottleneck=estimate(plan, actions, known).bottleneck,
        from_history=sorted(name for name in known if len(durations.get(name, ())) >= LEAST_KNOWN),
    )


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Rehearsals of one child process, as one JSON document on its standard input."""

    plan: str
    world: World
    seeds: Sequence[int]
    faults: msgspec.Raw
    durations: Mapping[str, Sequence[float]]


def _all_apart(batches: Sequence[_Batch]) -> list[Trial]:
    """Rehearse in a child process each. None of them outlives this call."""
    children = [
        subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            child_command(__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment()
        )
        for _ in batches
    ]
    try:
        with ThreadPoolExecutor(len(batches)) as pool:
            try:
                return [trial for some in pool.map(_trials_apart, children, batches) for trial in some]
            except BaseException:
                for child in children:
                    child.kill()  # so that no thread waits for one
                raise
    finally:
        for child in children:
            child.kill()
            child.wait()


def _trials_apart(child: "subprocess.Popen[bytes]", batch: _Batch) -> list[Trial]:
    """Have a child process rehearse."""
    done, _ = child.communicate(msgspec.json.encode(batch))
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args)
    return msgspec.json.decode(done, type=list[Trial])


def _trials(batch: _Batch) -> list[Trial]:
    faults = fault_files.load_data(msgspec.json.decode(batch.faults))
    return [_trial(batch, seed, faults) for seed in batch.seeds]


def _trial(batch: _Batch, seed: int, faults: Sequence[FaultRule]) -> Trial:
    fleet = SimulatedProvider(batch.world, seed=seed, faults=faults)
    played = play(
        parse_plan(batch.plan), seed=seed, stage=RehearsalSetup(fleet=fleet, past=PriorState(durations=batch.durations))
    )
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

    def with_recorded_times(chart: SimChart) -> SimChart:
        known = [seconds for seconds in durations.get(chart.name, ()) if seconds > 0]
        if len(known) < LEAST_KNOWN:
            return chart
        logs = [math.log(seconds) for seconds in known]
        install, spread = math.exp(statistics.fmean(logs)), statistics.pstdev(logs)
        return msgspec.structs.replace(chart, install=install, spread=spread)

    return msgspec.structs.replace(world, charts=tuple(with_recorded_times(chart) for chart in world.charts))


def scaled(plan: Plan, clusters: int) -> Plan:
    """The same plan for another number of clusters: the plan's own, in order, repeated or cut."""
    by_cluster: dict[str, list[Deployment]] = {}
    for deployment in plan.deployments:
        by_cluster.setdefault(deployment.cluster.id, []).append(deployment)
    originals = list(by_cluster.values())
    if not originals or clusters < 1:
        raise InputError("there is nothing to rehearse: the plan has no deployments, or --clusters is below 1")
    total = sum(len(originals[number % len(originals)]) for number in range(clusters))
    if total > MAX_DEPLOYMENTS:
        raise InputError(f"--clusters {clusters} makes {total:,} deployments; a run may have {MAX_DEPLOYMENTS:,}")
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


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_trials(msgspec.json.decode(sys.stdin.buffer.read(), type=_Batch))))
