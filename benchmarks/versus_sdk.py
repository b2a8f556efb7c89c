"""Against what users would write: the public SDK `huaweicloudsdkcce` with 64 threads, its retries on.

Both deploy the same pairs to the same simulated world: same seed, same install times, same limits, time some times as fast
for both. The SDK looks at each release every 5 simulated seconds. Its waits between retries are real time, so to it the
limits seem so many times milder than they are. Clean, and, on fewer clusters, with 5% of the writes throttled, failed or
without an answer. CPU is that of the whole process, start and imports included.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import FIVE_PERCENT, MOST_SIMULATOR, Child, CpuOf, main, rounded, run_child, target
from fleets import Shape, load_shape, world_of, write_manifest

from batch_deployer.plan.faster import faster
from batch_deployer.plan.frozen import Plan
from batch_deployer.simulator.fault_rules import FaultRule
from batch_deployer.simulator.process import SimulatorProcess

_SEED = 11
_LOOK = 5.0
_TIMEOUT = 900.0
_THREADS = 64


def _leg(folder: Path, shape: Shape, client: str, *, speed: float, faults: Sequence[FaultRule]) -> Mapping[str, Any]:
    """One client against a fresh simulator."""
    plan = load_shape(folder / "plan", shape)
    world = world_of(faster(plan, speed))
    with SimulatorProcess(world, seed=_SEED, speed=speed, faults=faults) as simulator:
        server = CpuOf(simulator.pid)
        if client == "sdk":
            account = world.account
            os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"] = account.access_key, account.secret_key
            pairs = folder / "pairs.json"
            pairs.write_text(json.dumps(_pairs(plan)))
            project = world.clouds[0].project_id
            times = ("--gap", _LOOK / speed, "--timeout", _TIMEOUT / speed, "--threads", _THREADS)
            child = run_child("child_sdk.py", simulator.url, project, pairs, *times)
        else:
            manifest = write_manifest(folder, shape)
            state = folder / f"state-{len(list(folder.iterdir()))}"
            child = run_child("child_product.py", simulator.url, manifest, state, "--speed", speed)
        share = server.seconds() / child.wall
        return _told(plan, child, simulator, share)


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


def _told(plan: Plan, child: Child, simulator: SimulatorProcess, share: float) -> Mapping[str, Any]:
    """What the client cost, and what the server says of it."""
    ledger, there = simulator.ledger(), simulator.releases()
    calls = {kind: by for kinds in ledger["calls"].values() for kind, by in kinds.items()}
    writes = sum(calls.get("create_release", {}).values())
    every = sum(sum(by.values()) for by in calls.values())
    deployed = sum(each.key in there and there[each.key]["status"] == "DEPLOYED" for each in plan.deployments)
    ends = child.told["ends"]
    said = ends.get("DEPLOYED", 0) + ends.get("deployed", 0) + ends.get("unchanged", 0)
    return {
        "wall_s": rounded(child.wall),
        "cpu_s": rounded(child.cpu),
        "cpu_ms_per_release": rounded(1000 * child.cpu / len(plan.deployments)),
        "calls": every,
        "writes": writes,
        "reads": every - writes,
        "throttled": sum(by.get("429", 0) for by in calls.values()),
        "duplicates": len(ledger["duplicates"]),
        "creates_refused_as_existing": sum(ledger["refused_creates"].values()),
        "deployed": deployed,
        "lost": len(plan.deployments) - deployed,
        "reported_wrong": abs(deployed - said),
        "ends": ends,
        "simulator_share": rounded(share),
    }


def _shape(clusters: int, releases: int) -> Shape:
    return Shape(
        clusters=clusters, releases=releases, writes="3/s", reads="10/s", per_cluster="100%", connections=_THREADS
    )


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """Both clients in turns, clean and with faults."""
    clean, rough = (_shape(3, 2), _shape(2, 2)) if quick else (_shape(60, 10), _shape(20, 10))
    speed = 60.0 if quick else 6.0
    worlds: Mapping[str, tuple[Shape, Sequence[FaultRule]]] = {"clean": (clean, ()), "faults": (rough, FIVE_PERCENT)}
    found: dict[str, dict[str, Any]] = {}
    for world, (shape, faults) in worlds.items():
        with tempfile.TemporaryDirectory() as name:
            for client in ("product", "sdk"):
                found.setdefault(world, {})[client] = _leg(Path(name), shape, client, speed=speed, faults=faults)
                print(world, client, found[world][client], file=sys.stderr)
    most = max(leg["simulator_share"] for legs in found.values() for leg in legs.values())
    return {
        "deployments": {"clean": clean.deployments, "faults": rough.deployments},
        "limits": {"writes": clean.writes, "reads": clean.reads},
        "speed": speed,
        "threads": _THREADS,
        "seed": _SEED,
        "worlds": found,
        "simulator_share": most,
        "valid": most <= MOST_SIMULATOR,
        "targets": {
            "CPU per release, SDK over product": target(
                found["clean"]["sdk"]["cpu_s"] / found["clean"]["product"]["cpu_s"], least=8
            ),
            "reads, SDK over product": target(
                found["clean"]["sdk"]["reads"] / found["clean"]["product"]["reads"], least=5
            ),
            "product: 429s in a clean world": target(found["clean"]["product"]["throttled"], most=1),
            "product: duplicates": target(sum(legs["product"]["duplicates"] for legs in found.values()), most=0),
            "product: releases lost": target(sum(legs["product"]["lost"] for legs in found.values()), most=0),
        },
    }


if __name__ == "__main__":
    main("versus_sdk", measure)
