"""One run of a manifest at a time: a lease in the shared state, which heals itself after a crash."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from batch_deployer.errors import BadInput, JournalError, LockHeld
from batch_deployer.journal.fence import LeaseFence
from batch_deployer.journal.lease import Lease, usable
from batch_deployer.journal.machine import Stamp, born, here, is_alive, stamp
from batch_deployer.journal.shared import SharedState
from batch_deployer.settings import LeaseSettings


class RunLock:
    """ports.Lock of one manifest name, to be held by one run.

    `write_timeout`: longest that a write may take, seconds; it must fit into the lease (BadInput if not).
    """

    def __init__(
        self,
        state: SharedState,
        name: str,
        run_id: str,
        lease: LeaseSettings,
        write_timeout: float,
        *,
        clock: Callable[[], Stamp] = stamp,
    ) -> None:
        try:
            self._usable = usable(lease, write_timeout)
        except ValueError as error:
            raise BadInput(str(error)) from None
        self._state = state
        self._settings = lease
        self._clock = clock
        now = clock()
        self._mine = Lease(
            name=name,
            run=run_id,
            token=secrets.token_hex(16),
            place=here(),
            pid=os.getpid(),
            born=born(os.getpid()),
            since=now.wall,
            renewed=now,
            length=lease.length,
        )

    def holder(self) -> Lease | None:
        """Who stands in the way just now, if anybody."""
        held = self._state.lease(self._mine.name)
        return None if held is None or held.free(here(), self._clock(), is_alive) else held

    async def wait(self) -> None:
        """Return once the lock can be taken. Another may still be faster."""
        while self.holder() is not None:  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(min(1.0, self._settings.heartbeat))

    @contextlib.asynccontextmanager
    async def hold(self, *, wait: bool = False) -> AsyncIterator[LeaseFence]:
        """Take the lock and renew its lease until left. LockHeld when it is taken, unless told to `wait` for it."""
        while (held := self._take()) is not None:
            if not wait:
                raise LockHeld(str(held))
            await self.wait()
        fence = LeaseFence(
            self._renew,
            taken=self._mine.renewed,
            usable=self._usable,
            heartbeat=self._settings.heartbeat,
            clock=self._clock,
        )
        try:
            yield fence
        finally:
            fence.close()
            # A row that cannot be removed now is free all the same once this process has ended.
            with contextlib.suppress(JournalError):
                self._state.drop_lease(self._mine)

    def _take(self) -> Lease | None:
        now = self._clock()
        self._mine = replace(self._mine, since=now.wall, renewed=now)
        return self._state.take_lease(self._mine, lambda held: held.free(here(), self._clock(), is_alive))

    def _renew(self, now: Stamp) -> bool:
        return self._state.renew_lease(self._mine, now)
