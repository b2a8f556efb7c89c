"""One run of a manifest at a time: a lease in the state folder, which heals itself after a crash."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from batch_deployer.errors import InputError, LockHeld
from batch_deployer.settings import LeaseSettings
from batch_deployer.state.lock.fence import LeaseFence
from batch_deployer.state.lock.lease import Lease, usable
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import Stamp, is_alive, now, this_host


class RunLock:
    """ports.Lock of one manifest name, to be held by one run.

    `folder`: the state folder's locks (`StateDir.locks_path`). `write_timeout`: longest that a write may take, seconds;
    it must fit into the lease (InputError if not).
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        run_id: str,
        lease: LeaseSettings,
        write_timeout: float,
        *,
        clock: Callable[[], Stamp] = now,
    ) -> None:
        try:
            self._usable = usable(lease, write_timeout)
        except ValueError as error:
            raise InputError(str(error)) from None
        self._leases = Leases(folder, clock)
        self._settings = lease
        self._wanted = new_lease(name, run_id, lease.length, clock())

    def holder(self) -> Lease | None:
        """Who stands in the way just now, if anybody."""
        held = self._leases.current(self._wanted.name)
        return None if held is None or held.free(this_host(), self._leases.clock(), is_alive) else held

    async def wait(self) -> None:
        """Return once the lock can be taken. Another may still be faster."""
        while self.holder() is not None:  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(min(1.0, self._settings.heartbeat))

    @contextlib.asynccontextmanager
    async def hold(self, *, wait: bool = False) -> AsyncIterator[LeaseFence]:
        """Take the lock and renew its lease until left. LockHeld when it is taken, unless told to `wait` for it."""
        while (taken := self._take(patient=wait)) is None:
            await self.wait()
        fence = LeaseFence(self._leases, taken, usable=self._usable, heartbeat=self._settings.heartbeat)
        try:
            yield fence
        finally:
            fence.close()

    def _take(self, *, patient: bool) -> Lease | None:
        try:
            return self._leases.take(self._wanted)
        except LockHeld:
            if patient:
                return None
            raise
