"""Journals of each kind, and events to put into them."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from batch_deployer.model.deployment import Operation
from batch_deployer.model.events import Event, Intended
from batch_deployer.state.journal.memory import MemoryJournal
from batch_deployer.state.journal.sqlite import SqliteJournal

Journal = MemoryJournal | SqliteJournal


@pytest.fixture
def intents() -> Callable[..., Sequence[Event]]:
    """`intents(3)`: that many different events; `start` is the number of the first."""

    def make(count, start=0):
        return [
            Intended(at=1_800_000_000.25 + i, key=f"cluster/ns/release-{i}", operation=Operation.CREATE, attempt=1)
            for i in range(start, start + count)
        ]

    return make


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(params=["memory", "threaded", "inline"])
def journal(request: pytest.FixtureRequest, journal_path: Path) -> Iterator[Journal]:
    """One journal of each kind."""
    kind: str = request.param
    made = MemoryJournal() if kind == "memory" else SqliteJournal(journal_path, inline=kind == "inline")
    with made:
        yield made


@pytest.fixture(params=["memory", "threaded", "inline"])
def small_journal(request: pytest.FixtureRequest, journal_path: Path) -> Iterator[Journal]:
    """One journal of each kind that takes some hundred events, but never ten thousand."""
    kind: str = request.param
    made = MemoryJournal(capacity=1000) if kind == "memory" else SqliteJournal(journal_path, inline=kind == "inline")
    if isinstance(made, SqliteJournal):
        connection: sqlite3.Connection = made._store._database._connection
        connection.execute("PRAGMA max_page_count=100")
    with made:
        yield made


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`python(code, *args)`: a child process running the code, its output as text; ended with the test."""
    children: list[subprocess.Popen[str]] = []

    def start(code, *args):
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            stream.close()
