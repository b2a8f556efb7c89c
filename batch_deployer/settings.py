"""How a run behaves, in small themed groups. Every default has its reason; durations are seconds.

Precedence: command-line flag > manifest > these defaults.
"""

import re
from dataclasses import dataclass, field
from typing import Self

_RATE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+)?\s*(s|m|h|(?:sec|second|min|minute|hour)s?)\s*$")
_MOST_CALLS = 1_000_000
"""Per period; a limit keeps the time of each."""
_LONGEST_PERIOD = 7 * 86400.0
_MOST = 1_000_000_000
"""Of what a share is a number."""
_LONGEST = 100
"""Characters of a rate or duration."""
_SHOWN = 60
"""Characters of a text that an error shows."""
_UNIT_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _shown(value: object) -> str:
    return repr(f"{value[:_SHOWN]}..." if isinstance(value, str) and len(value) > _SHOWN else value)


def parse_duration(text: str | float) -> float:
    """`90`, `90s`, `1h30m`, `500ms` or `2d` as seconds. ValueError (with advice) on anything else."""
    if isinstance(text, bool):
        raise ValueError(f"{_shown(text)} is not a duration; write for example 90s, 15m or 1h30m")
    if isinstance(text, int | float):
        seconds = float(text)
    else:
        compact = text.replace(" ", "") if len(text) <= _LONGEST else ""
        if re.fullmatch(r"\d+(?:\.\d+)?", compact):
            seconds = float(compact)
        else:
            parts = list(_DURATION.finditer(compact))
            if not parts or "".join(part[0] for part in parts) != compact:
                raise ValueError(f"{_shown(text)} is not a duration; write for example 90s, 15m or 1h30m")
            seconds = sum(float(part[1]) * _DURATION_SECONDS[part[2]] for part in parts)
    if not 0 <= seconds < 10 * 365 * 86400:
        raise ValueError(f"{_shown(text)} is not a usable duration; write for example 90s, 15m or 1h30m")
    return seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` calls in any window of `period` seconds."""

    count: int
    period: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`10/min`, `20/s`, `100/5min`. ValueError (with advice) on anything else."""
        match = _RATE.match(text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(f"{_shown(text)} is not a rate; write for example 10/min or 20/s")
        count, period = float(match[1]), float(match[2] or 1) * _UNIT_SECONDS[match[3].removesuffix("s") or "s"]
        if count < 1:
            period, count = period / count if count else 0.0, 1.0
        if not count.is_integer() or count > _MOST_CALLS or not 0 < period <= _LONGEST_PERIOD:
            raise ValueError(
                f"{_shown(text)} is not a usable rate; write a whole number of calls, for example 10/min or 20/s"
            )
        return cls(int(count), period)

    @property
    def per_second(self) -> float:
        """Calls a second, averaged over the period."""
        return self.count / self.period

    def within(self, seconds: float) -> float:
        """Most calls in a window of so many seconds."""
        return float(self.count) if seconds <= self.period else self.count * seconds / self.period

    def __str__(self) -> str:
        """`10/min`, `20/s` or `7/90s`."""
        units = {1.0: "s", 60.0: "min", 3600.0: "h"}
        return f"{self.count}/{units.get(self.period) or f'{self.period:g}s'}"


@dataclass(frozen=True, slots=True)
class IntOrPercent:
    """A number, or a percentage of a whole (`max_failures: 5%`, `per_cluster: 2`)."""

    value: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """`5%`, `3` or `0`. ValueError (with advice) on anything else."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", str(text)) if not isinstance(text, bool) else None
        most = 100 if match is not None and match[2] else _MOST
        if match is None or (not match[2] and "." in match[1]) or float(match[1]) > most:
            raise ValueError(f"{_shown(text)} is neither a whole number nor a percentage; write for example 3 or 5%")
        return cls(float(match[1]), bool(match[2]))

    def of(self, total: int) -> int:
        """The share of `total` as a whole number, percentages rounded down."""
        return int(total * self.value / 100 + 1e-9) if self.percent else int(self.value)

    def __str__(self) -> str:
        """As the user writes it."""
        return f"{self.value:g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one cloud may be asked to do."""

    writes: Rate = Rate(10, 60.0)
    """Creates, upgrades, rollbacks and deletes. 10 a minute has been observed as the provider's limit."""
    reads: Rate = Rate(10, 1.0)
    """Lists and shows. 71/s sustained was mostly refused."""
    in_flight: IntOrPercent = IntOrPercent(64)
    """Deployments under way at once in the cloud: from the write's intent to a terminal status."""
    per_cluster: IntOrPercent = IntOrPercent(1)
    """Deployments under way at once on one cluster; Helm installs on one API server compete."""
    connections: int = 32
    """HTTP calls under way at once; the adaptive limit moves below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How long and how fast to try again."""

    base: float = 1.0
    """Mean first delay; doubles per attempt."""
    cap: float = 60.0
    """No single delay is longer."""
    give_up_after: float = 600.0
    """Seconds of uninterrupted faults after which a cluster is called unreachable."""
    max_writes: int = 5
    """Writes sent for one operation of one deployment, refusals by throttle not counted."""
    budget: float = 20.0
    """Retries a cloud may be asked for in a burst; each success earns `budget_ratio` of one more."""
    budget_ratio: float = 0.2
    locked: float = 5.0
    """Mean wait of one release that another request holds locked (`01429002`)."""
    throttle: float = 60.0
    """Pause of a bucket after a 429 that names neither Retry-After nor a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """When to look at a cluster that has deployments under way."""

    initial_delay: float = 5.0
    """No look sooner after a write: nothing finishes faster. Nor after another look, while nobody waits for an end."""
    min_interval: float = 1.5
    """Between two looks while somebody waits for an end."""
    max_interval: float = 60.0
    growth_factor: float = 0.2
    """While nothing is learned: gap as a share of the time already waited, so delay stays proportional."""
    read_share: float = 0.8
    """Share of the read budget that looks may plan to use; the rest is for observing and reading back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings:
    """How to read back a write whose fate is unknown."""

    absence_grace: float = 60.0
    """Seconds for which a release must stay absent before it counts as not created. Longer than any stale read seen."""
    confirmations: int = 4
    """Looks that must agree within the grace."""
    clock_skew: float = 300.0
    """Seconds by which the cloud's clock may differ from ours when creation times are compared."""
    max_staleness: float = 120.0
    """An observation older than this is refreshed before a write relies on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Bounds of one HTTP exchange."""

    connect: float = 10.0
    read_timeout: float = 30.0
    """Total for a read call."""
    write_timeout: float = 60.0
    """Total for a write call. Gateways cut at 60 s; must stay below the lease."""
    max_body: int = 64 * 1024 * 1024
    """Bytes of an answer; more is refused unread."""
    max_depth: int = 64
    """Nesting of JSON in an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownSettings:
    """How to end."""

    grace: float = 30.0
    """Seconds to go on watching what is in flight after a first signal or a deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """The run lock's lease, which is also the fence before each write."""

    length: float = 120.0
    """Seconds without a heartbeat after which another run may take over. Must exceed the write timeout."""
    heartbeat: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """Failure tolerance; None means unlimited."""

    max_failures: IntOrPercent | None = None
    """Of the whole run."""
    systemic: int = 3
    """The same failure on this many clusters halts the run, if it is also two thirds of what ended so far; 0 turns it off."""
    max_unreachable: IntOrPercent | None = None
    """Unreachable deployments of the whole run; None: they count as failures."""
    max_deferred: IntOrPercent = IntOrPercent(100.0, percent=True)
    """Deployments that may still be deferred at the end of the run."""
    defer_for: float = 0.0
    """Seconds, since it was deferred, for which a deployment is waited for once everything else is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All groups of one run."""

    retry: RetrySettings = field(default_factory=RetrySettings)
    poll: PollSettings = field(default_factory=PollSettings)
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    wire: HttpSettings = field(default_factory=HttpSettings)
    stop: ShutdownSettings = field(default_factory=ShutdownSettings)
    lease: LeaseSettings = field(default_factory=LeaseSettings)
    deadline: float | None = None
    """Seconds from the start of this process's part of the run; None: no deadline."""
