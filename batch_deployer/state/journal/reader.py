"""Reading a journal, also while another process writes it: nothing is changed, locked or waited for."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from batch_deployer.model.events import Event, RunFinished, RunStarted
from batch_deployer.state.database import Database
from batch_deployer.state.journal.codec import decode

_CHUNK = 256
"""Rows a query: no read transaction lasts long, so the writer can always take its log home,
and memory stays bounded whatever the rows hold."""
_LONGEST_ROW = 1024 * 1024


class JournalReader:
    """What one journal file tells. JournalError when it cannot be read or is damaged.

    `brief`: for a glance at a run that is most likely over; leaves no file behind.
    """

    def __init__(self, path: Path, *, brief: bool = False) -> None:
        # Without a log beside it the journal was closed whole, so it may be read as it lies there.
        still = brief and not path.with_name(path.name + "-wal").exists()
        self._path = path
        self._database = Database(
            path, schema="schema.sql", queries="queries.sql", write=False, still=still, longest=_LONGEST_ROW
        )
        self._empty = not self._database.has_schema()

    def batches(self, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """Events later than `after` in order, some thousand at a time, each batch with its last number."""
        while not self._empty and (rows := self._database.run("after", after, _CHUNK)):
            after = rows[-1][0]
            yield after, decode(rows, str(self._path))

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events later than number `after` in order, in bounded memory."""
        for _, events in self.batches(after):
            yield from events

    def story(self, key: str) -> list[Event]:
        """All events of one deployment, in order."""
        return [] if self._empty else decode(self._database.run("story", key), str(self._path))

    def ending(self) -> RunStarted | RunFinished | None:
        """The run's last word: its end, or that it was taken up again; None when it broke off."""
        rows = [] if self._empty else self._database.run("ending")
        last = decode(rows, str(self._path))[0] if rows else None
        return last if isinstance(last, RunStarted | RunFinished) else None

    def clock_events(self) -> list[Event]:
        """Starts of the run's parts, and each time that the wall clock was found to have been set, in order."""
        return [] if self._empty else decode(self._database.run("clock"), str(self._path))

    def backwards(self, since: float) -> Iterator[Event]:
        """Events, latest first, until all that are left happened before the wall time `since`."""
        before = 0 if self._empty else self._database.run("last_seq")[0][0] + 1
        while before > 1 and (rows := self._database.run("backwards", before, _CHUNK)):
            before = rows[-1][0]
            events = decode(rows, str(self._path))
            yield from events
            # Events of one moment may be noted slightly out of order, so only a whole older chunk ends the search.
            if max(event.at for event in events) < since:
                return

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
