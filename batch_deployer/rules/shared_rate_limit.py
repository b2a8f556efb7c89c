"""The limiter of one run that may share its limit with others: on its own while it is alone, else by slots it is granted."""

import math
from collections import deque

from batch_deployer.rules.moving_window import window_span
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.shared_limit import Grant, SlotReply, SlotRequest, Usage
from batch_deployer.settings import Rate

UNUSED_SECONDS = 1.0
"""A slot that could be used for so long and was not is given back."""
GROUP_SECONDS = 0.5
"""Slots are taken in groups of what the limit lets pass in so many seconds, so that a fast limit costs few transactions."""


class SharedRateLimiter(RateLimiter):
    """A rate limiter whose slots may be those of a limit that several runs share. Nothing here waits or asks."""

    __slots__ = ("_arrivals", "_grants", "_news", "_open", "_rate_reported", "_used", "sharing", "usable_until")

    def __init__(self, rate: Rate, *, learned_rate: float | None = None, recent: tuple[float, ...] = ()) -> None:
        """Alone, and usable for ever, until `share` and `usable_until` say otherwise."""
        self.sharing = False
        self.usable_until = math.inf
        """Until when this run counts as taking part; it sends nothing later."""
        self._grants: deque[Grant] = deque()
        self._arrivals: dict[int, float] = {}
        """When each call arrived at the latest, as far as known, by slot, while it counts."""
        self._used: set[int] = set()
        """Slots taken whose call has not departed yet."""
        self._open: set[int] = set()
        """Slots whose call departed and was not answered, since the limit is shared."""
        self._news: set[int] = set()
        """Slots of which the others have yet to be told."""
        super().__init__(rate, learned_rate=learned_rate, recent=recent)
        self._rate_reported = math.inf

    # -- as the engine uses it -----------------------------------------------------------------------------------------

    @property
    def waits_for_departure(self) -> bool:
        """Whether it depends on a call that has yet to leave when the next one may."""
        return not self.sharing and super().waits_for_departure

    def earliest(self, now: float) -> float:
        """When the next call may leave; infinity while no slot is granted."""
        if now >= self.usable_until:
            return math.inf
        if not self.sharing:
            return super().earliest(now)
        if self._probe is not None or not self._grants:
            return math.inf
        return max(now, self._grants[0].at, self.paused_until)

    def due(self, now: float) -> float:
        """When to come for the next call."""
        return self.earliest(now) if self.sharing or now >= self.usable_until else super().due(now)

    def paused(self, now: float) -> bool:
        """Whether nothing may leave now, not even what was reserved before."""
        return now >= self.usable_until or super().paused(now)

    def may_depart(self, now: float) -> bool:
        """Return whether a reserved call still owns its slot: that of a run that was put out is given to others."""
        return now < self.usable_until

    def take(self, now: float) -> int:
        """Reserve the next call."""
        if self.sharing:
            slot = self._grants.popleft().slot
            self._probe_with(slot, now)
        else:
            slot = super().take(now)
        self._used.add(slot)
        return slot

    def depart(self, slot: int, now: float) -> int:
        """Note that the reserved call leaves now."""
        self._used.discard(slot)
        self._arrived(slot, self._window.latest_arrival(now))
        if not self.sharing:
            return super().depart(slot, now)
        self._open.add(slot)
        return self._window.count_departure(now)

    def _is_unanswered(self, slot: int) -> bool:
        if slot in self._open:
            self._open.discard(slot)
            return True
        return super()._is_unanswered(slot)

    def _record_arrival(self, slot: int, arrived: float) -> None:
        self._used.discard(slot)
        self._arrived(slot, arrived)
        if not self.sharing:
            super()._record_arrival(slot, arrived)

    def _arrived(self, slot: int, at: float) -> None:
        self._arrivals[slot] = at
        self._news.add(slot)

    # -- as the sharing uses it ----------------------------------------------------------------------------------------

    def share(self) -> None:
        """Use granted slots from now on; all calls that count are told with the next request."""
        if not self.sharing:
            self.sharing = True
            self._arrivals.update(dict.fromkeys(self._used, math.inf))
            self._news.update(self._arrivals)

    def leave_grants(self) -> None:
        """Forget what was granted: this run has counted as gone meanwhile, so that others may use it."""
        self._grants.clear()

    def has_news(self) -> bool:
        """Whether the others have yet to be told of calls, or of a learned rate."""
        return bool(self._news) or self._shared_rate() != self._rate_reported

    def request(self, now: float, demand: int, runs: int) -> SlotRequest:
        """What to ask and tell. `demand`: calls that could leave if there was no limit; `runs`: that take part."""
        used = [Usage(slot, self._arrivals[slot]) for slot in sorted(self._news)]
        while self._grants and now - self._grants[0].at >= UNUSED_SECONDS:
            used.append(Usage(self._grants.popleft().slot, None))
        self._news.clear()
        self._forget(now)
        current_rate = self._shared_rate()
        changed = current_rate != self._rate_reported
        self._rate_reported = current_rate
        return SlotRequest(
            rate=self.rate,
            used=used,
            wanted=self.wanted(now, demand, runs),
            first=self._window.next_slot,
            learned_rate=current_rate if changed else None,
            paused_until=self.paused_until,
        )

    def wanted(self, now: float, demand: int, runs: int) -> int:
        """Slots to ask for."""
        if not self.sharing or self._probe is not None or now < self.paused_until:
            return 0
        group = (
            1 if self.paused_until > -math.inf else max(1, math.ceil(self.current_rate * GROUP_SECONDS / max(1, runs)))
        )
        return max(0, min(demand, group) - len(self._grants))

    def unreported(self, request: SlotRequest) -> None:
        """Take a request back that did not arrive."""
        for usage in request.used:
            if usage.arrived is None:
                self._grants.appendleft(Grant(usage.slot, -math.inf))
            elif usage.slot in self._arrivals:
                self._news.add(usage.slot)
        if request.learned_rate is not None:
            self._rate_reported = math.nan

    def take_in(self, reply: SlotReply, now: float) -> None:
        """Take in what the shared limit answers."""
        for each in reply.grants:
            self._grants.append(each)
            self._window.next_slot = max(self._window.next_slot, each.slot + 1)
        for at in reply.arrived[-self.rate.count :]:
            self.depart(self.take(at), at)
        self._adopt(reply, now)

    def _adopt(self, reply: SlotReply, now: float) -> None:
        """Go at the rate that another run has learned, and pause as it does. What was learned meanwhile is told next."""
        if self._shared_rate() == self._rate_reported != reply.learned_rate:
            self._policy.adopt_rate(reply.learned_rate, now)
            self._follow_policy()
            self._rate_reported = self._shared_rate()
        if self._policy.adopt_pause(reply.paused_until, now):
            self._probe = None  # one that is under way left before this pause

    def _shared_rate(self) -> float:
        return math.inf if self.factor == 1.0 else self.current_rate

    def _forget(self, now: float) -> None:
        span = window_span(self.rate)
        for slot in [slot for slot, arrived in self._arrivals.items() if arrived + span <= now]:
            del self._arrivals[slot]
