"""Warnings of heartbeats that fail: when none succeeds until the lease is over, nothing more may be written."""

from batch_deployer.engine.context import RunContext
from batch_deployer.model import events as e


class HeartbeatWatch:
    """Announces a failure to renew the lease once, until a renewal succeeds."""

    def __init__(self) -> None:
        self._failed = False

    def check(self, run: RunContext) -> None:
        """Announce the cause of a new failure."""
        trouble = run.ports.fence.trouble
        if trouble and not self._failed:
            run.announce(e.Warned(at=run.wall(), message=f"the run lock was not renewed, trying again: {trouble}"))
        self._failed = bool(trouble)
