"""Somebody else works on the same releases: nothing of theirs is touched, and "deployed" is only what our write made.

    python tests/soak/colleague.py --runs 200     many
    python tests/soak/colleague.py --seed 17      that one alone, with what was found

Each run: creates, upgrades that may fail and are rolled back, replacements, over a rough cloud; a colleague upgrades,
deletes and re-creates releases soon after our writes; the process may die and is resumed. Then the colleague works on
some of what was deployed, the run is rolled back (with deaths, and the colleague at work), and what failed of that is
tried again. The ledger of the fleet tells whose each write was, and is the judge.
"""

import argparse
import asyncio
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from theatre import Show, Trap, act, resume

from batch_deployer.clock.virtual import EPOCH
from batch_deployer.model import events as e
from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    Deployment,
    OnExisting,
    OnFailure,
    Outcome,
    ReleaseSpec,
    key_of,
)
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.plan.retry import plan_retry
from batch_deployer.plan.rollback import plan_rollback
from batch_deployer.rules.ownership import THEIRS
from batch_deployer.settings import GateSettings, IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.rules import INCIDENTS, WRITES, Acts, Effect, FaultRule
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.service.agenda import Wish
from batch_deployer.simulator.service.ledger import Entry
from batch_deployer.simulator.world.entities import SimRelease
from batch_deployer.simulator.world.world import World

LIMITS = (
    Limits(writes=Rate(3, 60.0), reads=Rate(10, 1.0), in_flight=IntOrPercent(64), per_cluster=IntOrPercent(3)),
    Limits(writes=Rate(10, 60.0), reads=Rate(10, 1.0), in_flight=IntOrPercent(64), per_cluster=IntOrPercent(1)),
    Limits(writes=Rate(5, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(64), per_cluster=IntOrPercent(2)),
)
SAME = {"size": 3, "password": "secret env:PASSWORD"}
"""The values that our releases have."""
OLD_CHART, OTHER_CHART = uuid_like("chart", "chart", "1.0.0"), uuid_like("chart", "other")
LATE_SECONDS = 15.0
RACE_SECONDS = 3.0
"""A poll right before a write may be as old as this; nobody can see what happens in between."""
POLL_SECONDS = 0.2
"""From a poll's effect at the cloud to the outcome that rests on it."""
ROUGH = (
    FaultRule(effect=Effect.ERROR, name="504-acted", status=504, acts=Acts.AT_ONCE, calls=WRITES, probability=0.06),
    FaultRule(effect=Effect.ERROR, name="504-lost", status=504, calls=WRITES, probability=0.08),
    FaultRule(
        effect=Effect.ERROR, name="504-late", status=504, acts=Acts.LATE, late=LATE_SECONDS, calls=WRITES,
        probability=0.04,
    ),
    FaultRule(effect=Effect.RESET, name="reset-after", acts=Acts.AT_ONCE, calls=WRITES, probability=0.04),
    FaultRule(effect=Effect.LOCKED, name="locked", probability=0.03),
    FaultRule(effect=Effect.STALE, name="stale", seconds=10.0, probability=0.2),
    FaultRule(effect=Effect.STUCK, name="stuck", probability=0.02),
    FaultRule(effect=Effect.FAIL, name="failing", calls=frozenset({"update_release"}), probability=0.25),
)  # fmt: skip


@dataclass(slots=True)
class Findings:
    """What the ledger says against a run; the lists are empty when it went well."""

    touched: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Outcomes that claim somebody else's work as ours, or ours as somebody else's."""
    lost: list[str] = field(default_factory=list)
    deaths: int = 0
    theirs: int = 0
    """Writes of the colleague."""
    races: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class Colleague:
    """A listener that acts where it hurts most, and notes when each deployment ended by the cloud's own time."""

    def __init__(self, fleet: SimulatedProvider, draw: random.Random, share: float) -> None:
        self.fleet = fleet
        self.epoch = EPOCH
        self.ends: dict[str, float] = {}
        self.copied: set[str] = set()
        """Releases to which they have given just our values."""
        self._draw = draw
        self._share = share

    def on_event(self, event: e.Event) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(event, e.Finished):
            self.ends[event.key] = self.epoch + loop.time()
        elif isinstance(event, _WEAK_MOMENTS) and self._draw.random() < self._share:
            self.visit(event.key, self._draw.choice((0.5, 3.0, 8.0, 15.0, 30.0, 60.0)))

    def visit(self, key: str, after: float) -> None:
        """Do something to a release some seconds from now."""
        effect = self._draw.choice(sorted(INCIDENTS - {Effect.VANISH}))
        # One made anew just as ours would be cannot be told from a late effect of our create.
        same = Wish(values=SAME, chart_id=OLD_CHART if effect is Effect.OTHER_RECREATE else "")
        wish = self._draw.choice((Wish(), same))
        if wish is same:
            self.copied.add(key)
        loop = asyncio.get_running_loop()
        loop.call_later(after, lambda: self.fleet.interfere(key, effect, self.epoch + loop.time(), wish))


_WEAK_MOMENTS = (e.Planned, e.StepCompleted, e.Uncertain, e.Missing, e.Refused)
"""After these a write of ours waits for its turn, for a poll, or for a lock."""


def fleet_plan(seed: int) -> tuple[Plan, World]:
    """Draw a plan, and what runs already."""
    draw = random.Random(f"colleague {seed}")
    pairs, running = [], []
    for number in range(draw.randint(3, 8)):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud="one")
        for name in ("web", "db", "agent")[: draw.randint(1, 3)]:
            release = ReleaseSpec(
                name=name, namespace="apps", chart=ChartRef(name="chart"), version="2.0.0", timeout=300.0,
                values_json=json.dumps({"size": 3, "password": "${secret:env:PASSWORD}"}),
                on_failure=draw.choice(list(OnFailure)),
                on_existing=OnExisting.REPLACE if name == "agent" else OnExisting.UPGRADE, allow_destructive=True,
            )  # fmt: skip
            key = key_of(cluster.id, "apps", name)
            pairs.append(Deployment(key=key, cluster=cluster, release=release, wave=number % 2))
            if draw.random() < 0.6:
                running.append(
                    SimRelease(
                        cluster_id=cluster.id, namespace="apps", name=name, chart_id=OLD_CHART, version="1.0.0",
                        revision=draw.randint(1, 3), values='{"size": 1}',
                    )
                )  # fmt: skip
    plan = Plan(
        name=f"colleague-{seed}",
        clouds={"one": CloudSpec(name="one", limits=draw.choice(LIMITS))},
        deployments=pairs,
        waves=(Wave(name="first"), Wave(name="rest")),
        gates=GateSettings(systemic=0),
    )
    world = World.from_plan(plan)
    old = msgspec.structs.replace(world.charts[0], id=OLD_CHART, versions=("1.0.0",))
    other = msgspec.structs.replace(world.charts[0], id=OTHER_CHART, name="other", versions=("1.0.0",))
    return plan, msgspec.structs.replace(world, releases=tuple(running), charts=(*world.charts, old, other))


def incidents(draw: random.Random, share: float) -> Sequence[FaultRule]:
    """The colleague at work, soon after writes of ours."""
    return [
        FaultRule(
            effect=effect, name=f"{effect} {number}", seconds=draw.choice((0.5, 3.0, 10.0, 30.0, 70.0)),
            probability=share / 6, calls=WRITES,
        )
        for effect in sorted(INCIDENTS - {Effect.VANISH})
        for number in range(2)
    ]  # fmt: skip


def trial(seed: int) -> Findings:
    """Play one seed and judge it."""
    draw = random.Random(f"trial {seed}")
    plan, world = fleet_plan(seed)
    share = draw.choice((0.0, 0.2, 0.4))
    fleet = SimulatedProvider(world, seed=seed, faults=[*ROUGH, *incidents(draw, share)])
    found, they = Findings(), Colleague(fleet, draw, share)
    try:
        show = act(plan, seed=seed, fleet=fleet, trap=_trap(draw), listener=they)
        show = _to_the_end(plan, show, draw, they, found)
        _judge("run", plan, show, they, found)
        _note_touched(found, touched(fleet.ledger.entries))
        _work_by_hand(plan, show, draw)
        back = plan_rollback(plan, show.events, delete_created=True).plan
        for what in ("rollback", "retry"):
            if not back.deployments:
                break
            begun = len(fleet.ledger.entries)
            fleet.set_faults([*ROUGH, *incidents(draw, share)])
            they.epoch, they.ends = show.ended_at + 700.0, {}
            show = act(back, seed=seed, fleet=fleet, epoch=they.epoch, trap=_trap(draw), listener=they)
            show = _to_the_end(back, show, draw, they, found)
            _judge(what, back, show, they, found)
            _note_touched(found, touched(fleet.ledger.entries, begun, by_policy=False))
            back = plan_retry(back, show.events, failed=True, not_started=True)
    except TimeoutError:
        found.lost.append("the run never ended")
        return found
    found.theirs = sum(entry.origin == "other" for entry in fleet.ledger.entries)
    return found


def _trap(draw: random.Random) -> Trap | None:
    if draw.random() < 0.5:
        return None
    moment = draw.choice(("entry", "commit", "unsent", "sent", "replied"))
    return Trap(moment=moment, number=draw.randint(1, 80), luck=draw.random())


def _to_the_end(plan: Plan, show: Show, draw: random.Random, they: Colleague, found: Findings) -> Show:
    while show.ending is None:
        found.deaths += 1
        after = draw.uniform(5.0, 90.0)
        they.epoch = show.ended_at + after
        trap = _trap(draw) if draw.random() < 0.3 else None
        show = resume(plan, show, seed=plan.deployments[0].wave, trap=trap, after=after, listener=they)
    return show


def _work_by_hand(plan: Plan, show: Show, draw: random.Random) -> None:
    """What the colleague does between our runs, some of it so that only one point tells it."""
    ours = next(chart.id for chart in show.fleet.world.charts if chart.versions == ("2.0.0",))
    for deployment in plan.deployments:
        if draw.random() < 0.4:
            effect = draw.choice(sorted(INCIDENTS - {Effect.VANISH}))
            wish = draw.choice(
                (
                    Wish(),
                    Wish(values=SAME, chart_id=ours),
                    Wish(values=SAME, chart_id=ours, revision=draw.randint(1, 4)),
                    Wish(chart_id=OTHER_CHART),
                    Wish(chart_id=OLD_CHART, values=SAME),
                )
            )
            at = show.ended_at + draw.uniform(2.0, 600.0)
            show.fleet.interfere(deployment.key, effect, at, wish)


def _judge(what: str, plan: Plan, show: Show, they: Colleague, found: Findings) -> None:
    """Every outcome against the ledger."""
    ends: dict[str, e.Finished] = {event.key: event for event in show.events if isinstance(event, e.Finished)}
    actions = {event.key: event.action for event in show.events if isinstance(event, e.Planned)}
    unclear = {event.key for event in show.events if isinstance(event, e.Uncertain)}
    written: dict[str, list[Entry]] = {}
    for entry in show.fleet.ledger.entries:
        if entry.operation != "create_refused":
            written.setdefault(entry.key, []).append(entry)
    for deployment in plan.deployments:
        key, end = deployment.key, ends.get(deployment.key)
        if end is None:
            found.lost.append(f"{what}: {key} has no outcome")
            continue
        found.outcomes[f"{end.outcome}{' (theirs)' if end.fingerprint == THEIRS else ''}"] += 1
        entries = written.get(key, [])
        before = [entry for entry in entries if entry.at <= they.ends[key] - POLL_SECONDS]
        theirs = bool(before) and before[-1].origin == "other"
        if theirs and before[-1].operation == "delete" and deployment.undo and deployment.undo.action is Action.DELETE:
            continue  # it is gone, which is what was wanted
        if key in unclear and key in they.copied:
            continue  # the same by another's hand cannot be told from a late effect of our write
        if actions.get(key) is Action.ADOPT:
            continue  # what somebody else installs as it is wanted is watched, and never rolled back
        if end.outcome in (Outcome.DEPLOYED, Outcome.ROLLED_BACK) and theirs:
            found.wrong.append(f"{what}: {key} is said to be {end.outcome}, but {before[-1]} was the last to change it")
        if end.fingerprint == THEIRS and not any(
            entry.origin == "other" and entry.at <= they.ends[key] for entry in entries
        ):
            found.wrong.append(f"{what}: {key} is blamed on somebody else, but nobody was there: {end.reason}")


def touched(
    ledger: Sequence[Entry], begun: int = 0, *, by_policy: bool = True, race: float = RACE_SECONDS
) -> Iterator[tuple[bool, str]]:
    """Writes of ours since `begun` that took effect on a release which a colleague had changed before they left.

    Each with whether the colleague could have been seen. by_policy: a run's first write to a release may hit what it found
    there, since the manifest says so. race: seconds that a poll right before a write may be old.
    """
    theirs: dict[str, Entry] = {}
    written: set[str] = set()
    for number, entry in enumerate(ledger):
        if entry.operation == "create_refused":
            continue
        if entry.origin == "other":
            theirs[entry.key] = entry
            continue
        last = theirs.pop(entry.key, None)  # from now on it is ours, rightly or not
        first = by_policy and entry.key not in written
        written.add(entry.key)
        if last is None or number < begun or first:
            continue
        if last.operation in ("delete", "vanish") and entry.operation == "create" and not entry.duplicate:
            continue  # nothing of theirs was there
        left = entry.at - (LATE_SECONDS if entry.origin == "late" else 0.0)
        yield left - last.at > race, f"{entry} hit what {last} had made"


def _note_touched(found: Findings, hits: Iterator[tuple[bool, str]]) -> None:
    for visible, hit in hits:
        found.races += not visible
        found.touched += [hit] if visible else []


def main(arguments: Sequence[str]) -> int:
    """Run many seeds, or one; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this seed")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.runs)
    total, outcomes = Counter[str](), Counter[str]()
    for seed in seeds:
        found = trial(seed)
        for name in ("touched", "wrong", "lost"):
            for line in getattr(found, name):
                sys.stdout.write(f"seed {seed}: {name}: {line}\n")
            total[name] += len(getattr(found, name))
        total += Counter(runs=1, deaths=found.deaths, theirs=found.theirs, races=found.races)
        outcomes += found.outcomes
    names = ("runs", "deaths", "theirs", "races", "touched", "wrong", "lost")
    sys.stdout.write("colleague: " + ", ".join(f"{name} {total[name]}" for name in names) + "\n")
    sys.stdout.write(f"  {outcomes.total()} outcomes: {dict(outcomes)}\n")
    return 1 if total["touched"] or total["wrong"] or total["lost"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
