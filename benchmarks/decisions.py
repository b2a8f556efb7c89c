"""Figures behind the decision records of docs/decisions, each measured in seconds: `python benchmarks/decisions.py`.

Each figure compares the way that was chosen with one that was not. Ratios matter, not the numbers themselves.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
from common import HERE, main, median, rounded, run_python
from pydantic import BaseModel, TypeAdapter

from batch_deployer.errors import LockHeld
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.settings import Rate
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import now

_ROUNDS = 5
_TASKS = """
import asyncio, heapq, os, sys
count, tasks = int(sys.argv[1]), sys.argv[2] == "tasks"
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
async def main():
    loop = asyncio.get_running_loop()
    async def wait():
        await loop.create_future()
    if tasks:
        held = [asyncio.create_task(wait()) for _ in range(count)]
        await asyncio.sleep(0)
    else:
        held = []
        for number in range(count):
            heapq.heappush(held, (float(number), number, object()))
    print((resident() - before) / 2**20, flush=True)
    os._exit(0)
asyncio.run(main())
"""
_STOPPED_IN_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
os.kill(os.getpid(), signal.SIGSTOP)
"""
_STOPPED_WITH_LEASE = """
import os, signal, sys
from pathlib import Path
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import now
Leases(Path(sys.argv[1])).take(new_lease("m", "first", 1.0, now()))
os.kill(os.getpid(), signal.SIGSTOP)
"""
_HEAVY = "aiohttp, click, keystoneauth1.session, msgspec, openstack, prometheus_client, pydantic, rich.progress, structlog, uvloop, yaml"


class _Wire(msgspec.Struct):
    name: str
    version: int
    status: str
    update_at: str


class _Model(BaseModel):
    name: str
    version: int
    status: str
    update_at: str


def _body() -> bytes:
    """A list of 50 releases, about 60 KB, of which four fields each are read."""
    release = {"status": "DEPLOYED", "version": 3, "update_at": "2026-01-02T03:04:05Z", "values": {"text": "x" * 1000}}
    return json.dumps([release | {"name": f"release-{number}"} for number in range(50)]).encode()


def _microseconds(work: Callable[[], object], seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        work()
        count += 1
    return (time.perf_counter() - started) / count * 1e6


def _decoding(seconds: float) -> Mapping[str, float]:
    body = _body()
    by_msgspec, by_pydantic = msgspec.json.Decoder(list[_Wire]), TypeAdapter(list[_Model])
    ways: Mapping[str, Callable[[], object]] = {
        "decode 50 releases, msgspec (us)": lambda: by_msgspec.decode(body),
        "decode 50 releases, pydantic (us)": lambda: by_pydantic.validate_json(body),
        "decode 50 releases, json (us)": lambda: json.loads(body),
    }
    return {name: median([_microseconds(way, seconds) for _ in range(3)]) for name, way in ways.items()}


def _memory(count: int) -> Mapping[str, float]:
    def megabytes(kind: str) -> float:
        command = [sys.executable, "-c", _TASKS, str(count), kind]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return {
        f"{count:,} waiting, a task each (MB)": rounded(megabytes("tasks")),
        f"{count:,} waiting, a heap entry each (MB)": rounded(megabytes("heap")),
    }


def _starts(rounds: int) -> Mapping[str, float]:
    ways = {
        "start of python alone (ms)": ("-c", "pass"),
        "start of batch-deployer --help (ms)": ("-m", "batch_deployer", "--help"),
        "start with all libraries imported (ms)": ("-c", f"import {_HEAVY}"),
    }
    return {name: median([run_python(*way).wall * 1000 for _ in range(rounds)]) for name, way in ways.items()}


@contextmanager
def _stopped(script: str, argument: Path) -> Iterator[None]:
    """A process that has stopped itself, as a suspended machine or Ctrl-Z does; killed at the end."""
    child = subprocess.Popen([sys.executable, "-c", script, str(argument)])
    try:
        while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
            if child.poll() is not None:
                raise RuntimeError(f"the process ended with {child.returncode} before it stopped itself")
            time.sleep(0.01)
        yield
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def _past_a_stopped_holder(folder: Path, patience: float) -> Mapping[str, float]:
    """Seconds until another process may go on; infinity (null) when it cannot within the patience."""
    database = folder / "locks.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE leases (name TEXT)")
    connection.close()
    with _stopped(_STOPPED_IN_TRANSACTION, database):
        other = sqlite3.connect(database, timeout=patience, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            blocked = 0
        except sqlite3.OperationalError:
            blocked = 1
        other.close()
    leases = Leases(folder / "leases")
    with _stopped(_STOPPED_WITH_LEASE, folder / "leases"):
        free = 0
        until = time.monotonic() + patience + 1.0
        while not free and time.monotonic() < until:
            try:
                leases.take(new_lease("m", "second", 1.0, now()))
                free = 1
            except LockHeld:
                time.sleep(0.02)
    return {
        f"holder stopped in a SQLite transaction, others blocked after {patience:g} s (1 = yes)": blocked,
        "holder stopped with a file lease of 1 s, lease taken over (1 = yes)": free,
    }


def _refusals(buckets: int, writes: int) -> int:
    """Refused calls when some limiters that do not know each other send to one project with 10 writes a minute."""
    rate = Rate.parse("10/min")
    limiters = [RateLimiter(rate) for _ in range(buckets)]
    left = [writes // buckets] * buckets
    arrived: deque[float] = deque()
    now, refused = 0.0, 0
    while any(left):
        each = min((number for number in range(buckets) if left[number]), key=lambda number: limiters[number].due(now))
        now = max(now, limiters[each].due(now))
        bucket = limiters[each]
        slot = bucket.take(now)
        nth = bucket.depart(slot, now)
        while arrived and arrived[0] <= now - rate.period:
            arrived.popleft()
        arrived.append(now)  # refused calls count too
        bucket.answered(slot, now, now + 0.1)
        if len(arrived) > rate.count:
            refused += 1
            bucket.throttled(now + 0.1, 60.0, now, nth)
        else:
            left[each] -= 1
            bucket.admitted(now + 0.1, now)
    return refused


def _appends(folder: Path, events: int) -> Mapping[str, float]:
    """What a file of lines costs that is synced for each event: the simplest durable journal."""
    line = b'{"kind":"intended","at":1700000000.0,"key":"c86f70a1/bench/release","operation":"create","attempt":1}\n'
    with (folder / "journal.jsonl").open("ab", buffering=0) as file:
        started = time.perf_counter()
        for _ in range(events):
            file.write(line)
            os.fsync(file.fileno())
    return {"events a second, lines in a file, each synced": rounded(events / (time.perf_counter() - started))}


def _virtual_hours(rounds: int) -> Mapping[str, float]:
    """A run of 100 minutes at 10 writes a minute, rehearsed: the real engine on the virtual clock."""
    manifest = HERE.parent / "manifests" / "thousand.yaml"
    command = ("-m", "batch_deployer", "rehearse", manifest, "--runs", "1")
    return {
        "1,000 deployments, rehearsed on the virtual clock (s)": median(
            [run_python(*command).wall for _ in range(rounds)]
        )
    }


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """All figures, by name."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=HERE) as name:  # on a disk: the system's folder may be memory
        folder = Path(name)
        figures |= _decoding(0.01 if quick else 0.5)
        figures |= _memory(1_000 if quick else 100_000)
        figures |= _starts(1 if quick else _ROUNDS)
        figures |= _past_a_stopped_holder(folder, 0.2 if quick else 5.0)
        figures |= _appends(folder, 20 if quick else 2_000)
        figures |= {
            "60 writes to one project, one limiter: refused": _refusals(1, 60),
            "60 writes to one project, two limiters: refused": _refusals(2, 60),
        }
        if not quick:
            figures |= _virtual_hours(3)
    return {"figures": figures}


if __name__ == "__main__":
    main("decisions", measure)
