"""Hard rate limits as arithmetic on the times of past calls. Time is an argument; nothing here waits.

Two rules hold at once. The window rule is exact: of any `count + 1` calls, the last leaves more than one period after
the first, whatever delays each one met between its reservation and its departure, and what can be known of its way to
the server. The spacing rule smooths: after a throttle, and for limits a second, calls are spread out instead of leaving
in bursts.
"""

import math
from collections import deque

from batch_deployer.settings import Rate

GUARD_SHARE = 0.001
GUARD_MOST = 0.5
"""The window is kept longer than promised by a thousandth and at most 0.5 s: clocks of two machines are never equal."""
LATE_SHARE = 0.1
"""The server counts a call when it arrives. One whose answer took longer than the quickest may have arrived later by as
much, and counts as if it had; up to this share of the period, for a slow backend is no slow network. While there is no
answer it counts as late by the whole share."""
QUICKEST_FADES = 1.0001
"""The quickest answer seen is forgotten by this factor a call, so that a route that became longer is learned."""
SMOOTHED_BELOW = 5.0
"""Periods up to this many seconds are smoothed; a limit a minute may be used as a burst, so that a small run ends at once."""
BURST_SHARE = 0.1
"""Calls of a smoothed limit that may leave together, so that what was lost to a late one can be made up for."""
SLOWEST = 0.05
CUT = 0.9
"""A throttle lowers the pace to this share of what it was, never below SLOWEST of the configured one."""
STEP = 0.05
"""Pace regained, as a share of the configured one, per period without a throttle."""


class Bucket:
    """The calls of one kind (reads or writes) to one cloud."""

    __slots__ = (
        "_burst", "_departures", "_echo_before", "_guard", "_late", "_next", "_probe", "_quickest", "_recovered_at", "_slots", "_tat", "factor",
        "paused_until", "peak", "rate", "throttles",
    )  # fmt: skip

    def __init__(self, rate: Rate, *, pace: float | None = None, recent: tuple[float, ...] = ()) -> None:
        """`pace`: learned calls a second of an earlier run; `recent`: departures before now that still count."""
        self.rate = rate
        self.factor = 1.0 if pace is None else min(1.0, max(SLOWEST, pace / rate.per_second))
        self.paused_until = -math.inf
        self._probe: int | None = None
        """Slot of the one call that goes alone after a pause, until its answer shows that the throttle is over."""
        self.throttles = 0
        self.peak = 0
        """Most departures seen in any one period."""
        self._guard = min(GUARD_MOST, GUARD_SHARE * rate.period)
        self._late = LATE_SHARE * rate.period
        self._slots = [-math.inf] * rate.count
        """When the last `count` calls arrived at the latest, as a ring; infinity while a reserved call has not left yet."""
        self._next = 0
        self._quickest = math.inf
        """Seconds of the quickest answer, fading."""
        self._tat = -math.inf
        self._burst = max(1, math.ceil(rate.count * BURST_SHARE)) if rate.period <= SMOOTHED_BELOW else rate.count
        self._departures: deque[float] = deque()
        self._recovered_at = -math.inf
        """When the pace was last set or raised."""
        self._echo_before = -math.inf
        """A throttled call that left before this says nothing new: the pace was cut for the same reason already."""
        for at in sorted(recent)[-rate.count :]:
            self.depart(self.take(at), at)

    @property
    def spacing(self) -> float:
        """Seconds between calls at the present pace."""
        return self.rate.period / (self.rate.count * self.factor)

    @property
    def pace(self) -> float:
        """Calls a second at present."""
        return self.rate.per_second * self.factor

    def earliest(self, now: float) -> float:
        """When the next call may leave: `now` or later; infinity while that depends on a call that has yet to leave."""
        if self._probe is not None:
            return math.inf
        burst = self._burst if self.factor == 1.0 else 1
        window = self._slots[self._next] + self.rate.period + self._guard
        return max(now, window, self._tat - (burst - 1) * self.spacing, self.paused_until)

    def paused(self, now: float) -> bool:
        """Whether nothing may leave now, not even what was reserved before."""
        return now < self.paused_until

    def take(self, now: float) -> int:
        """Reserve the next call; only when `earliest(now) <= now`. Returns the slot to give to `depart`."""
        slot = self._next
        self._slots[slot] = math.inf
        self._next = (slot + 1) % self.rate.count
        self._tat = max(now, self._tat) + self.spacing
        if now >= self.paused_until > -math.inf:
            self._probe = slot
        return slot

    def depart(self, slot: int, now: float) -> None:
        """Note that the reserved call leaves now."""
        self._slots[slot] = now + self._late
        departures = self._departures
        departures.append(now)
        horizon = now - self.rate.period
        while departures[0] <= horizon:
            departures.popleft()
        self.peak = max(self.peak, len(departures))

    def answered(self, slot: int, departed: float, now: float, *, left_at: float = 0.0) -> None:
        """Note that the call was answered: it may have arrived late by as much as its answer was slower than the quickest.

        `left_at`: when its bytes really left, if that is known: this process may have been held up since `departed`.
        """
        left = max(departed, left_at)
        took = now - left
        self._quickest = min(self._quickest * QUICKEST_FADES, took)
        if self._slots[slot] == departed + self._late:
            self._slots[slot] = left + min(took - self._quickest, self._late)

    def abandon(self, slot: int, now: float) -> None:
        """Give a reserved call up that never left. It still occupies its slot: a limit is never widened by a fault."""
        self._slots[slot] = now
        if slot == self._probe:
            self._probe = None

    def throttled(self, now: float, wait: float, departed: float) -> None:
        """Take in a 429 to a call that left at `departed`: pause the whole bucket and lower the pace.

        Answers to calls that left before the pause ended are echoes of the same throttle: they may prolong it, not cut again.
        """
        self._probe = None
        self.throttles += 1
        if departed >= self._echo_before:
            self.factor = max(SLOWEST, self.factor * CUT)
            self._recovered_at = now
        self.paused_until = max(self.paused_until, now + wait)
        self._echo_before = self.paused_until

    def passed(self, now: float, departed: float) -> None:
        """Take in any answer but a 429; the pace recovers additively, one step per period."""
        if departed >= self.paused_until:
            self._probe = None
            if self.paused_until > -math.inf:
                self.paused_until = -math.inf
                self._recovered_at = now
        if self._recovered_at == -math.inf:
            self._recovered_at = now  # a pace learned by an earlier process is kept for a period first
        if self.factor < 1.0 and now - self._recovered_at >= self.rate.period:
            self.factor = min(1.0, self.factor + STEP)
            self._recovered_at = now
