"""The row that says who runs a manifest, and when somebody else may take over. Values and rules, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from batch_deployer.journal.machine import Place, Stamp
from batch_deployer.model.text import utc
from batch_deployer.settings import LeaseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One holder of one manifest's lock."""

    name: str
    """The manifest's name."""
    run: str
    token: str
    """Drawn anew by each holder."""
    place: Place
    pid: int
    born: str
    """Start time of the process; empty when unknown."""
    since: float
    """Wall clock."""
    renewed: Stamp
    length: float
    """Seconds from the last renewal until another may take over."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """A row of `lease` or `leases`."""
        run, token, host, boot, space, pid, born, since, renewed_boot, renewed_wall, length, name = row
        place, renewed = Place(host, boot, space), Stamp(renewed_boot, renewed_wall)
        return cls(
            name=name,
            run=run,
            token=token,
            place=place,
            pid=pid,
            born=born,
            since=since,
            renewed=renewed,
            length=length,
        )

    def as_row(self) -> tuple[Any, ...]:
        """Values of `take`."""
        place, renewed = self.place, self.renewed
        whose = (self.run, self.token, place.host, place.boot, place.space, self.pid, self.born, self.since)
        return (*whose, renewed.boot, renewed.wall, self.length, self.name)

    def expired(self, here: Place, now: Stamp) -> bool:
        """Whether the last renewal lies a whole lease back.

        Within one boot the settable clock is not asked. After a reboot the holder is gone for certain, and the wall clock,
        which a reboot may have set either way, only decides how soon that is believed.
        """
        if here.boot and self.place.boot == here.boot:
            return now.boot - self.renewed.boot >= self.length
        return abs(now.wall - self.renewed.wall) >= self.length

    def free(self, here: Place, now: Stamp, alive: Callable[[int, str], bool]) -> bool:
        """Whether another may take over: the lease expired, or its holder died on this very machine.

        A stopped or suspended holder is not dead: it could wake and write, so its lease must run out first.
        """
        return self.expired(here, now) or (self.place == here and not alive(self.pid, self.born))

    def present(self, here: Place, now: Stamp, alive: Callable[[int, str], bool]) -> bool:
        """Whether its holder is still there, maybe stopped or suspended past its lease."""
        return alive(self.pid, self.born) if self.place == here else not self.expired(here, now)

    def __str__(self) -> str:
        """Who holds it, and what to do: one line."""
        until = self.renewed.wall + self.length
        return (
            f"{self.name} is being run already: run {self.run}, process {self.pid} on {self.place.host}, "
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
