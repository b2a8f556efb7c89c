"""What durability costs: events a second, alone and shared, against plain sqlite3 at the same durability.

Alone: each event waits for its own commit. Shared: many writers wait at once, as creates under way do, and share commits.
The raw figures use one connection in this thread, WAL and synchronous FULL: one commit an event, and one commit for as many
events as waited together. The latency is what a create waits for its intent before its bytes may leave.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop
from common import HERE, main, median, rounded, take_turns, target
from own import quantile

from batch_deployer.model.deployment import Operation
from batch_deployer.model.events import Intended
from batch_deployer.state.journal.codec import encode
from batch_deployer.state.journal.sqlite import SqliteJournal

_WRITERS = 64
_RATES = (10, 500, 2000)


def _event(number: int) -> Intended:
    key = f"c86f70a1-5dc7-11ee-bf71-0255ac10{number % 10_000:04}/bench/release-{number % 10}"
    return Intended(at=1.7e9 + number, key=key, operation=Operation.CREATE, attempt=1)


def _ours(path: Path, events: int, writers: int) -> float:
    """Events a second through the journal's port."""

    async def write() -> float:
        with SqliteJournal(path) as journal:
            await journal.record(_event(0))
            numbers = iter(range(events))

            async def writer() -> None:
                for number in numbers:
                    await journal.record(_event(number))

            started = time.perf_counter()
            await asyncio.gather(*(writer() for _ in range(writers)))
            return events / (time.perf_counter() - started)

    return uvloop.run(write())


def _noted(path: Path, events: int) -> float:
    """Events a second that nobody waits for, one flush at the end."""

    async def write() -> float:
        with SqliteJournal(path) as journal:
            await journal.record(_event(0))
            started = time.perf_counter()
            for number in range(events):
                journal.note(_event(number))
            await journal.flush()
            return events / (time.perf_counter() - started)

    return uvloop.run(write())


def _raw(path: Path, events: int, batch: int) -> float:
    """Events a second through sqlite3 alone, into a table of two columns."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, data TEXT NOT NULL)")
    started = time.perf_counter()
    for first in range(0, events, batch):
        rows = [(encode(_event(number)).decode(),) for number in range(first, min(first + batch, events))]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO events (data) VALUES (?)", rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return events / took


def _latency(path: Path, rate: int, seconds: float) -> Mapping[str, float]:
    """Milliseconds that an intent waits while intents come at a steady rate, each with three notes after it."""

    async def write() -> list[float]:
        waits: list[float] = []
        loop = asyncio.get_running_loop()
        with SqliteJournal(path) as journal:

            async def create(number: int) -> None:
                started = time.perf_counter()
                await journal.record(_event(number))
                waits.append(time.perf_counter() - started)
                journal.note(_event(number), _event(number), _event(number))

            tasks, began = [], loop.time()
            for number in range(int(rate * seconds)):
                due = began + number / rate
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                tasks.append(asyncio.ensure_future(create(number)))
            await asyncio.gather(*tasks)
        return waits

    waits = uvloop.run(write())
    return {
        "rate": rate,
        "median_ms": rounded(1000 * quantile(waits, 0.5)),
        "p99_ms": rounded(1000 * quantile(waits, 0.99)),
    }


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """All ways in turns, medians."""
    alone, shared = (50, 500) if quick else (2_000, 40_000)
    with tempfile.TemporaryDirectory(dir=HERE) as name:  # on a disk: the system's folder may be memory
        count = iter(range(1_000_000))

        def fresh() -> Path:
            return Path(name) / f"{next(count)}.db"

        legs: Mapping[str, Callable[[], float]] = {
            "journal, alone": lambda: _ours(fresh(), alone, 1),
            "sqlite3, a commit an event": lambda: _raw(fresh(), alone, 1),
            "journal, 64 writers": lambda: _ours(fresh(), shared, _WRITERS),
            "sqlite3, 64 events a commit": lambda: _raw(fresh(), shared, _WRITERS),
            "journal, 1,000 writers": lambda: _ours(fresh(), shared, 1_000),
            "journal, noted": lambda: _noted(fresh(), shared),
            "sqlite3, 256 events a commit": lambda: _raw(fresh(), shared, 256),
        }
        found = {leg: median(each) for leg, each in take_turns(legs, 1 if quick else 5).items()}
        latency = [_latency(fresh(), rate, 0.2 if quick else 3.0) for rate in _RATES]
    return {
        "events_per_second": found,
        "latency": latency,
        "targets": {
            "alone, over sqlite3 with a commit an event": target(
                found["journal, alone"] / found["sqlite3, a commit an event"], least=0.5
            ),
            "shared by 1,000, over sqlite3 with 256 events a commit": target(
                found["journal, 1,000 writers"] / found["sqlite3, 256 events a commit"], least=0.5
            ),
        },
    }


if __name__ == "__main__":
    main("journal_commit", measure)
