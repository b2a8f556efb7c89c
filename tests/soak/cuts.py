"""The process dies at every moment in turn, and the run is resumed: nothing lost, nothing twice, the same outcomes.

    python tests/soak/cuts.py                     every journal entry, commit and call of a few runs
    python tests/soak/cuts.py --trap sent:17:4    one death alone: moment, number, seed

The process dies before an entry is taken, after the intent is durable, before the bytes leave, with the reply on its
way, and with the reply in hand; each time the power loss takes the journal's entries after its last commit, or half or
none of them. Deaths are on the virtual clock; real processes are killed elsewhere.
"""

import argparse
import random
import sys
import uuid
from collections.abc import Iterator, Sequence

from theatre import Show, Trap, act, resume

from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, OnExisting, OnFailure, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.rules import Acts, Effect, FaultRule
from batch_deployer.simulator.world.entities import SimRelease
from batch_deployer.simulator.world.world import World

CREATES = frozenset({"create_release"})
FAULTS = (
    FaultRule(effect=Effect.ALLOW_COLLISION),
    FaultRule(effect=Effect.STALE, seconds=8.0, probability=0.5),
    FaultRule(effect=Effect.RESET, acts=Acts.AT_ONCE, calls=CREATES, probability=0.3, attempts=(1,)),
    FaultRule(effect=Effect.FAIL, release="app", cluster="c3"),
    FaultRule(effect=Effect.FAIL, release="old", cluster="c1", first=1),
)
LUCK = (0.0, 0.5, 1.0)


def plan() -> Plan:
    """Creates, upgrades with and without a way back, a replacement, needs, two waves."""
    limits = Limits(writes=Rate(6, 10.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(8), per_cluster=IntOrPercent(2))
    chart = ChartRef(name="chart")
    pairs = []
    for number in range(4):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud="sim")
        base = ReleaseSpec(name="base", namespace="apps", chart=chart, version="1.0.0", values_json='{"size":1}')
        app = ReleaseSpec(name="app", namespace="apps", chart=chart, version="1.0.0", needs=("base",))
        old = ReleaseSpec(
            name="old", namespace="apps", chart=chart, version="1.0.0", values_json='{"size":2}',
            on_existing=OnExisting.REPLACE if number == 2 else OnExisting.UPGRADE, allow_destructive=True,
            on_failure=OnFailure.ROLLBACK,
        )  # fmt: skip
        for release in (base, app, old):
            key = key_of(cluster.id, "apps", release.name)
            pairs.append(Deployment(key=key, cluster=cluster, release=release, wave=number // 2))
    return Plan(
        name="cuts", clouds={"sim": CloudSpec(name="sim", limits=limits)}, deployments=pairs,
        waves=(Wave(name="first", soak=20.0), Wave(name="second")),
    )  # fmt: skip


def world(wanted: Plan) -> World:
    """`old` runs everywhere, with other values."""
    made = World.from_plan(wanted)
    running = [
        SimRelease(cluster_id=each.cluster.id, namespace="apps", name="old", chart_id=made.charts[0].id, revision=2)
        for each in wanted.deployments
        if each.release.name == "old"
    ]
    return World(clouds=made.clouds, clusters=made.clusters, charts=made.charts, releases=tuple(running))


def undisturbed(seed: int) -> Show:
    """The run that nobody kills."""
    wanted = plan()
    return act(wanted, seed=seed, world=world(wanted), faults=FAULTS)


def traps(whole: Show) -> Iterator[Trap]:
    """Every moment of an undisturbed run."""
    intents = [number for number, event in enumerate(whole.events, 1) if type(event).__name__ == "Intended"]
    for number in range(1, whole.entries + 1):
        yield Trap(moment="entry", number=number, luck=LUCK[number % 3])
    for number in intents:
        yield Trap(moment="commit", number=number, luck=1.0)
    for called in whole.calls:
        for moment in ("unsent", "sent", "replied") if called.call.writes else ("replied",):
            yield Trap(moment=moment, number=called.number, luck=LUCK[called.number % 3])


def trial(trap: Trap, whole: Show, seed: int) -> list[str]:
    """Die there, resume, and compare with the undisturbed run; gives what is wrong."""
    wanted = plan()
    first = act(wanted, seed=seed, world=world(wanted), faults=FAULTS, trap=trap)
    last = first if first.ending else resume(wanted, first, seed=seed, after=7.0)
    found = []
    for key, (outcome, _) in whole.outcomes().items():
        got = last.outcomes().get(key, ("nothing", ""))
        if got[0] != outcome:
            found.append(f"{key} ended {got[0]} ({got[1]}) instead of {outcome}")
    ledger = last.fleet.ledger
    found += [f"{key} was created although it existed" for key in ledger.duplicates]
    found += [f"{key} was created {number} times" for key, number in ledger.creates.items() if number > 1]
    for operation in ("upgrade", "rollback", "delete"):
        made = ledger.revisions(operation)
        if made != whole.fleet.ledger.revisions(operation):
            found.append(f"{operation}s differ: {made}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Try all deaths, or one; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=2, help="undisturbed runs to kill at every moment")
    parser.add_argument("--trap", help="only this death: moment:number:seed")
    options = parser.parse_args(arguments)
    seeds = range(options.seeds)
    if options.trap:
        moment, number, seed = options.trap.split(":")
        seeds = range(int(seed), int(seed) + 1)
    tried = bad = 0
    for each in seeds:
        whole = undisturbed(each)
        for trap in traps(whole):
            if options.trap and (trap.moment, trap.number) != (moment, int(number)):
                continue
            tried += 1
            found = trial(trap, whole, each)
            bad += bool(found)
            for line in found:
                sys.stdout.write(f"{trap.moment} {trap.number}, seed {each}: {line}\n")
            if found:
                sys.stdout.write(
                    f"  replay: {sys.executable} tests/soak/cuts.py --trap {trap.moment}:{trap.number}:{each}\n"
                )
    sys.stdout.write(f"cuts: deaths {tried}, gone wrong {bad}\n")
    return 1 if bad else 0


def sample(whole: Show, number: int, seed: int) -> list[Trap]:
    """Some of the moments, the same for the same seed."""
    return random.Random(f"cuts {seed}").sample(list(traps(whole)), number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
