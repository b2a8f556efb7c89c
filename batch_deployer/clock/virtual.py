"""A virtual clock: an event loop that jumps to its next timer whenever it would otherwise sit idle.

Hours of pacing, soaking and watching pass in milliseconds, in the same order each time. No sockets and no threads may be
used on it: an idle loop cannot know that a thread is still at work, and would jump over its answer.
"""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from batch_deployer.clock.system import SystemClock

T = TypeVar("T")

EPOCH = 1_767_322_800.0
"""Wall time at virtual zero: 2026-01-02T03:00:00Z."""

_RESOLUTION = 1e-9
"""Seconds that asyncio adds to the time when it asks which timers are due."""


class _JumpingSelector(selectors.DefaultSelector):
    """Returns at once, having moved the virtual time on by as much as the loop wanted to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
            if math.ulp(self.now) > _RESOLUTION:
                # After months a float is coarser than what the loop adds to see that a timer is due: land just beyond it.
                self.now += 2 * math.ulp(self.now)
        elif not ready and timeout is None:
            raise RuntimeError("deadlock on the virtual clock: every task waits, and no timer is set")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, starting at zero."""

    def __init__(self) -> None:
        """Start at zero."""
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_clock(epoch: float = EPOCH) -> SystemClock:
    """Give a clock whose wall time moves with the virtual loop."""
    return SystemClock(epoch)
