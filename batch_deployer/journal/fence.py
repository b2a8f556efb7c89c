"""The held lease as a fence before each write, kept up by a thread of its own."""

import threading
from collections.abc import Callable

from batch_deployer.errors import JournalError
from batch_deployer.journal.machine import Stamp


class LeaseFence:
    """ports.Fence over a lease. The thread beats whatever the event loop does; the check is two comparisons.

    `renew` writes the moment it is given as the lease's last renewal and says whether the lease still is ours.
    `usable`: seconds after a renewal in which a write may start.
    """

    def __init__(
        self,
        renew: Callable[[Stamp], bool],
        *,
        taken: Stamp,
        usable: float,
        heartbeat: float,
        clock: Callable[[], Stamp],
    ) -> None:
        self.trouble = ""
        """Why the last renewal failed; empty when it did not."""
        self._renew = renew
        self._usable = usable
        self._heartbeat = heartbeat
        self._clock = clock
        self._until = taken.boot + usable
        self._lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def may_write(self) -> bool:
        """Whether nobody else can have taken over before a write sent now must have ended."""
        return not self._lost and self._clock().boot < self._until

    @property
    def lost(self) -> bool:
        """Whether somebody else took over, or the lease was given back; it never comes back."""
        return self._lost

    def close(self) -> None:
        """End the heartbeat and never again permit a write."""
        self._lost = True
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._lost and not self._stop.wait(self._heartbeat):
            # Taken before the row is written: what the fence believes must end no later than what others read.
            now = self._clock()
            try:
                ours = self._renew(now)
            except JournalError as error:
                self.trouble = str(error)  # the lease runs on; the next beat may succeed
                continue
            self.trouble = ""
            if ours:
                self._until = now.boot + self._usable
            else:
                self._lost = True
