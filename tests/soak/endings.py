"""Every run ends: random fleets with aliases, namespaces, needs, filters, retries, rollbacks and kills.

    python tests/soak/endings.py --runs 500       many
    python tests/soak/endings.py --seed 17        that one alone

Each run: releases of which several share a name, in several namespaces, needing each other across namespaces; a part of
them chosen, as by --limit; releases that fail; a process that dies and is resumed; then a retry of what failed, and a
rollback that deletes what was created. Each of them must end, with an outcome for every deployment, in the order of needs.
"""

import argparse
import random
import sys
import uuid
from collections.abc import Iterator, Sequence

from theatre import Show, Trap, act, resume

from batch_deployer.errors import IllegalTransition
from batch_deployer.model import events as e
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, Outcome, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.plan.retry import plan_retry
from batch_deployer.plan.rollback import plan_rollback
from batch_deployer.settings import GateSettings, IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.rules import Effect, FaultRule

LIMITS = Limits(writes=Rate(60, 60.0), reads=Rate(10, 1.0), in_flight=IntOrPercent(8), per_cluster=IntOrPercent(2))


def fleet_plan(seed: int) -> Plan:
    """Draw a plan."""
    draw = random.Random(f"endings {seed}")
    specs: list[ReleaseSpec] = []
    for number in range(draw.randint(2, 7)):
        name, namespace = draw.choice(("web", "db", "app")), draw.choice(("a", "b", "c"))
        if any((spec.name, spec.namespace) == (name, namespace) for spec in specs):
            continue
        needs = tuple(spec.seen_from(namespace) for spec in specs if draw.random() < 0.4)
        specs.append(
            ReleaseSpec(
                name=name,
                namespace=namespace,
                alias=f"{name}-{number}",
                chart=ChartRef(name="chart"),
                version="1.0.0",
                timeout=300.0,
                needs=needs,
            )
        )
    pairs = []
    for number in range(draw.randint(1, 5)):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud="one")
        wave = draw.randint(0, 1)
        for spec in draw.sample(specs, len(specs)):
            if draw.random() < 0.85:  # as --limit and --exclude leave out
                key = key_of(cluster.id, spec.namespace, spec.name)
                pairs.append(Deployment(key=key, cluster=cluster, release=spec, wave=wave))
    return Plan(
        name=f"endings-{seed}",
        clouds={"one": CloudSpec(name="one", limits=LIMITS)},
        deployments=pairs,
        waves=(Wave(name="first", soak=float(draw.choice((0, 30)))), Wave(name="rest")),
        gates=GateSettings(systemic=0),
        release_budgets={spec.label: IntOrPercent(0) for spec in specs if draw.random() < 0.2},
    )


def trial(seed: int) -> Iterator[str]:
    """Play one seed: the run, its retry and its rollback; everything that is wrong, one line each."""
    draw = random.Random(f"trial {seed}")
    plan = fleet_plan(seed)
    faults = [FaultRule(effect=Effect.FAIL, probability=draw.choice((0.0, 0.2, 0.5)), name="fail")]
    try:
        show = act(plan, seed=seed, faults=faults, trap=_trap(draw))
        while show.ending is None:
            show = resume(plan, show, seed=seed, trap=_trap(draw) if draw.random() < 0.3 else None)
        yield from _judged("run", plan, show)
        part = plan_retry(plan, show.events, failed=True, not_started=draw.random() < 0.5)
        if part.deployments:
            second = act(part, seed=seed, fleet=show.fleet, epoch=show.ended_at + 60)
            yield from _judged("retry", part, second)
        back = plan_rollback(plan, show.events, delete_created=True).plan
        if back.deployments:
            last = act(back, seed=seed, fleet=show.fleet, epoch=show.ended_at + 9000)
            yield from _judged("rollback", back, last)
    except TimeoutError:
        yield "never ended"
    except IllegalTransition as error:
        yield f"gave up: {error}"


def _trap(draw: random.Random) -> Trap | None:
    if draw.random() < 0.4:
        return None
    return Trap(
        moment=draw.choice(("entry", "commit", "sent", "replied")), number=draw.randint(1, 40), luck=draw.random()
    )


def _judged(what: str, plan: Plan, show: Show) -> Iterator[str]:
    """An outcome each unless the run was halted; and nothing before what it needs."""
    ends: dict[str, e.Finished] = {event.key: event for event in show.events if isinstance(event, e.Finished)}
    halted = bool(show.of(e.Halted))
    sent = {event.key: event.at for event in reversed(show.events) if isinstance(event, e.Intended)}
    for deployment in plan.deployments:
        if deployment.key not in ends and not halted:
            yield f"{what}: {deployment.key} has no outcome"
        for need in deployment.release.needed:
            needed = f"{deployment.cluster.id}/{need}"
            started = sent.get(deployment.key)
            if started is None or needed not in {each.key for each in plan.deployments}:
                continue
            end = ends.get(needed)
            if end is None or end.at > started or not _fine(end.outcome):
                yield f"{what}: {deployment.key} was started before {needed} was there"


def _fine(outcome: Outcome) -> bool:
    return outcome.succeeded or outcome is Outcome.ROLLED_BACK


def main(arguments: Sequence[str]) -> int:
    """Play them and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    seeds = range(options.runs) if options.seed is None else [options.seed]
    found = [f"seed {seed}: {line}" for seed in seeds for line in trial(seed)]
    for line in found:
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"endings: {len(seeds)} fleets, {len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
