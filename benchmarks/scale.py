"""Growth from 1,000 to 100,000 deployments: time, CPU, memory, journal, the loop's lag; load, plan and resume.

Each size runs in a fresh process, in up to three worlds: over HTTP to a simulator process (`http`), on the real loop against
an in-process cloud that keeps next to nothing (`slim`, the whole product but the network), and on the virtual clock against
the simulated fleet (`virtual`, whose memory is the fleet's too).
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import CpuOf, main, rounded, run_child, target
from fleets import Shape, load_shape, world_of, write_manifest

from batch_deployer.simulator.process import SimulatorProcess

_SIZES = (1_000, 10_000, 100_000)
_KILLED = -9
_MB = 1_000_000
_INSTALL = 30.0
"""Seconds, so that nearly all of the largest size are under way at once; smaller sizes need a tenth for that, and a run that is
taken up again a third."""


def _row(world: str, deployments: int, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """One line of the table, in seconds, megabytes and milliseconds."""
    row = {"world": world, "deployments": deployments}
    for name in ("load_plan_s", "run_s", "run_cpu_s", "report_s", "thaw_s", "first_write_s", "cpu", "virtual_s"):
        if told.get(name) is not None:
            row[name] = rounded(told[name])
    for name in ("rss_imports", "rss_planned", "rss_run", "rss", "journal_bytes"):
        if name in told:
            row[name.removesuffix("_bytes") + "_mb"] = rounded(told[name] / _MB)
    for name in ("lag_p50", "lag_p99", "lag_max"):
        if name in told:
            row[name + "_ms"] = rounded(1000 * told[name])
    for name in ("creates", "reads", "exit_code", "simulator_share"):
        if name in told:
            row[name] = told[name]
    print(row, file=sys.stderr)
    return row


def _http(folder: Path, deployments: int, more: Sequence[str]) -> Mapping[str, Any]:
    """The command line against the simulator's process."""
    shape = Shape(clusters=deployments // 10, releases=10, per_cluster="100%")
    plan = load_shape(folder / "plan", shape)
    with SimulatorProcess(world_of(plan, install=2.0, spread=0.0)) as simulator:
        manifest = write_manifest(folder / "run", shape, url=simulator.url)
        server = CpuOf(simulator.pid)
        child = run_child("child_run.py", manifest, folder / "state", "--lag", *more)
        ledger, share = simulator.ledger(), server.seconds() / child.wall
    told = {**child.told, "run_s": child.told["wall"], "cpu": child.cpu, "simulator_share": share}
    return told | {"creates": sum(ledger["creates"].values()), "duplicates": len(ledger["duplicates"])}


def _local(world: str, folder: Path, deployments: int, *more: object) -> Mapping[str, Any]:
    return run_child("child_scale.py", world, deployments, folder, *more).told


def _resumed(folder: Path, deployments: int, install: float) -> Mapping[str, Any]:
    """Kill a run at half of its creates, and take it up again."""
    half = ("--install", install, "--die-after", deployments // 2)
    run_child("child_scale.py", "slim", deployments, folder, *half, expect=_KILLED)
    return _local("slim", folder, deployments, "--install", install, "--resume")


def _a_call(row: Mapping[str, Any]) -> float:
    """CPU seconds of the run; sizes differ in how long installs are watched, so that deployments would not compare."""
    cpu: float = row["run_cpu_s"]
    return cpu / (row["creates"] + row["reads"])


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """All sizes in all worlds."""
    sizes = (100, 200) if quick else _SIZES
    install = 0.2 if quick else _INSTALL
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in sizes:
            more = ("--first-look", "0.2") if quick else ()
            rows.append(_row("http", size, _http(folder / f"http-{size}", size, more)))
        for size in sizes:
            slow = ("--install", install if size == sizes[-1] else install / 10)
            rows.append(_row("slim", size, _local("slim", folder / f"slim-{size}", size, *slow)))
        rows.extend(_row("virtual", size, _local("virtual", folder / f"virtual-{size}", size)) for size in sizes)
        load = _row("load", sizes[-1], _local("load", folder / "load", sizes[-1]))
        resume = _row("resume", sizes[-1], _resumed(folder / "resume", sizes[-1], install / 3))
    found = {(row["world"], row["deployments"]): row for row in rows}
    last, first = (found["slim", size] for size in (sizes[-1], sizes[-2]))
    largest_http, smaller_http = (found["http", size] for size in (sizes[-1], sizes[-2]))
    return {
        "rows": rows,
        "load": load,
        "resume": resume,
        "targets": {
            "megabytes at the largest size while running": target(last["rss_run_mb"], most=250),
            "megabytes at the largest size, reports included": target(last["rss_mb"], most=250),
            "the same over HTTP": target(largest_http["rss_mb"], most=250),
            "loop lag p99 at the largest size, ms": target(last["lag_p99_ms"], most=5),
            "loop lag p99 over HTTP, ms": target(largest_http["lag_p99_ms"], most=5),
            "load and plan of the largest size, s": target(load["load_plan_s"], most=5),
            "CPU a deployment over HTTP, largest size over the second": target(
                (largest_http["cpu"] / sizes[-1]) / (smaller_http["cpu"] / sizes[-2]), most=1.1
            ),
            "CPU a call of the run in process, largest size over the second": target(
                _a_call(last) / _a_call(first), most=1.1
            ),
        },
    }


if __name__ == "__main__":
    main("scale", measure)
