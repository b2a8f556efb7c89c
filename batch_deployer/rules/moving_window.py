"""A moving window over arrival times: the exact half of a rate limit. Time is an argument; nothing here waits.

A limit of `count` calls per `period` is the server's, and the server counts a call when it arrives. Only its departure and
its response are known here, so a call occupies one of `count` slots from its reservation until a period after its latest
possible arrival. Which calls those are does not matter: one late response holds up no more than its own slot.
"""

import heapq
import math
from collections import deque

from batch_deployer.settings import Rate

GUARD_SHARE = 0.001
MAX_GUARD_SECONDS = 0.5
"""The window is longer than the period by a thousandth, at most 0.5 s. A clock that is being adjusted runs wrong by up to
500 millionths, and the clocks of client and server may be wrong in opposite directions."""
MAX_LATENESS_SHARE = 0.1
MIN_MAX_LATENESS_SECONDS = 0.25
"""A call whose response took longer than the fastest may have arrived later by the difference, and counts as if it had; up
to this share of the period or so many seconds, whichever is more: a slow backend is not a slow network, but a gateway on a
busy machine is easily delayed for a moment. While there is no response the call counts as late by all of that."""
FASTEST_DECAY = 1.0001
"""The fastest response time grows by this factor a response, so that a route that became longer is learned."""
MIN_RESPONSES = 10
"""Responses needed (or those of a whole period, if more) before the fastest one is trusted: the first pay for connection
setup. Until then a call may have arrived as late as its response."""


def window_span(rate: Rate) -> float:
    """Return the seconds for which a call counts, from its latest possible arrival."""
    return rate.period + min(MAX_GUARD_SECONDS, GUARD_SHARE * rate.period)


class MovingWindow:
    """The slots of one limit: `rate.count` calls may count at a time."""

    __slots__ = (
        "_answered", "_departures", "_fastest", "_free", "_max_lateness", "_order", "_period", "_responses_needed", "_span",
        "_unanswered", "free_at", "next_slot", "peak",
    )  # fmt: skip

    def __init__(self, rate: Rate) -> None:
        """All slots are free."""
        self.free_at = -math.inf
        """When the next slot is free; infinity while that depends on a call that has yet to depart."""
        self.peak = 0
        """Most departures within any one period."""
        self.next_slot = 0
        """Number of the next reservation."""
        self._period = rate.period
        self._span = window_span(rate)
        self._max_lateness = max(MIN_MAX_LATENESS_SECONDS, MAX_LATENESS_SHARE * rate.period)
        self._free = rate.count
        """Slots that no call has occupied yet."""
        self._unanswered: dict[int, float] = {}
        """Until when each call that departed and has no response occupies its slot, by reservation."""
        self._order: deque[int] = deque()
        """Their reservations as they departed, so that the first one's slot is free first. Some may be answered by now."""
        self._answered: list[float] = []
        """Until when all other calls occupy their slots, as a heap."""
        self._departures: deque[float] = deque()
        """Departures within the last period."""
        self._fastest = math.inf
        """Fastest response time in seconds, decaying."""
        self._responses_needed = max(MIN_RESPONSES, rate.count)
        """Responses needed before the fastest one is trusted."""

    def take(self) -> int:
        """Reserve a slot; only when `free_at` has passed. Returns the reservation for `depart` or `release`."""
        reservation = self.next_slot
        self.next_slot = reservation + 1
        if self._free:
            self._free -= 1
        else:
            self._reuse_slot()
        if not self._free:
            self.free_at = self._first_free_at()
        return reservation

    def depart(self, reservation: int, now: float) -> int:
        """Note that the reserved call departs now. Returns its position among the departures of the last period, from 1."""
        free_at = self.latest_arrival(now) + self._span
        self._unanswered[reservation] = free_at
        self._order.append(reservation)
        if self.free_at == math.inf:
            self.free_at = free_at  # no other call that departed occupies its slot for longer
        return self.count_departure(now)

    def count_departure(self, now: float) -> int:
        """Count a departure. Returns its position among those of the last period, from 1."""
        departures = self._departures
        departures.append(now)
        horizon = now - self._period
        while departures[0] <= horizon:
            departures.popleft()
        position = len(departures)
        self.peak = max(self.peak, position)
        return position

    def latest_arrival(self, departed: float) -> float:
        """Return when a call that has no response arrives at the latest."""
        return departed + self._max_lateness

    def learn_arrival(self, departed: float, now: float) -> float:
        """Take the response time of a call into account. Returns when the call arrived at the latest."""
        took = now - departed
        self._fastest = min(self._fastest * FASTEST_DECAY, took)
        trusted = 0.0 if self._responses_needed else self._fastest
        self._responses_needed -= bool(self._responses_needed)
        return departed + min(took - trusted, self._max_lateness)

    def forget_departure(self, reservation: int) -> bool:
        """Stop counting a call as unanswered. Returns whether it did count as such."""
        return self._unanswered.pop(reservation, None) is not None

    def release(self, arrived: float) -> None:
        """Free a slot one period after the call arrived at the latest, or would have if it never departed."""
        heapq.heappush(self._answered, arrived + self._span)
        first = self._first_free_at()
        if not self._free:
            self.free_at = first

    def _first_free_at(self) -> float:
        """Return when the first slot becomes free; infinity while all calls have yet to depart."""
        order, unanswered = self._order, self._unanswered
        while order and order[0] not in unanswered:
            order.popleft()
        first = unanswered[order[0]] if order else math.inf
        answered = self._answered
        return answered[0] if answered and answered[0] < first else first

    def _reuse_slot(self) -> None:
        """Give the slot that is free first to the next call."""
        if self._answered and self._answered[0] == self.free_at:
            heapq.heappop(self._answered)
        else:
            del self._unanswered[self._order.popleft()]
