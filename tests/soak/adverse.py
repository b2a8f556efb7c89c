"""Bad days by the hundred: seeded runs on the virtual clock in which everything goes wrong at once.

    python tests/soak/adverse.py --runs 500       many
    python tests/soak/adverse.py --seed 17        that one alone, with what was found

Each run: a plan drawn from the seed (creates, upgrades, replacements), 20% of the writes ambiguous, stale reads,
resets, throttle storms, dying tokens, clock jumps; in many of the runs the process also dies, once or twice, and
the run is resumed. The fleet applies a second create of a name (as a further install) instead of refusing it, so that a
blind retry does its damage. The ledger of the fleet is the judge.
"""

import argparse
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from colleague import touched
from theatre import Show, Trap, act, resume

from batch_deployer.model import events as e
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, OnExisting, Outcome, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.files import preset
from batch_deployer.simulator.faults.rules import Effect, FaultRule
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.world.entities import SimRelease
from batch_deployer.simulator.world.world import World

SECRET = "hunter2-never-to-be-seen"
SLOWEST_RACE = 12.0
"""Seconds that a slow poll, and a write behind it, may take."""
COLLISIONS = FaultRule(effect=Effect.ALLOW_COLLISION, name="collisions")
LIMITS = (
    Limits(writes=Rate(10, 60.0), reads=Rate(10, 1.0), in_flight=IntOrPercent(64), per_cluster=IntOrPercent(1)),
    Limits(
        writes=Rate(5, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(50, percent=True), per_cluster=IntOrPercent(2)
    ),
    Limits(
        writes=Rate(30, 60.0), reads=Rate(5, 1.0), in_flight=IntOrPercent(5), per_cluster=IntOrPercent(50, percent=True)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One bad day."""

    seed: int
    plan: Plan
    world: World
    faults: Sequence[FaultRule]
    jumps: Sequence[tuple[float, float]]
    traps: Sequence[Trap]


@dataclass(slots=True)
class Findings:
    """What the ledger says against a run; all empty when it went well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    """Somebody else's releases that were written to."""
    deaths: int = 0
    unclear: int = 0
    """Writes whose answer did not say whether they took effect."""
    outcomes: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> list[str]:
        """Everything found, one line each."""
        named = (
            ("lost", self.lost), ("doubled", self.doubled), ("over limit", self.over_limit), ("leaked", self.leaked),
            ("touched", self.touched),
        )  # fmt: skip
        return [f"{name}: {line}" for name, lines in named for line in lines]


def scene(seed: int) -> Scene:
    """Draw a bad day."""
    draw = random.Random(f"scene {seed}")
    clouds = ("one", "two")[: draw.choice((1, 2))]
    limits = draw.choice(LIMITS)
    names = ("web", "db", "agent")[: draw.choice((1, 2, 3))]
    clusters = draw.randint(8, 14) // len(names) + draw.randint(2, 6)
    replaces = draw.random() < 0.3
    pairs, running = [], []
    for number in range(clusters):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud=clouds[number % len(clouds)])
        for name in names:
            release = ReleaseSpec(
                name=name, namespace="apps", chart=ChartRef(name="chart"), version="2.0.0",
                values_json=json.dumps({"password": "${secret:env:PASSWORD}", "size": number % 3}),
                on_existing=OnExisting.REPLACE if replaces else OnExisting.UPGRADE, allow_destructive=replaces,
                needs=("web",) if name != "web" and seed % 3 == 0 else (),
            )  # fmt: skip
            key = key_of(cluster.id, "apps", name)
            pairs.append(Deployment(key=key, cluster=cluster, release=release, wave=number % 2))
            if draw.random() < 0.3:
                running.append(_running(cluster, name))
    plan = Plan(
        name=f"adverse-{seed}",
        clouds={name: CloudSpec(name=name, limits=limits) for name in clouds},
        deployments=pairs,
        waves=(Wave(name="first", soak=float(draw.choice((0, 60)))), Wave(name="rest")),
    )
    faults = preset(draw.choice(("rough", "storm")))
    collide = seed % 4 != 3
    traps = [_trap(draw) for _ in range(draw.choice((0, 1, 2)))]
    jumps = [(draw.uniform(1, 300), draw.choice((-1, 1)) * draw.uniform(10, 20000)) for _ in range(draw.choice((1, 3)))]
    return Scene(
        seed=seed, plan=plan, world=_world(plan, running), faults=(*faults, COLLISIONS) if collide else faults,
        jumps=jumps, traps=traps,
    )  # fmt: skip


def _running(cluster: Cluster, name: str) -> SimRelease:
    chart = uuid_like("chart", "chart", "1.0.0")
    return SimRelease(cluster_id=cluster.id, namespace="apps", name=name, chart_id=chart, version="1.0.0", revision=2)


def _world(plan: Plan, running: Sequence[SimRelease]) -> World:
    world = World.from_plan(plan)
    old = msgspec.structs.replace(world.charts[0], id=uuid_like("chart", "chart", "1.0.0"), versions=("1.0.0",))
    return msgspec.structs.replace(world, releases=tuple(running), charts=(*world.charts, old))


def _trap(draw: random.Random) -> Trap:
    moment = draw.choice(("entry", "commit", "unsent", "sent", "replied"))
    return Trap(moment=moment, number=draw.randint(1, 120), luck=draw.random())


def perform(scene: Scene) -> tuple[list[Show], Show]:
    """Play a bad day through all its deaths; gives every part, and the last."""
    shows: list[Show] = []
    trap = [*scene.traps, None]
    show = act(
        scene.plan, seed=scene.seed, world=scene.world, faults=scene.faults, jumps=scene.jumps, trap=trap[0],
        secrets=_secret,
    )  # fmt: skip
    shows.append(show)
    while show.ending is None:
        # A process that starts anew finds the wall where the old one left it, set right, or set wrong.
        following = trap[len(shows)]
        show = resume(
            scene.plan, show, seed=scene.seed, trap=following, secrets=_secret, after=5.0 + scene.seed % 90,
            jumps=_set_clock(scene.seed, len(shows)),
        )  # fmt: skip
        shows.append(show)
    return shows, show


def _set_clock(seed: int, part: int) -> Sequence[tuple[float, float]]:
    """How far the wall is off from the start of a part, and how far it is set while that goes on."""
    draw = random.Random(f"clock {seed} {part}")
    by = [draw.choice((-1, 1)) * draw.choice((30.0, 300.0, 7200.0)) for _ in range(2)]
    return ((0.0, by[0]), (draw.uniform(1, 120), by[1])) if draw.random() < 0.7 else ()


def _secret(_: str) -> str:
    return SECRET


def trial(seed: int) -> Findings:
    """Play one seed and judge it."""
    day = scene(seed)
    try:
        shows, last = perform(day)
    except TimeoutError:
        return Findings(lost=["all that was left: the run never ended"])
    found = Findings(deaths=len(shows) - 1)
    found.outcomes.update(outcome for outcome, _ in last.outcomes().values())
    for show in shows:
        found.calls.update(called.call.kind for called in show.calls)
        found.unclear += sum(
            called.call.writes and (called.answer.status == 0 or called.answer.status >= 500) for called in show.calls
        )
    found.lost += _lost(day, last)
    found.doubled += _doubled(last)
    found.over_limit += _over_limit(day, last)
    found.touched += [hit for visible, hit in touched(last.fleet.ledger.entries, race=SLOWEST_RACE) if visible]
    text = msgspec.json.encode(list(last.events)).decode() + str(last.ending)
    if SECRET in text:
        found.leaked.append("the journal holds a secret")
    return found


def _lost(day: Scene, last: Show) -> Iterator[str]:
    """Deployments without exactly one outcome, or whose outcome is not what the ledger knows."""
    finished = Counter(event.key for event in last.events if isinstance(event, e.Finished))
    truth = last.fleet.releases(last.ended_at)
    outcomes = last.outcomes()
    touched = {
        entry.key for entry in last.fleet.ledger.entries if entry.origin == "other" or entry.operation == "vanish"
    }
    for deployment in day.plan.deployments:
        key = deployment.key
        if finished[key] != 1:
            yield f"{key} has {finished[key]} outcomes"
            continue
        outcome, reason = outcomes[key]
        body = truth.get(key)
        there = body is not None and body.status == "DEPLOYED" and body.chart_version == "2.0.0"
        if key in touched:
            continue
        good = Outcome(outcome).succeeded
        if good and not there:
            yield f"{key} is said to be {outcome}, but the cloud has {body and (body.status, body.chart_version)}"
        if there and not good:
            yield f"{key} runs as wanted, but is said to be {outcome}: {reason}"


def _doubled(last: Show) -> Iterator[str]:
    """Writes that took effect more often than wanted."""
    ledger = last.fleet.ledger
    yield from (f"{key} was created although it existed" for key in ledger.duplicates)
    theirs = {entry.key for entry in ledger.entries if entry.origin == "other" or entry.operation == "vanish"}
    for key, number in ledger.creates.items():
        if number > 1 and key not in theirs:
            yield f"{key} was created {number} times"
    ours = Counter(
        (entry.key, entry.operation) for entry in ledger.entries
        if entry.origin != "other" and entry.operation in ("upgrade", "delete")
    )  # fmt: skip
    yield from (f"{key} was hit by {number} {operation}s" for (key, operation), number in ours.items() if number > 1)


def _over_limit(day: Scene, last: Show) -> Iterator[str]:
    """Windows that the server saw above their limit, and caps that the journal shows exceeded."""
    for (cloud, bucket), throttle in last.fleet.throttles.items():
        if throttle.peak > throttle.rate.count or throttle.refused:
            yield f"{bucket} of {cloud}: {throttle.peak} in one window of {throttle.rate}, {throttle.refused} refused"
    for name, cloud in day.plan.clouds.items():
        of_cloud = [each for each in day.plan.deployments if each.cluster.cloud == name]
        cap = max(1, cloud.limits.in_flight.of(len(of_cloud)))
        for part, measured in _last_measures(last.events, name):
            if measured.peaks.get("in_flight", 0) > cap:
                yield f"{measured.peaks['in_flight']} in flight in {name} (part {part}), the cap is {cap}"


def _last_measures(events: Sequence[e.Event], cloud: str) -> Iterator[tuple[int, e.Measured]]:
    return enumerate(event for event in events if isinstance(event, e.Measured) and event.cloud == cloud)


def main(arguments: Sequence[str]) -> int:
    """Run many seeds, or one; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this seed")
    options = parser.parse_args(arguments)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.runs)
    total = Counter[str]()
    outcomes, calls = Counter[str](), Counter[str]()
    for seed in seeds:
        found = trial(seed)
        for line in found.bad:
            sys.stdout.write(f"seed {seed}: {line}\n")
        if found.bad:
            sys.stdout.write(f"  replay: {sys.executable} tests/soak/adverse.py --seed {seed}\n")
        total += Counter(
            runs=1, deaths=found.deaths, lost=len(found.lost), doubled=len(found.doubled),
            over_limit=len(found.over_limit), leaked=len(found.leaked), touched=len(found.touched),
        )  # fmt: skip
        outcomes += found.outcomes
        calls += found.calls
    names = ("runs", "deaths", "lost", "doubled", "over_limit", "leaked", "touched")
    sys.stdout.write("adverse: " + ", ".join(f"{name.replace('_', ' ')} {total[name]}" for name in names) + "\n")
    sys.stdout.write(f"  {outcomes.total()} deployments: {dict(outcomes)}\n  calls: {dict(calls)}\n")
    return 1 if any(total[name] for name in names[2:]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
