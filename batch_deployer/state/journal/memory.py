"""The journal's promises without a disk: for rehearsals and tests."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Self

from batch_deployer.errors import JournalError
from batch_deployer.model.events import Event


class MemoryJournal:
    """ports.Journal in memory; what survives a crash is what `history` gives.

    `events`: an earlier part of the same run. `capacity`: events it takes before it is "full", to try failures.
    """

    def __init__(self, events: Sequence[Event] = (), *, capacity: int | None = None) -> None:
        self._events = list(events)
        self._capacity = capacity
        self._failure = ""

    async def record(self, *events: Event) -> None:
        """Append, all of one call or none."""
        self._check()
        self._append(events)
        self._check()

    def note(self, *events: Event) -> None:
        """Append without saying whether it worked."""
        self._append(events)

    async def flush(self) -> None:
        """Say whether all that was noted is there."""
        self._check()

    def history(self) -> Sequence[Event]:
        """All events so far, in order."""
        return list(self._events)

    def stream(self, after: int = 0) -> Iterator[Event]:
        """All events so far and later than number `after` (the first is 1), in order."""
        return islice(iter(self._events), after, None)

    def close(self) -> None:
        """Take nothing more."""
        self._failure = self._failure or "cannot write the journal: it is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, events: Sequence[Event]) -> None:
        if not self._failure and self._capacity is not None and len(self._events) + len(events) > self._capacity:
            self._failure = f"cannot write the journal: it is full after {len(self._events)} events"
        if not self._failure:
            self._events += events

    def _check(self) -> None:
        if self._failure:
            raise JournalError(self._failure)
