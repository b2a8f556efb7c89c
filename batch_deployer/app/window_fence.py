"""The run lock's fence and the maintenance window as one fence."""

import time

from batch_deployer.ports import Fence
from batch_deployer.rules.wall_clock import WindowOpening


class WindowFence:
    """A fence that also asks the wall clock, right before each write leaves, whether the window is open."""

    def __init__(self, inner: Fence, opening: WindowOpening) -> None:
        self._inner = inner
        self._opening = opening

    def may_write(self) -> bool:
        """Whether a write may leave now."""
        return self._inner.may_write() and not self._opening.problem(time.time())

    @property
    def trouble(self) -> str:
        """Why the lease could not be renewed at the last attempt."""
        return self._inner.trouble

    def missing(self) -> str:
        """What is gone without which the lock cannot be held."""
        return self._inner.missing()

    def overtaken(self) -> bool:
        """Whether somebody else has taken over."""
        return self._inner.overtaken()
