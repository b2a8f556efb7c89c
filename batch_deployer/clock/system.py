"""The system's time."""

import asyncio
import time
from collections.abc import Callable

import anyio

_TURN = 0.001
"""Seconds that one turn of the loop may take before those who can wait do so."""


class SystemClock:
    """ports.Clock on the running event loop: its time for durations, the wall for the record.

    On a virtual loop the durations are virtual too; then `epoch` says what wall time the loop's zero is.
    """

    def __init__(self, epoch: float | None = None) -> None:
        """`epoch`: wall seconds at monotonic zero, so that wall time follows the loop; None: the real wall clock."""
        self._epoch = epoch
        self._loop_time: Callable[[], float] | None = None
        self._turn_began: float | None = None
        """When `should_yield` was first asked within the present turn of the loop."""

    def monotonic(self) -> float:
        """Give the loop's time. A clock belongs to the loop on which it was first asked."""
        if self._loop_time is None:
            self._loop_time = asyncio.get_running_loop().time
        return self._loop_time()

    def wall(self) -> float:
        """Give seconds since the epoch."""
        return time.time() if self._epoch is None else self._epoch + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; 0: for the next turn of the loop, as cheaply as that can be had."""
        await (anyio.sleep(seconds) if seconds > 0 else asyncio.sleep(0))

    def should_yield(self) -> bool:
        """Tell by the time since this was first asked within the present turn. A virtual turn takes no time."""
        if self._epoch is not None:
            return False
        now = time.monotonic()
        if self._turn_began is None:
            self._turn_began = now
            asyncio.get_running_loop().call_soon(self._end_turn)
        return now - self._turn_began > _TURN

    def _end_turn(self) -> None:
        self._turn_began = None
