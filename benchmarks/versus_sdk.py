"""Against what users would write: the public SDK `huaweicloudsdkcce` with 64 threads, its retries on.

Both deploy the same pairs to the same simulated world: same seed, same install times, same limits, time some times as fast
for both. The product is its command line, with every duration of its settings divided by as much. The SDK looks at each
release every 5 simulated seconds until it has ended; its waits between retries are real time, so to it the limits seem so
many times milder than they are. The product has as many connections as the SDK has threads, but needs none to wait with.

In `room` the limits are so wide that neither meets a 429, so that all releases are deployed by both. In `limits` they are
narrow; in `faults`, moreover, 5% of the writes are throttled, failed or without an answer. CPU is that of the whole
process, start and imports included. Times are medians of the rounds, counts the worst of them. What a release costs is
counted per release that is really DEPLOYED at the end, by the server's word; reads count whether they were answered or
refused. The two take turns in who begins. What a client needs to deploy a single release is mostly its start, and is shown
apart: the smaller a rollout, the more of it that is. One more run of the product in `limits` is sampled every few
milliseconds of CPU, to show which of its parts use them.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common import (
    FIVE_PERCENT,
    MOST_SIMULATOR,
    Child,
    CpuOf,
    main,
    median,
    rounded,
    run_child,
    run_python,
    take_turns,
    target,
)
from fleets import Shape, load_shape, world_of, write_manifest

from batch_deployer.app.time_scale import accelerated
from batch_deployer.plan.plan import Plan
from batch_deployer.settings import Rate
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.process import SimulatorProcess

_SEED = 11
_LOOK = 5.0
_TIMEOUT = 900.0
_THREADS = 64
_CLIENTS = ("product", "sdk")
_CLEAN = ("room", "limits")
_SETTINGS = {
    "retry": ("base", "cap", "give_up_after", "locked", "throttle"),
    "poll": ("initial_delay", "min_interval", "max_interval"),
    "reconcile": ("absence_grace", "max_staleness"),
}
"""Durations that follow the speed of the world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """One comparison; limits are in simulated time."""

    clusters: int
    releases: int
    speed: float
    writes: str = "3/s"
    reads: str = "10/s"
    faults: Sequence[FaultRule] = ()
    rounds: int = 1

    @property
    def shape(self) -> Shape:
        """What its manifest holds."""
        return Shape(
            clusters=self.clusters,
            releases=self.releases,
            writes=self.writes,
            reads=self.reads,
            per_cluster="100%",
            connections=_THREADS,
        )


@contextmanager
def _staged(folder: Path, world: _World) -> Iterator[tuple[Plan, Plan, SimulatorProcess]]:
    """A fresh simulator of a world: the plan in simulated time, the same in the world's, and where it is deployed."""
    plan = load_shape(folder / "plan", world.shape)
    quick = _faster(plan, world.speed)
    with SimulatorProcess(world_of(quick), seed=_SEED, speed=world.speed, faults=world.faults) as simulator:
        yield plan, quick, simulator


def _leg(folder: Path, world: _World, client: str) -> Mapping[str, Any]:
    """One client against a fresh simulator."""
    with _staged(folder, world) as (plan, quick, simulator):
        server = CpuOf(simulator.pid)
        if client == "sdk":
            account = simulator.world.account
            os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"] = account.access_key, account.secret_key
            pairs = folder / "pairs.json"
            pairs.write_text(json.dumps(_pairs(plan)))
            times = ("--gap", _LOOK / world.speed, "--timeout", _TIMEOUT / world.speed, "--threads", _THREADS)
            project = simulator.world.clouds[0].project_id
            child = run_child("child_sdk.py", simulator.url, project, pairs, *times)
            ends = child.told["ends"]
        else:
            manifest, state = _manifest(folder / "run", world, quick, simulator.url), folder / "state"
            run = ("-m", "batch_deployer", "run", manifest, "--state-dir", state, "--yes", "--quiet")
            child = run_python(*run, expect=(0, 1))
            (report,) = state.glob("runs/*/report/report.json")
            ends = json.loads(report.read_text())["totals"]["outcomes"]
        return _told(plan, child, ends, simulator, server.seconds() / child.wall)


def _measured(world: _World, client: str) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        leg = _leg(Path(folder), world, client)
    print(client, leg, file=sys.stderr)
    return leg


def _faster(plan: Plan, speed: float) -> Plan:
    """The plan for a world in which time is faster, its limits raised by as much."""
    clouds = {}
    for name, cloud in plan.clouds.items():
        limits = cloud.limits
        limits = replace(limits, writes=_raised(limits.writes, speed), reads=_raised(limits.reads, speed))
        clouds[name] = replace(cloud, limits=limits)
    return replace(accelerated(plan, speed), clouds=clouds)


def _raised(rate: Rate, speed: float) -> Rate:
    return Rate(round(rate.per_second * speed), 1.0)


def _manifest(folder: Path, world: _World, quick: Plan, url: str) -> Path:
    """The manifest for a world in which time is faster: limits, timeouts and settings are those of the sped-up plan."""
    (cloud,) = quick.clouds.values()
    limits = {"writes": str(cloud.limits.writes), "reads": str(cloud.limits.reads)}
    shape = replace(world.shape, **limits, timeout=f"{_TIMEOUT / world.speed:g}s")
    path = write_manifest(folder, shape, url=url)
    with path.open("a") as file:
        for group, names in _SETTINGS.items():
            values = {name: f"{getattr(getattr(quick.settings, group), name):.6f}s" for name in names}
            file.write(f"{group}: {json.dumps(values)}\n")
        file.write("rollout: {systemic: 0}\n")  # a bench wants to see every end
    return path


def _pairs(plan: Plan) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "cluster_id": each.cluster.id,
            "namespace": each.release.namespace,
            "name": each.release.name,
            "chart_id": each.release.chart.id,
            "version": each.release.version,
            "values": json.loads(each.release.values_json),
        }
        for each in plan.deployments
    ]


def _told(
    plan: Plan, child: Child, ends: Mapping[str, int], simulator: SimulatorProcess, share: float
) -> Mapping[str, Any]:
    """What the client cost, and what the server says of it."""
    ledger, there = simulator.ledger(), simulator.releases()
    calls = {kind: by for kinds in ledger["calls"].values() for kind, by in kinds.items()}
    writes = sum(calls.get("create_release", {}).values())
    every = sum(sum(by.values()) for by in calls.values())
    deployed = sum(each.key in there and there[each.key]["status"] == "DEPLOYED" for each in plan.deployments)
    said = ends.get("DEPLOYED", 0) + ends.get("deployed", 0) + ends.get("unchanged", 0)
    return {
        "wall_s": rounded(child.wall),
        "cpu_s": rounded(child.cpu),
        "cpu_ms_per_deployed": rounded(1000 * child.cpu / max(1, deployed)),
        "calls": every,
        "writes": writes,
        "reads": every - writes,
        "reads_per_deployed": rounded((every - writes) / max(1, deployed)),
        "throttled": sum(by.get("429", 0) for by in calls.values()),
        "duplicates": len(ledger["duplicates"]),
        "creates_refused_as_existing": sum(ledger["refused_creates"].values()),
        "deployed": deployed,
        "lost": len(plan.deployments) - deployed,
        "reported_wrong": abs(deployed - said),
        "ends": ends,
        "simulator_share": rounded(share),
    }


def _over_rounds(legs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """One client's rounds as one: times as medians; of what is counted, which should not differ, the most."""
    of_all: dict[str, Any] = {}
    for figure, first in legs[0].items():
        values = [leg[figure] for leg in legs]
        if isinstance(first, float):
            of_all[figure] = median(values)
        elif figure == "deployed":
            of_all[figure] = min(values)
        else:
            of_all[figure] = first if isinstance(first, Mapping) else max(values)
    return of_all


def _worlds(quick: bool) -> Mapping[str, _World]:  # noqa: FBT001 - as `measure`
    wide = {"writes": "20/s", "reads": "100/s"}
    if quick:
        return {
            "room": _World(clusters=3, releases=2, speed=60.0, **wide),
            "limits": _World(clusters=3, releases=2, speed=60.0),
            "faults": _World(clusters=2, releases=2, speed=60.0, faults=FIVE_PERCENT),
        }
    return {
        "room": _World(clusters=150, releases=10, speed=24.0, rounds=2, **wide),
        "limits": _World(clusters=120, releases=10, speed=24.0, rounds=2),
        "faults": _World(clusters=6, releases=10, speed=12.0, faults=FIVE_PERCENT),
    }


def _targets(found: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What is asked of costs holds where there are no faults."""

    def product(figure: str, *names: str) -> float:
        return float(sum(found[name]["product"][figure] for name in names))

    targets = {}
    for world in _CLEAN:
        product_leg, sdk = found[world]["product"], found[world]["sdk"]
        for what, figure, least in (("CPU", "cpu_ms_per_deployed", 8), ("reads", "reads_per_deployed", 5)):
            name = f"{world}: {what} per deployed release, SDK over product"
            targets[name] = target(sdk[figure] / product_leg[figure], least=least)
    targets["product: 429s in the worlds without faults"] = target(product("throttled", *_CLEAN), most=1)
    targets["product: duplicates"] = target(product("duplicates", *found), most=0)
    targets["product: releases not deployed"] = target(product("lost", *found), most=0)
    return targets


def _starts(rounds: int) -> Mapping[str, float]:
    """CPU seconds of each client for one release, medians: what does not grow with the work."""
    one = _World(clusters=1, releases=1, speed=60.0)
    legs = {client: (lambda client=client: float(_measured(one, client)["cpu_s"])) for client in _CLIENTS}
    return {client: median(seconds) for client, seconds in take_turns(legs, rounds).items()}


def _profile(world: _World) -> Mapping[str, float]:
    """Share of the product's CPU by part, the largest first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _staged(folder, world) as (_, quick, simulator):
            manifest = _manifest(folder / "run", world, quick, simulator.url)
            parts = run_child("child_profile.py", manifest, folder / "state").told["parts"]
    samples = sum(count for _, count in parts)
    return {part: rounded(count / samples) for part, count in parts}


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """Both clients in every world."""
    worlds = _worlds(quick)
    found: dict[str, Mapping[str, Any]] = {}
    rounds: dict[str, Mapping[str, Sequence[Mapping[str, Any]]]] = {}
    for name, world in worlds.items():
        legs = {client: (lambda client=client, world=world: _measured(world, client)) for client in _CLIENTS}
        rounds[name] = take_turns(legs, world.rounds)
        found[name] = {client: _over_rounds(each) for client, each in rounds[name].items()}
    starts = _starts(1 if quick else 3)
    most = max(leg["simulator_share"] for legs in found.values() for leg in legs.values())
    return {
        "deployments": {name: world.shape.deployments for name, world in worlds.items()},
        "limits": {name: {"writes": world.writes, "reads": world.reads} for name, world in worlds.items()},
        "speed": {name: world.speed for name, world in worlds.items()},
        "threads": _THREADS,
        "seed": _SEED,
        "rounds": rounds,
        "worlds": found,
        "start_cpu_s": starts,
        "profile": _profile(worlds["limits"]),
        "simulator_share": most,
        "valid": most <= MOST_SIMULATOR,
        "targets": _targets(found),
    }


if __name__ == "__main__":
    main("versus_sdk", measure)
