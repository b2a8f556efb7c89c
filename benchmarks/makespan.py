"""How near a run comes to the shortest time that its limits allow, and how late it notices that an install has ended.

On the virtual clock: the real engine against the simulated fleet, so that hours of limits pass in seconds.

The bound, for writes in the order in which they were sent: write k (from 0) of a limit of `count` calls in `period` cannot
leave before `floor(k / count) * period`, and its install then takes what it took; the latest of those ends is the bound.
Refused and repeated writes count, since they use the limit up.

With faults there are two more bounds, for what the server and the safety of a run impose on any schedule. A refusal orders
a pause of all writes, of the window that its text names: a write cannot leave sooner than the limit allows plus all pauses
ordered before it (overlaps counted once). What a run waits on top, so that it does not come back at the same instant as
other clients, is its own choice and no part of the order. And a write whose answer was lost is sent again only after the
release stayed absent for the grace, since the first one may still take effect.
"""

import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import FIVE_PERCENT, main, rounded, target
from fleets import Shape, load_shape, world_of
from own import quantile

from batch_deployer.app.rehearsal_summary import RehearsalRun, RehearsalSetup, play
from batch_deployer.clock.virtual import EPOCH
from batch_deployer.engine.engine import PriorState
from batch_deployer.model.api import Answer
from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.model.events import Finished, Intended, Missing, Throttled, Uncertain
from batch_deployer.plan.plan import Plan
from batch_deployer.rules.responses import throttle_wait
from batch_deployer.settings import Rate
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.service.durations import duration

_GRID = ((1_000, "10/min"), (1_000, "50/s"), (1_000, "500/s"), (10_000, "50/s"), (10_000, "500/s"))
_BUDGETS = ("1/s", "2/s", "5/s", "10/s", "50/s")
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """When installs ended, and when the run noticed. Seconds since its start."""

    real: Mapping[str, float]
    noticed: Mapping[str, float]
    took: Mapping[str, float]


def ends_of(played: RehearsalRun, plan: Plan) -> Ends:
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


class Pauses:
    """The pauses of all writes that refusals ordered. Seconds since the run's start."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        """`spans`: start and end of each; they may overlap."""
        self._starts: list[float] = []
        self._ends: list[float] = []
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)
        lengths = (end - start for start, end in zip(self._starts, self._ends, strict=True))
        self._sums = [0.0, *accumulate(lengths)]

    def before(self, at: float = float("inf")) -> float:
        """Seconds of all that had begun by then."""
        begun = bisect_right(self._starts, at)
        return self._sums[begun] - max(0.0, self._ends[begun - 1] - at) if begun else 0.0


def pauses_of(played: RehearsalRun, plan: Plan) -> tuple[Pauses, Pauses]:
    """Pauses as the server ordered them, and as they were kept."""
    found = [event for event in played.events if isinstance(event, Throttled) and event.bucket == "writes"]
    default = plan.settings.retry.throttle
    ordered = [throttle_wait(Answer(status=429, message=event.message), default) for event in found]
    spans = [(event.at - EPOCH, event.at - EPOCH + wait) for event, wait in zip(found, ordered, strict=True)]
    return Pauses(spans), Pauses([(event.at - EPOCH, event.at - EPOCH + event.wait) for event in found])


def bounds_of(
    played: RehearsalRun, took: Mapping[str, float], rate: Rate, pauses: Pauses, grace: float
) -> tuple[float, float, float]:
    """Seconds within which no schedule of these writes could have ended all their installs.

    First by the limit alone, then with the ordered pauses, then also with the grace before a write is sent again.
    """
    absent: set[str] = set()
    left: dict[str, float] = {}
    plain = with_pauses = with_grace = 0.0
    number = 0
    for event in played.events:
        if isinstance(event, Missing):
            absent.add(event.key)
        elif isinstance(event, Intended):
            slot = number // rate.count * rate.period
            paused = slot + pauses.before(event.at - EPOCH)
            again = max(paused, left[event.key] + grace) if event.key in absent else paused
            left[event.key] = again
            absent.discard(event.key)
            takes = took.get(event.key, 0.0)
            plain, with_pauses, with_grace = (
                max(plain, slot + takes),
                max(with_pauses, paused + takes),
                max(with_grace, again + takes),
            )
            number += 1
    return plain, with_pauses, with_grace


def read_back_of(played: RehearsalRun, key: str) -> float:
    """Seconds for which a deployment waited to find out that a write had not taken effect."""
    waited = since = 0.0
    for event in played.events:
        if isinstance(event, Uncertain) and event.key == key:
            since = event.at
        elif isinstance(event, Missing) and event.key == key:
            waited += event.at - since
    return waited


def _plan(folder: Path, deployments: int, writes: str, reads: str) -> Plan:
    shape = Shape(
        clusters=max(1, deployments // 10), releases=10, writes=writes, reads=reads, per_cluster="100%", timeout="1h"
    )
    return load_shape(folder, shape)


def _play(plan: Plan, faults: Sequence[FaultRule]) -> RehearsalRun:
    """Install times known from earlier runs, as in the second run of a state folder."""
    world = world_of(plan)
    past = PriorState(durations={chart.id: _typical(chart.install) for chart in world.charts})
    return play(
        plan, seed=_SEED, stage=RehearsalSetup(fleet=SimulatedProvider(world, seed=_SEED, faults=faults), past=past)
    )


def _typical(install: float) -> Sequence[float]:
    """Nine install times around a median, as a history would hold them."""
    return [install * factor for factor in (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.45, 1.7)]


def _case(folder: Path, deployments: int, writes: str, faults: Sequence[FaultRule]) -> Mapping[str, Any]:
    rate = Rate.parse(writes)
    reads = writes if rate.per_second > 10 else "10/s"
    plan = _plan(folder, deployments, writes, reads)
    played = _play(plan, faults)
    ends = ends_of(played, plan)
    ordered, kept = pauses_of(played, plan)
    bound, paused, again = bounds_of(played, ends.took, rate, ordered, plan.settings.reconcile.absence_grace)
    sent = [event.at - EPOCH for event in played.events if isinstance(event, Intended)]
    return {
        "deployments": deployments,
        "writes_limit": writes,
        "reads_limit": reads,
        "faults": bool(faults),
        "writes": len(sent),
        "writes_refused": sum(isinstance(event, Throttled) and event.bucket == "writes" for event in played.events),
        "deployed": len(ends.noticed),
        "seconds": rounded(played.seconds),
        "bound": rounded(bound),
        "bound_with_pauses": rounded(paused),
        "bound_with_pauses_and_grace": rounded(again),
        "ordered_pauses": rounded(ordered.before()),
        "waited_on_top_of_pauses": rounded(kept.before() - ordered.before()),
        "last_waited_to_read_back": rounded(read_back_of(played, max(ends.real, key=ends.real.__getitem__))),
        "over_bound": rounded(played.seconds / bound),
        "over_bound_with_pauses": rounded(played.seconds / paused),
        "over_bound_with_pauses_and_grace": rounded(played.seconds / again),
        "last_write_at": rounded(max(sent)),
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
    rough = [case for case in cases if case["faults"]]
    return {
        "seed": _SEED,
        "cases": cases,
        "detection": detection,
        "targets": {
            "clean, worst case over the bound": target(
                max(case["over_bound"] for case in cases if not case["faults"]), most=1.02
            ),
            "with 5% throttles and faults, worst case over the bound": target(
                max(case["over_bound"] for case in rough), most=1.10
            ),
            "the same, over the bound with the pauses that the server ordered": target(
                max(case["over_bound_with_pauses"] for case in rough), most=1.10
            ),
            "the same, over the bound with these pauses and the grace before a write is sent again": target(
                max(case["over_bound_with_pauses_and_grace"] for case in rough), most=1.10
            ),
        },
    }


if __name__ == "__main__":
    main("makespan", measure)
