"""How near a run comes to the shortest time that its limits allow, and how late it notices that an install has ended.

On the virtual clock: the real engine against the simulated fleet, so that hours of limits pass in seconds.

The bound, for writes in the order in which they were sent: write k (from 0) of a limit of `count` calls in `period` cannot
leave before `floor(k / count) * period`, and its install then takes what it took; the latest of those ends is the bound.
Refused and repeated writes count, since they use the limit up. Two bounds are given where the server refuses calls: that
one, and one which adds the pauses that the refusals themselves ordered (a limit's own window each, overlaps counted once).
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import FIVE_PERCENT, main, rounded, target
from fleets import Shape, load_shape, world_of
from own import quantile

from batch_deployer.clock.virtual import EPOCH
from batch_deployer.compose.rehearsal import Played, Stage, play
from batch_deployer.execution.engine import Past
from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.model.events import Finished, Intended, Throttled
from batch_deployer.plan.frozen import Plan
from batch_deployer.settings import Rate
from batch_deployer.simulator.durations import duration
from batch_deployer.simulator.fault_rules import FaultRule
from batch_deployer.simulator.fleet import Fleet

_GRID = ((1_000, "10/min"), (1_000, "50/s"), (1_000, "500/s"), (10_000, "50/s"), (10_000, "500/s"))
_BUDGETS = ("1/s", "2/s", "5/s", "10/s", "50/s")
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """When installs ended, and when the run noticed. Seconds since its start."""

    real: Mapping[str, float]
    noticed: Mapping[str, float]
    took: Mapping[str, float]


def ends_of(played: Played, plan: Plan) -> Ends:
    """Join the fleet's ledger with the run's events."""
    by_chart = {chart.id: chart for chart in played.fleet.world.charts}
    chart_of = {each.key: by_chart[each.release.chart.id] for each in plan.deployments}
    made = {entry.key: entry for entry in played.fleet.ledger.entries if entry.operation == "create"}
    took = {
        key: duration(played.fleet.seed, chart_of[key], Operation.CREATE, key, entry.revision)
        for key, entry in made.items()
    }
    noticed = {
        event.key: event.at - EPOCH
        for event in played.events
        if isinstance(event, Finished) and event.outcome is Outcome.DEPLOYED
    }
    return Ends(real={key: made[key].at - EPOCH + took[key] for key in made}, noticed=noticed, took=took)


def bound_of(sent: Sequence[str], took: Mapping[str, float], rate: Rate) -> float:
    """Seconds within which no schedule of these writes could have ended all their installs."""
    return max(number // rate.count * rate.period + took.get(key, 0.0) for number, key in enumerate(sent))


def pauses_of(played: Played) -> float:
    """Seconds of the writes' pauses that refusals ordered, overlaps counted once."""
    spans = sorted(
        (event.at, event.at + event.wait)
        for event in played.events
        if isinstance(event, Throttled) and event.bucket == "writes"
    )
    total, until = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _plan(folder: Path, deployments: int, writes: str, reads: str) -> Plan:
    shape = Shape(
        clusters=max(1, deployments // 10), releases=10, writes=writes, reads=reads, per_cluster="100%", timeout="1h"
    )
    return load_shape(folder, shape)


def _play(plan: Plan, faults: Sequence[FaultRule]) -> Played:
    """Install times known from earlier runs, as in the second run of a state folder."""
    world = world_of(plan)
    past = Past(durations={chart.id: _typical(chart.install) for chart in world.charts})
    return play(plan, seed=_SEED, stage=Stage(fleet=Fleet(world, seed=_SEED, faults=faults), past=past))


def _typical(install: float) -> Sequence[float]:
    """Nine install times around a median, as a history would hold them."""
    return [install * factor for factor in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.45, 1.7)]


def _case(folder: Path, deployments: int, writes: str, faults: Sequence[FaultRule]) -> Mapping[str, Any]:
    rate = Rate.parse(writes)
    reads = writes if rate.per_second > 10 else "10/s"
    plan = _plan(folder, deployments, writes, reads)
    played = _play(plan, faults)
    ends = ends_of(played, plan)
    sent = [event.key for event in played.events if isinstance(event, Intended)]
    bound, pauses = bound_of(sent, ends.took, rate), pauses_of(played)
    deployed = sum(isinstance(event, Finished) and event.outcome is Outcome.DEPLOYED for event in played.events)
    return {
        "deployments": deployments,
        "writes_limit": writes,
        "reads_limit": reads,
        "faults": bool(faults),
        "writes": len(sent),
        "deployed": deployed,
        "seconds": rounded(played.seconds),
        "bound": rounded(bound),
        "ordered_pauses": rounded(pauses),
        "over_bound": rounded(played.seconds / bound),
        "over_bound_with_pauses": rounded(played.seconds / (bound + pauses)),
        "last_write_at": rounded(max(e.at for e in played.events if isinstance(e, Intended)) - EPOCH),
        "last_install_ended_at": rounded(max(ends.real.values())),
    }


def _detection(folder: Path, deployments: int, writes: str, reads: str) -> Mapping[str, Any]:
    """How long after an install's end the run knew, as a share of the install's time."""
    plan = _plan(folder, deployments, writes, reads)
    played = _play(plan, ())
    ends = ends_of(played, plan)
    late = [ends.noticed[key] - ends.real[key] for key in ends.noticed]
    shares = [(ends.noticed[key] - ends.real[key]) / ends.took[key] for key in ends.noticed]
    calls = sum(n for name, n in played.fleet.ledger.calls["sim"].items() if name.startswith("list_releases"))
    return {
        "reads_limit": reads,
        "deployments": deployments,
        "writes_limit": writes,
        "delay_median_s": rounded(quantile(late, 0.5)),
        "delay_p95_s": rounded(quantile(late, 0.95)),
        "share_median": rounded(quantile(shares, 0.5)),
        "share_p95": rounded(quantile(shares, 0.95)),
        "reads_per_deployment": rounded(calls / deployments),
    }


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """The grid, clean and with faults, and the read budgets."""
    grid = ((40, "10/min"), (40, "50/s")) if quick else _GRID
    budgets = ("2/s", "10/s") if quick else _BUDGETS
    cases, detection = [], []
    with TemporaryDirectory() as folder:
        for deployments, writes in grid:
            for faults in ((), FIVE_PERCENT):
                cases.append(_case(Path(folder), deployments, writes, faults))
                print(cases[-1], file=sys.stderr)
        detection = [_detection(Path(folder), 40 if quick else 1_000, "1/s", reads) for reads in budgets]
    for tighter, wider in pairwise(detection):
        print(tighter["reads_limit"], tighter["share_median"], wider["share_median"], file=sys.stderr)
    clean = max(case["over_bound"] for case in cases if not case["faults"])
    rough = max(case["over_bound"] for case in cases if case["faults"])
    paused = max(case["over_bound_with_pauses"] for case in cases if case["faults"])
    return {
        "seed": _SEED,
        "cases": cases,
        "detection": detection,
        "targets": {
            "clean, worst case over the bound": target(clean, most=1.02),
            "with 5% throttles and faults, worst case over the bound": target(rough, most=1.10),
            "the same, over the bound with the pauses that the server ordered": target(paused, most=1.10),
        },
    }


if __name__ == "__main__":
    main("makespan", measure)
