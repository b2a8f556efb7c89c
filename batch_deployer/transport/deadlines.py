"""Bounds of time for many short exchanges, kept by one timer.

`asyncio.timeout` sets and cancels a timer of the loop for every block. Here a bound is an entry in a table, and the one
timer stands at the soonest of them; as nearly all blocks end long before, it hardly ever has anything to do.
"""

import asyncio
import math
from types import TracebackType
from typing import Self

_TICK = 0.001
"""Timers are rounded up to whole milliseconds, as fine as the loop's own."""


class Deadlines:
    """The bounds of one event loop's tasks."""

    def __init__(self) -> None:
        """Make it within the running loop."""
        self._loop = asyncio.get_running_loop()
        self._open: dict[Bound, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    def within(self, seconds: float) -> "Bound":
        """A block that is cancelled after so long, and then ends with TimeoutError, like `asyncio.timeout`."""
        return Bound(self, self._loop.time() + seconds)

    def close(self) -> None:
        """Stop the timer."""
        self._wait_until(math.inf)

    def enter(self, bound: "Bound") -> None:
        """A block begins."""
        self._open[bound] = None
        if bound.at < self._due:
            self._wait_until(bound.at)

    def leave(self, bound: "Bound") -> None:
        """A block has ended. The timer stays: it finds out by itself that nobody needs it."""
        self._open.pop(bound, None)

    def _wait_until(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = at
        if at < math.inf:
            wait = math.ceil(max(0.0, at - self._loop.time()) / _TICK) * _TICK
            self._timer = self._loop.call_later(wait, self._sweep)

    def _sweep(self) -> None:
        """Cancel what is overdue, and wait for the next."""
        now = self._loop.time()
        for bound in [bound for bound in self._open if bound.at <= now]:
            del self._open[bound]
            bound.expire()
        self._wait_until(min((bound.at for bound in self._open), default=math.inf))


class Bound:
    """One block of one task. Use as a context manager, once."""

    __slots__ = ("_cancelled_before", "_expired", "_owner", "_task", "at")

    def __init__(self, owner: Deadlines, at: float) -> None:
        """`at`: when it must have ended, in the loop's time."""
        self.at = at
        self._owner = owner
        self._expired = False

    def __enter__(self) -> Self:
        """Begin, within a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be bounded in time")
        self._task = task
        self._cancelled_before = task.cancelling()
        self._owner.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; raises TimeoutError if it was this bound that ended it, and nobody else cancelled the task meanwhile."""
        self._owner.leave(self)
        if self._expired and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task: its time is over."""
        self._expired = True
        self._task.cancel()
