"""What the product costs beside the HTTP client it stands on: CPU per API call of a whole run against a bare loop.

Both make the same calls to a server of the same kind in the same state, in turns. The run is the command line itself:
start, imports, manifest, plan, lock, journal, calls, reports. The bare loop starts, reads the recorded calls and makes them.
The ratio is that of the legs of one round, which follow each other; the median of five rounds is given.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import MOST_SIMULATOR, Child, CpuOf, main, median, rounded, run_child, take_turns, target
from fleets import Shape, load_shape, world_of, write_manifest
from recording import recording

from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World

_INSTALL = 0.01
_FIRST_LOOK = ("--first-look", "1")
"""Seconds after which a release is first looked at: installs end at once here, and nothing is learned from waiting for them."""
_STARTS = {
    "python": ("-c", "pass"),
    "import batch_deployer": ("-c", "import batch_deployer"),
    "--help": ("-m", "batch_deployer", "--help"),
    "run --help": ("-m", "batch_deployer", "run", "--help"),
}


class _Legs:
    """The same work, done three ways, each against a fresh simulator process."""

    def __init__(self, folder: Path, shape: Shape, more: Sequence[str]) -> None:
        self._more = more
        self._folder, self._shape = folder, shape
        self._plan = load_shape(folder / "plan", shape)
        self._world: World = world_of(self._plan, install=_INSTALL, spread=0.0)
        self._calls = folder / "calls.json"
        self._number = 0
        self.kinds: Mapping[str, int] = {}

    def record(self) -> int:
        """Make one run through a recording proxy; returns the number of calls."""
        with SimulatorProcess(self._world) as simulator, recording(simulator.url) as recorder:
            run_child("child_run.py", self._manifest(recorder.url), self._state(), *self._more)
        self._calls.write_text(json.dumps(recorder.calls))
        self.kinds = Counter(_kind(method, path) for method, path, _ in recorder.calls)
        return len(recorder.calls)

    def run(self, journal: str, *more: str) -> Mapping[str, Any]:
        """The product."""
        with SimulatorProcess(self._world) as simulator:
            manifest = self._manifest(simulator.url)
            server = CpuOf(simulator.pid)
            child = run_child("child_run.py", manifest, self._state(), "--journal", journal, *more, *self._more)
            return _leg(child, server, simulator)

    def bare(self) -> Mapping[str, Any]:
        """The bare loop."""
        with SimulatorProcess(self._world) as simulator:
            server = CpuOf(simulator.pid)
            child = run_child("child_bare.py", simulator.url, self._calls, "--workers", self._shape.connections)
            return _leg(child, server, simulator)

    def start(self) -> float:
        """CPU of the command line for one deployment: what does not grow with the work."""
        plan = load_shape(self._folder / "one", Shape(clusters=1, releases=1))
        with SimulatorProcess(world_of(plan, install=_INSTALL, spread=0.0)) as simulator:
            manifest = write_manifest(self._folder / "one", Shape(clusters=1, releases=1), url=simulator.url)
            return run_child("child_run.py", manifest, self._state(), *self._more).cpu

    def start_bare(self) -> float:
        """CPU of the bare loop without calls."""
        empty = self._folder / "none.json"
        empty.write_text("[]")
        return run_child("child_bare.py", "http://127.0.0.1:1", empty).cpu

    def _manifest(self, url: str) -> Path:
        return write_manifest(self._folder / "run", self._shape, url=url)

    def _state(self) -> Path:
        self._number += 1
        return self._folder / f"state-{self._number}"


def _leg(child: Child, server: CpuOf, simulator: SimulatorProcess) -> Mapping[str, Any]:
    share = server.seconds() / child.wall
    calls = sum(sum(by.values()) for kinds in simulator.ledger()["calls"].values() for by in kinds.values())
    return {"cpu": child.cpu, "wall": child.wall, "calls": calls, "simulator": share}


def _kind(method: str, path: str) -> str:
    if "/releases" in path:
        return "list_releases" if method == "GET" else "create_release"
    return {"/v2/charts": "list_charts"}.get(path, "login" if path.startswith("/v3") else "list_clusters")


def _starts(rounds: int) -> Mapping[str, float]:
    """Seconds of wall time that starting takes, medians."""

    def leg(arguments: Sequence[str]) -> float:
        code = (
            "import subprocess, sys, time; t = time.perf_counter();"
            "subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True);"
            "print(time.perf_counter() - t)"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
        return float(done.stdout)

    legs = {name: (lambda arguments=arguments: leg(arguments)) for name, arguments in _STARTS.items()}
    return {name: median(seconds) for name, seconds in take_turns(legs, rounds).items()}


def _ratio(found: Mapping[str, Sequence[Mapping[str, Any]]], leg: str, base: str = "bare") -> float:
    """CPU a call over that of another leg in the same round, median of the rounds: whole minutes of a machine differ."""
    return median(
        [
            (ours["cpu"] / ours["calls"]) / (bare["cpu"] / bare["calls"])
            for ours, bare in zip(found[leg], found[base], strict=True)
        ]
    )


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """All rounds, and ratios of medians."""
    shape = Shape(clusters=20, releases=2) if quick else Shape(clusters=2500, releases=2)
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as folder:
        legs = _Legs(Path(folder), shape, ["--first-look", "0.1"] if quick else _FIRST_LOOK)
        recorded = legs.record()
        found = take_turns(
            {
                "sqlite": lambda: legs.run("sqlite"),
                "unshared": lambda: legs.run("sqlite", "--unshared"),
                "memory": lambda: legs.run("memory"),
                "bare": legs.bare,
            },
            rounds,
        )
        starts = take_turns({"run": legs.start, "bare": legs.start_bare}, min(3, rounds))
    per_call = {name: median([1e6 * leg["cpu"] / leg["calls"] for leg in each]) for name, each in found.items()}
    idle = {"sqlite": "run", "unshared": "run", "memory": "run", "bare": "bare"}
    growing = {
        name: median([1e6 * (leg["cpu"] - median(starts[idle[name]])) / leg["calls"] for leg in each])
        for name, each in found.items()
    }
    seconds = _starts(1 if quick else 7)
    most = max(leg["simulator"] for each in found.values() for leg in each)
    return {
        "deployments": shape.deployments,
        "calls": recorded,
        "kinds": dict(legs.kinds),
        "cpu_us_per_call": per_call,
        "cpu_us_per_call_without_start": growing,
        "start_cpu_s": {name: median(each) for name, each in starts.items()},
        "rounds": {name: list(each) for name, each in found.items()},
        "simulator_share": rounded(most),
        "valid": most <= MOST_SIMULATOR,
        "start_wall_s": seconds,
        "targets": {
            "whole run over bare loop": target(_ratio(found, "sqlite"), most=1.5),
            "the same, journal in memory": target(_ratio(found, "memory"), most=1.25),
            "limits that other runs may share, over a run's own": target(
                _ratio(found, "sqlite", "unshared"), most=1.03
            ),
            "--help, seconds": target(seconds["--help"], most=0.2),
        },
    }


if __name__ == "__main__":
    main("overhead", measure)
    sys.exit(0)
