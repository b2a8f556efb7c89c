"""Who runs a manifest, and when somebody else may take over. Values and rules, no I/O."""

from collections.abc import Callable

import msgspec

from batch_deployer.settings import LeaseSettings
from batch_deployer.state.lock.process import Host, Stamp
from batch_deployer.util.text import utc


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One holder of one manifest's lock, as of its last renewal."""

    name: str
    """The manifest's name."""
    run: str
    generation: int = 0
    """Grows with each takeover; who finds a later one has lost its own for good."""
    host: Host
    pid: int
    born: str
    """Start time of the process; empty when unknown."""
    since: float
    """Wall clock."""
    renewed: Stamp
    length: float
    """Seconds from the last renewal until another may take over."""
    released: bool = False
    """Given back."""

    def expired(self, here: Host, now: Stamp) -> bool:
        """Whether the last renewal lies a whole lease back.

        Within one boot the settable clock is not asked. After a reboot the holder is gone for certain, and the wall clock,
        which a reboot may have set either way, only decides how soon that is believed.
        """
        if here.boot and self.host.boot == here.boot:
            return now.boot - self.renewed.boot >= self.length
        return abs(now.wall - self.renewed.wall) >= self.length

    def free(self, here: Host, now: Stamp, alive: Callable[[int, str], bool]) -> bool:
        """Whether another may take over: it was given back, it expired, or its holder died on this very machine.

        A stopped or suspended holder is not dead: it could wake and write, so its lease must run out first.
        """
        dead = self.host == here and not alive(self.pid, self.born)
        return self.released or dead or self.expired(here, now)

    def present(self, here: Host, now: Stamp, alive: Callable[[int, str], bool]) -> bool:
        """Whether its holder is still there, maybe stopped or suspended past its lease."""
        there = alive(self.pid, self.born) if self.host == here else not self.expired(here, now)
        return there and not self.released

    def __str__(self) -> str:
        """Who holds it, and what to do: one line."""
        until = self.renewed.wall + self.length
        return (
            f"{self.name} is being run already: run {self.run}, process {self.pid} on {self.host.host}, "
            f"since {utc(self.since)}, lease until {utc(until)} unless renewed; "
            f"see `batch-deployer status {self.run}`, wait for its end with --overlap wait, or stop that process"
        )


def margin(length: float) -> float:
    """Seconds of a lease that are never used: for what passes between the check and the write's first byte."""
    return 0.05 * length


def usable(lease: LeaseSettings, write_timeout: float) -> float:
    """Seconds after a renewal in which a write may start and still end within the lease.

    ValueError (with advice) when heartbeats cannot keep that above zero.
    """
    seconds = lease.length - margin(lease.length) - write_timeout
    if lease.heartbeat <= 0 or seconds <= lease.heartbeat:
        raise ValueError(
            f"a lease of {lease.length:g}s with a heartbeat of {lease.heartbeat:g}s leaves no time for writes "
            f"of up to {write_timeout:g}s; use a longer lease or a shorter write timeout"
        )
    return seconds
