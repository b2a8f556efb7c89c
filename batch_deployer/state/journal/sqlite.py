"""The journal of one run in a SQLite file: write-ahead log, synced at each commit, commits shared by all who wait."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from batch_deployer.errors import JournalError
from batch_deployer.model.events import Event
from batch_deployer.state.journal.codec import encode
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.journal.writer import BATCH, Store, Writer

LINGER = 0.5
"""Seconds for which a note waits for a commit that somebody waits for; then it gets one of its own. A note that a crash takes
with it costs no more than a look: its intent was durable before anything left, so the write is read back."""


class SqliteJournal:
    """ports.Journal on a file, new or to be continued. Close it, or use it as a context manager.

    `inline`: commit on the caller's thread. A virtual clock needs that, since it jumps ahead while a thread works.
    Raises JournalError when the file cannot be opened or is damaged beyond its last whole commit.
    """

    def __init__(self, path: Path, *, inline: bool = False) -> None:
        self.path = path
        self._store = Store(path)
        self._writer = None if inline else Writer(self._store)
        self._noted: list[bytes] = []
        """Rows that go with the next commit."""
        self._waiting: list[asyncio.Future[None]] = []
        """Who waits for them."""
        self._timer: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._within = 0.0
        """Seconds, from when it was set, after which the timer hands them to the writer."""
        self._closed = False

    async def record(self, *events: Event) -> None:
        """Append, and return only once they would survive a crash. One call's events stay together."""
        self._check()
        await self._commit([encode(event) for event in events])

    def note(self, *events: Event) -> None:
        """Append with the next commit, without waiting."""
        if self._closed or self._store.failure is not None:
            return  # `record` and `flush` say so
        for event in events:
            self._noted.append(encode(event))
        if len(self._noted) >= BATCH:
            self._drain()
        elif self._writer is not None:
            self._drain_in(LINGER)

    async def flush(self) -> None:
        """Wait until all that was noted would survive a crash."""
        self._check()
        await self._commit([])

    def history(self) -> Sequence[Event]:
        """All events so far, in order."""
        return list(self.stream())

    def stream(self, after: int = 0) -> Iterator[Event]:
        """All events so far and later than number `after`, in order and in bounded memory."""
        self._raise_failure()
        with JournalReader(self.path) as reader:
            yield from reader.events(after)

    def close(self) -> None:
        """Write what is noted, take the log home, end the thread. A failure met here leaves the log for the next opening."""
        if self._closed:
            return
        self._closed = True
        self._drain()
        if self._writer is not None:
            self._writer.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _commit(self, rows: list[bytes]) -> None:
        self._noted += rows
        if self._writer is None:
            self._drain()
            self._check()
        else:
            done = asyncio.get_running_loop().create_future()
            self._waiting.append(done)
            # Not at once: whoever else comes in this turn of the loop shares the hand-over, which wakes a thread.
            self._drain_in(0.0)
            await done

    def _check(self) -> None:
        if self._closed:
            raise JournalError(f"cannot write {self.path}: the journal is closed")
        if self._store.failure is not None:
            raise JournalError(str(self._store.failure))

    def _drain_in(self, seconds: float) -> None:
        """Have all that waits handed over within so many seconds; 0: at the end of this turn of the loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._drain()  # Nobody would come back to it.
            return
        if self._timer is not None:
            if self._loop is loop and seconds >= self._within:
                return
            self._timer.cancel()
        self._loop, self._within = loop, seconds
        self._timer = loop.call_later(seconds, self._drain) if seconds else loop.call_soon(self._drain)

    def _drain(self) -> None:
        """Hand over all that waits: to the writer, or to the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows, self._noted = self._noted, []
        waiting, self._waiting = self._waiting, []
        if self._writer is None:
            self._store.append(rows)
        elif rows or waiting:
            self._writer.put(rows, waiting)

    def _raise_failure(self) -> None:
        """Block until what was handed over so far is written (or has failed): a commit at most."""
        if self._closed:
            return
        self._drain()
        if self._writer is not None:
            written = threading.Event()
            self._writer.put((), written)
            written.wait()
