"""The system's time."""

import asyncio
import time
from collections.abc import Callable

import anyio


class SystemClock:
    """ports.Clock on the running event loop: its time for durations, the wall for the record.

    On a virtual loop the durations are virtual too; then `epoch` says what wall time the loop's zero is.
    """

    def __init__(self, epoch: float | None = None) -> None:
        """`epoch`: wall seconds at monotonic zero, so that wall time follows the loop; None: the real wall clock."""
        self._epoch = epoch
        self._loop_time: Callable[[], float] | None = None

    def monotonic(self) -> float:
        """Give the loop's time. A clock belongs to the loop on which it was first asked."""
        if self._loop_time is None:
            self._loop_time = asyncio.get_running_loop().time
        return self._loop_time()

    def wall(self) -> float:
        """Give seconds since the epoch."""
        return time.time() if self._epoch is None else self._epoch + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)
