"""Hard rate limits as arithmetic on the times of past calls. Time is an argument; nothing here waits.

Two rules hold at once. The window rule is exact: a call leaves only when fewer than `count` others may have arrived
within the last period, whatever delays each one met between its reservation and its departure, and by what can be known
of its way to the server. Which ones those are does not matter, so one late answer holds up no more than its own place.
The spacing rule smooths: after a throttle, and for limits a second, calls are spread out instead of leaving in bursts.
"""

import heapq
import math
from collections import deque

from batch_deployer.rules.limit_learning import LEAST_PROBE_PAUSE_SECONDS, LimitLearning
from batch_deployer.settings import Rate

GUARD_SHARE = 0.001
GUARD_MOST = 0.5
"""The window is kept longer than promised by a thousandth and at most 0.5 s. A clock that is being set right may run wrong
by 500 millionths, and ours and the server's may do so in opposite directions."""
LATE_SHARE = 0.1
LATE_LEAST = 0.25
"""The server counts a call when it arrives. One whose answer took longer than the quickest may have arrived later by as
much, and counts as if it had; up to this share of the period or so many seconds, for a slow backend is no slow network, but
a gateway on a busy machine is easily held up for a moment. While there is no answer it counts as late by all of that."""
QUICKEST_FADES = 1.0001
"""The quickest answer seen is forgotten by this factor a call, so that a route that became longer is learned."""
ACQUAINTED = 10
"""Answers, or those of a whole period if that is more, until which even the quickest may have been a late one: the first calls
meet new connections and a server that has just awoken. Until then a call may have arrived as late as its answer came."""
SMOOTHED_BELOW = 5.0
"""Periods up to this many seconds are smoothed; a limit a minute may be used as a burst, so that a small run ends at once."""
BURST_SHARE = 0.1
"""Calls of a smoothed limit that may leave together, so that what was lost to a late one can be made up for."""
TOGETHER = 0.002
"""At a lowered pace, calls due within so many seconds may leave together: timers are no more exact than that, and what they
lose would lower the pace further."""
GROUP = 8
GROUP_WAIT = 0.05
"""Whoever waits for the next call had better come for up to so many at once, and wait so many seconds for that at most: to wake
up for each of them, and to put each intent onto the disk alone, costs more than the calls. No more than half of what the
spacing lets calls leave together is used for it; the rest still makes up for what was lost. Quicker limits need no such help:
timers are no more exact than TOGETHER."""
PLACE_WAIT = 0.003
"""The same for places in the window, as a share of the period: those that left together are free again nearly together."""
SLOWEST = 0.05
CUT = 0.9
"""A throttle that tells of a limit lowers the pace to this share of what it was, never below SLOWEST of the configured one."""
STEP = 0.05
"""Pace regained, as a share of the configured one, per period in which calls could leave and nothing told of a limit."""


def window_span(rate: Rate) -> float:
    """Seconds for which a call counts, from its latest possible arrival."""
    return rate.period + min(GUARD_MOST, GUARD_SHARE * rate.period)


class Bucket:
    """The calls of one kind (reads or writes) to one cloud."""

    __slots__ = (
        "_ahead", "_answered", "_burst", "_departures", "_echo_before", "_free", "_late", "_learning", "_order", "_paused_at", "_place_at",
        "_place_slack", "_probe", "_quickest", "_recovered_at", "_slack", "_span", "_strange", "_taken", "_tat",
        "_unanswered", "factor", "paused_until", "peak", "rate", "spacing", "throttles",
    )  # fmt: skip

    def __init__(self, rate: Rate, *, pace: float | None = None, recent: tuple[float, ...] = ()) -> None:
        """`pace`: learned calls a second of an earlier run; `recent`: arrivals before now that still count."""
        self.rate = rate
        self.factor: float
        """The present pace as a share of the configured one."""
        self.spacing: float
        """Seconds between calls at the present pace."""
        self.paused_until = -math.inf
        self._probe: int | None = None
        """Slot of the one call that goes alone after a pause, until its answer shows that the throttle is over."""
        self.throttles = 0
        self.peak = 0
        """Most departures seen in any one period."""
        self._span = window_span(rate)
        """How long a call occupies its place after it arrived at the latest."""
        self._late = max(LATE_LEAST, LATE_SHARE * rate.period)
        self._taken = 0
        """Calls ever reserved: the slot of the next one."""
        self._free = rate.count
        """Places that no call has occupied yet."""
        self._unanswered: dict[int, float] = {}
        """Until when each call that left and has no answer occupies its place, by slot."""
        self._order: deque[int] = deque()
        """Their slots as they left, so the first one's place is free first. Some behind it may be answered by now."""
        self._answered: list[float] = []
        """Until when the others occupy theirs, as a heap."""
        self._place_at = -math.inf
        """When the next place is free; infinity while that depends on a call that has yet to leave."""
        self._quickest = math.inf
        """Seconds of the quickest answer, fading."""
        self._strange = max(ACQUAINTED, rate.count)
        """Answers until the quickest one is believed."""
        self._tat = -math.inf
        self._burst = max(1, math.ceil(rate.count * BURST_SHARE)) if rate.period <= SMOOTHED_BELOW else rate.count
        self._ahead: float
        """Seconds by which a call may leave sooner than the spacing says."""
        self._slack: float
        """Seconds by which a call that waits for its spacing may be late without any loss of pace, so that others join it."""
        self._place_slack: float
        """The same for one that waits for a place in the window, which does cost a little."""
        self._departures: deque[float] = deque()
        self._recovered_at = -math.inf
        """When the pace was last set or raised, pauses since then left out."""
        self._paused_at = -math.inf
        """Since when time does not count towards the recovery."""
        self._echo_before = -math.inf
        """A throttled call that left before this says nothing new: it was refused for the same reason as another already."""
        self._learning = LimitLearning()
        self._go_at(1.0 if pace is None else pace / rate.per_second)
        for at in sorted(recent)[-rate.count :]:
            self.depart(self.take(at), at)

    @property
    def pace(self) -> float:
        """Calls a second at present."""
        return self.rate.per_second * self.factor

    @property
    def waits_for_departure(self) -> bool:
        """Whether it depends on a call that has yet to leave when the next one may."""
        return self._place_at == math.inf

    def earliest(self, now: float) -> float:
        """When the next call may leave: `now` or later; infinity while that depends on a call that has yet to leave."""
        if self._probe is not None:
            return math.inf
        return max(now, self._place_at, self._tat - self._ahead, self.paused_until)

    def due(self, now: float) -> float:
        """When to come for the next call, so that nothing of the pace is lost and some leave together: `earliest` or later."""
        return max(self.earliest(now), self._place_at + self._place_slack, self._tat - self._ahead + self._slack)

    def paused(self, now: float) -> bool:
        """Whether nothing may leave now, not even what was reserved before."""
        return now < self.paused_until

    def take(self, now: float) -> int:
        """Reserve the next call; only when `earliest(now) <= now`. Returns the slot to give to `depart`."""
        slot = self._taken
        self._taken = slot + 1
        if self._free:
            self._free -= 1
        else:
            self._forget_first()
        if not self._free:
            self._place_at = self._first_place()
        self._tat = max(now, self._tat) + self.spacing
        if now >= self.paused_until > -math.inf:
            self._probe = slot
        return slot

    def depart(self, slot: int, now: float) -> int:
        """Note that the reserved call leaves now. Returns the how-manieth it is of those that left within a period."""
        place_at = now + self._late + self._span
        self._unanswered[slot] = place_at
        self._order.append(slot)
        if self._place_at == math.inf:
            self._place_at = place_at  # no other call that left occupies its place for longer
        return self._count(now)

    def _count(self, now: float) -> int:
        """Count a departure; returns the how-manieth it is of those within a period."""
        departures = self._departures
        departures.append(now)
        horizon = now - self.rate.period
        while departures[0] <= horizon:
            departures.popleft()
        nth = len(departures)
        self.peak = max(self.peak, nth)
        return nth

    def answered(self, slot: int, departed: float, now: float) -> None:
        """Note that the call was answered: it may have arrived late by as much as its answer was slower than the quickest."""
        took = now - departed
        self._quickest = min(self._quickest * QUICKEST_FADES, took)
        unhurried = 0.0 if self._strange else self._quickest
        self._strange -= bool(self._strange)
        if self._is_unanswered(slot):
            self._settle(slot, departed + min(took - unhurried, self._late))

    def abandon(self, slot: int, now: float) -> None:
        """Give a reserved call up that never left. It still occupies its place: a limit is never widened by a fault."""
        self._settle(slot, now)
        if slot == self._probe:
            self._probe = None

    def pause(self, default: float, departed: float, *, known: bool = False) -> float:
        """Seconds to pause after a refusal of a call that left at `departed` and names none.

        `default`: at first. `known`: it is known to be a limit that refuses.
        """
        if departed < self._echo_before:
            return LEAST_PROBE_PAUSE_SECONDS
        return self._learning.pause(default, self.spacing, known=known)

    def throttled(
        self, now: float, wait: float, departed: float, nth: int, *, named: bool = True, known: bool = False
    ) -> None:
        """Take in a 429 to the call that left at `departed` as the `nth` of its period: pause the whole bucket.

        The pace is lowered if the throttle tells of a limit. Answers to calls that left before the pause ended are echoes of
        the same throttle: they may prolong it, not cut again. `named`: the refusal itself named the time to wait.
        `known`: it is known to tell of a limit.
        """
        self._probe = None
        self.throttles += 1
        if self.paused_until == -math.inf:
            self._paused_at = now
        if departed >= self._echo_before and self._learning.refused(now, nth, named=named, known=known):
            self._go_at(self.factor * CUT)
            self._recovered_at = self._paused_at = now
        self.paused_until = max(self.paused_until, now + wait)
        self._echo_before = self.paused_until

    def passed(self, now: float, departed: float) -> None:
        """Take in any answer but a 429; the pace recovers additively, one step per period outside of pauses."""
        self._learning.admitted(departed)
        if departed >= self.paused_until > -math.inf:
            self._probe = None
            self.paused_until = -math.inf
            self._recovered_at += now - self._paused_at
            self._learn(departed, now)
        if self._recovered_at == -math.inf:
            self._recovered_at = now  # a pace learned by an earlier process is kept for a period first
        if self.factor < 1.0 and self.paused_until == -math.inf and now - self._recovered_at >= self.rate.period:
            self._go_at(self.factor + STEP)
            self._recovered_at = now

    def _learn(self, departed: float, now: float) -> None:
        """Go at the rate that was measured while calls were refused, where that is lower."""
        learned = self._learning.row_over(departed, now, self.pace)
        if learned is not None:
            self._go_at(learned[0] / self.rate.per_second)
            self._recovered_at = now + learned[1] - self.rate.period

    def _go_at(self, factor: float) -> None:
        """Set the pace, within its bounds."""
        self.factor = min(1.0, max(SLOWEST, factor))
        self.spacing = self.rate.period / (self.rate.count * self.factor)
        self._ahead = (self._burst - 1) * self.spacing if self.factor == 1.0 else TOGETHER
        slack = min(self._ahead / 2, (GROUP - 1) * self.spacing, GROUP_WAIT)
        self._slack = slack if slack > TOGETHER else 0.0
        self._place_slack = min(self._slack, PLACE_WAIT * self.rate.period)

    def _is_unanswered(self, slot: int) -> bool:
        """Whether a call that departed counts as unanswered; it no longer does."""
        return self._unanswered.pop(slot, None) is not None

    def _settle(self, slot: int, arrived: float) -> None:  # noqa: ARG002 - for limits that are shared
        """Note when a call arrived at the latest, or would have."""
        heapq.heappush(self._answered, arrived + self._span)
        first = self._first_place()
        if not self._free:
            self._place_at = first

    def _first_place(self) -> float:
        """When the call that arrived before all others leaves the window; infinity while all have yet to leave."""
        order, unanswered = self._order, self._unanswered
        while order and order[0] not in unanswered:
            order.popleft()
        first = unanswered[order[0]] if order else math.inf
        answered = self._answered
        return answered[0] if answered and answered[0] < first else first

    def _forget_first(self) -> None:
        """Forget that call: the next one takes its place."""
        if self._answered and self._answered[0] == self._place_at:
            heapq.heappop(self._answered)
        else:
            del self._unanswered[self._order.popleft()]
