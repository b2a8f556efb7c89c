"""The held lease as a fence before each write, kept up by a thread of its own."""

import threading
from contextlib import suppress

from batch_deployer.errors import JournalError, shortage
from batch_deployer.state.lock.lease import Lease
from batch_deployer.state.lock.lease_files import Leases


class LeaseFence:
    """ports.Fence over a lease just taken. The thread beats whatever the event loop does; the check is two comparisons.

    `usable`: seconds after a renewal in which a write may start. `heartbeat`: seconds between renewals.
    """

    def __init__(self, leases: Leases, lease: Lease, *, usable: float, heartbeat: float) -> None:
        self.trouble = ""
        """Why the last renewal failed; empty when it did not."""
        self._leases = leases
        self._lease = lease
        self._usable = usable
        self._heartbeat = heartbeat
        self._until = lease.renewed.boot + usable
        self._lost = False
        self._missing = ""
        self._closing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    def may_write(self) -> bool:
        """Whether nobody else can have taken over before a write sent now must have ended."""
        return not self._lost and self._leases.clock().boot < self._until and not self.missing()

    def missing(self) -> str:
        """The lock's file, once neither it nor a later one is there: the state folder was moved or removed."""
        if not self._missing and not self._leases.file(self._lease).exists() and not self._lost:
            try:
                held = self._leases.current(self._lease.name)
            except JournalError:
                held = None
            if held is None and not self._closing:
                self._missing = str(self._leases.file(self._lease))
        return self._missing

    def overtaken(self) -> bool:
        """Whether somebody else took over. While the lease runs it cannot be; after that the folder of leases tells."""
        if self._lost or self._leases.clock().boot < self._until:
            return self._lost
        mine = self._lease
        try:
            held = self._leases.current(mine.name)
        except JournalError:
            return False  # nothing is certain; writes are held back all the same
        return held is not None and (held.host, held.pid, held.born) != (mine.host, mine.pid, mine.born)

    @property
    def lost(self) -> bool:
        """Whether somebody else took over, or the lease was given back; it never comes back."""
        return self._lost

    def close(self) -> None:
        """Give the lease back and never again permit a write."""
        lost = self._lost or bool(self._missing)
        self._closing = self._lost = True
        self._stop.set()
        self._thread.join()
        if not lost:
            # A lease that cannot be given back now is free all the same once this process has ended.
            with suppress(JournalError):
                self._leases.release(self._lease)

    def _keep_renewing(self) -> None:
        while not self._lost and not self._stop.wait(self._heartbeat):
            try:
                renewed = self._leases.renew(self._lease)
            except Exception as error:  # noqa: BLE001 - the lease runs on, and the next heartbeat may succeed
                self.trouble = shortage(error) or str(error) or type(error).__name__
                continue
            self.trouble = ""
            if renewed is None and self.missing():
                return
            if renewed is None:
                self._lost = True
            else:
                self._lease = renewed
                self._until = renewed.renewed.boot + self._usable
