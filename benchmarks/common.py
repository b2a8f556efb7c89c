"""What all benchmarks share: the machine, CPU and memory of processes, rounds that take turns, results as JSON."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil

from batch_deployer.simulator.faults.rules import WRITES, Acts, Effect, FaultRule

T = TypeVar("T")

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MOST_SIMULATOR = 0.7
"""A simulator that used more of a core than this was the bottleneck, and the result says nothing about us."""
FIVE_PERCENT = (
    FaultRule(effect=Effect.THROTTLE, name="throttle", probability=0.02),
    FaultRule(effect=Effect.ERROR, name="503", status=503, probability=0.01),
    FaultRule(effect=Effect.ERROR, name="504-acted", status=504, acts=Acts.AT_ONCE, calls=WRITES, probability=0.01),
    FaultRule(effect=Effect.RESET, name="reset", acts=Acts.AT_ONCE, calls=WRITES, probability=0.01),
)
"""5% of the writes and 3% of the reads meet trouble: throttles, errors, and answers that never come."""
_LIBRARIES = ("aiohttp", "uvloop", "msgspec", "anyio", "huaweicloudsdkcce")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process that has ended."""

    cpu: float
    """Seconds of a core, user and system, its own children included."""
    wall: float
    told: Mapping[str, Any]
    """What it wrote into its result file."""


def machine() -> Mapping[str, Any]:
    """Name the machine and the versions that the figures belong to."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "load_before": round(os.getloadavg()[0], 2),
    }


def run_child(script: str, *args: object, expect: int = 0) -> Child:
    """Run a script of this folder in a fresh process. It gets `--result FILE` and may write one JSON object there."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        child = run_python(HERE / script, *args, "--result", result, expect=(expect,))
        return replace(child, told=json.loads(result.read_text())) if result.exists() else child


def run_python(*args: object, expect: Collection[int] = (0,)) -> Child:
    """Run Python with arguments in a fresh process, to an end with one of the expected exit codes."""
    # An installed program has its bytecode: where none may be written, each start would compile all of ours anew.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *map(str, args)]
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environ)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expect:
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command[1:4])} ended with {process.returncode}:\n{said}")
    return Child(cpu=usage.ru_utime + usage.ru_stime, wall=wall, told={})


class CpuOf:
    """CPU seconds of another process from now on, and its share of a core."""

    def __init__(self, pid: int) -> None:
        """Start to count."""
        self._process = psutil.Process(pid)
        self._since, self._started = self._used(), time.monotonic()

    def seconds(self) -> float:
        """CPU since the start."""
        return self._used() - self._since

    def share(self) -> float:
        """Of one core, on average."""
        return self.seconds() / (time.monotonic() - self._started)

    def _used(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def take_turns(legs: Mapping[str, Callable[[], T]], rounds: int) -> Mapping[str, Sequence[T]]:
    """Run each leg once per round, so that whatever else the machine does meets all of them alike."""
    found: dict[str, list[T]] = {name: [] for name in legs}
    for number in range(rounds):
        names = list(legs) if number % 2 == 0 else list(reversed(list(legs)))
        for name in names:
            found[name].append(legs[name]())
    return found


def median(values: Sequence[float]) -> float:
    """The middle one, to four digits."""
    return rounded(statistics.median(values))


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def target(value: float, *, most: float | None = None, least: float | None = None) -> Mapping[str, Any]:
    """A figure beside what was asked of it."""
    met = (most is None or value <= most) and (least is None or value >= least)
    return {"value": rounded(value), "most": most, "least": least, "met": met}


def save(name: str, figures: Mapping[str, Any], folder: Path = RESULTS, *, quick: bool = False) -> Path:
    """Write one benchmark's figures, with the machine they were taken on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    whole = {"benchmark": name, "quick": quick, "machine": machine(), **figures}
    path.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    return path


@contextmanager
def timed(told: Callable[[float], object]) -> Iterator[None]:
    """Tell how many seconds the block took."""
    started = time.monotonic()
    yield
    told(time.monotonic() - started)


def main(name: str, measure: Callable[[bool], Mapping[str, Any]]) -> None:
    """The command line of every benchmark: `--quick` for a smoke run, `--out` for another folder."""
    parser = argparse.ArgumentParser(description=f"Measure {name}.")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    options = parser.parse_args()
    with timed(lambda seconds: print(f"{name}: {seconds:.0f} s", file=sys.stderr)):
        figures = measure(options.quick)
    path = save(name, figures, options.out, quick=options.quick)
    print(json.dumps({key: value for key, value in figures.items() if key == "targets"}, indent=1))
    print(path)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
