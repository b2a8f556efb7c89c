"""The rate limiter of one kind of call (reads or writes) to one cloud. Time is an argument; nothing here waits.

Two rules hold at once. The moving window is exact: a call leaves only when fewer than `count` others may have arrived
within the last period. Spacing (GCRA) smooths: after a throttle, and for limits per second, calls are spread out instead of
leaving in bursts. A policy pauses both and lowers the rate when the cloud throttles. docs/architecture.md has an example.
"""

import math

from batch_deployer.rules.moving_window import MovingWindow
from batch_deployer.rules.rate_policy import RatePolicy
from batch_deployer.rules.spacing import Spacing
from batch_deployer.settings import Rate


class RateLimiter:
    """A limit of `rate.count` calls per `rate.period`, at a share of that rate while the cloud throttles."""

    __slots__ = ("_policy", "_probe", "_spacing", "_window", "rate")

    def __init__(self, rate: Rate, *, learned_rate: float | None = None, recent: tuple[float, ...] = ()) -> None:
        """`learned_rate`: calls per second learned by an earlier run; `recent`: arrivals before now that still count."""
        self.rate = rate
        """The configured limit."""
        self._window = MovingWindow(rate)
        self._policy = RatePolicy(rate, 1.0 if learned_rate is None else learned_rate / rate.per_second)
        self._spacing = Spacing(rate, self._policy.share)
        self._probe: int | None = None
        """Slot of the only call that may leave after a pause, until its response shows that the throttle is over."""
        for at in sorted(recent)[-rate.count :]:
            self.depart(self.take(at), at)

    @property
    def factor(self) -> float:
        """Present rate as a share of the configured one."""
        return self._policy.share

    @property
    def current_rate(self) -> float:
        """Present rate in calls per second."""
        return self.rate.per_second * self._policy.share

    @property
    def spacing(self) -> float:
        """Seconds between two calls at the present rate."""
        return self._spacing.interval

    @property
    def paused_until(self) -> float:
        """End of the present pause; minus infinity outside of one."""
        return self._policy.paused_until

    @property
    def throttles(self) -> int:
        """429 responses so far."""
        return self._policy.throttles

    @property
    def peak(self) -> int:
        """Most departures within any one period."""
        return self._window.peak

    @property
    def waits_for_departure(self) -> bool:
        """Whether the next call depends on one that has yet to depart."""
        return self._window.free_at == math.inf

    def earliest(self, now: float) -> float:
        """Return when the next call may leave: `now` or later; infinity while that depends on a call yet to depart."""
        if self._probe is not None:
            return math.inf
        return max(now, self._window.free_at, self._spacing.ready_at, self._policy.paused_until)

    def due(self, now: float) -> float:
        """Return when to ask for the next call, so that some leave together at no loss of rate: `earliest` or later."""
        window, spacing = self._window, self._spacing
        return max(self.earliest(now), window.free_at + spacing.slot_slack, spacing.ready_at + spacing.slack)

    def paused(self, now: float) -> bool:
        """Return whether nothing may leave now, not even what was reserved before."""
        return now < self._policy.paused_until

    def may_depart(self, now: float) -> bool:  # noqa: ARG002 - for limits that are shared
        """Return whether a reserved call still owns its slot."""
        return True

    def take(self, now: float) -> int:
        """Reserve the next call; only when `earliest(now) <= now`. Returns the slot for `depart` or `abandon`."""
        slot = self._window.take()
        self._spacing.take(now)
        self._probe_with(slot, now)
        return slot

    def depart(self, slot: int, now: float) -> int:
        """Note that the reserved call departs now. Returns its position among the departures of the last period, from 1."""
        return self._window.depart(slot, now)

    def answered(self, slot: int, departed: float, now: float) -> None:
        """Note a response: its call arrived late at most by what the response took longer than the fastest one."""
        arrived = self._window.learn_arrival(departed, now)
        if self._is_unanswered(slot):
            self._record_arrival(slot, arrived)

    def abandon(self, slot: int, now: float) -> None:
        """Give up a reserved call that did not depart. It occupies its slot all the same: a fault never widens a limit."""
        self._record_arrival(slot, now)
        if slot == self._probe:
            self._probe = None

    def pause(self, default: float, departed: float, *, known: bool = False) -> float:
        """Return the seconds to pause after a throttled call whose response names none; see `RatePolicy.pause_seconds`."""
        return self._policy.pause_seconds(default, departed, known=known)

    def throttled(
        self, now: float, wait: float, departed: float, nth: int, *, named: bool = True, known: bool = False
    ) -> None:
        """Pause all calls after a 429, and lower the rate if it shows a limit; see `RatePolicy.throttled`."""
        self._probe = None
        self._policy.throttled(now, wait, departed, nth, named=named, known=known)
        self._follow_policy()

    def admitted(self, now: float, departed: float) -> None:
        """Note any response but a 429; the rate recovers additively, one step per period outside of pauses."""
        if self._policy.admitted(now, departed):
            self._probe = None
        self._follow_policy()

    def _follow_policy(self) -> None:
        if self._policy.share != self._spacing.share:
            self._spacing.set_share(self._policy.share)

    def _probe_with(self, slot: int, now: float) -> None:
        """Let no other call leave before the response to the first one after a pause."""
        if now >= self._policy.paused_until > -math.inf:
            self._probe = slot

    def _is_unanswered(self, slot: int) -> bool:
        """Stop counting a call as unanswered. Returns whether it did count as such."""
        return self._window.forget_departure(slot)

    def _record_arrival(self, slot: int, arrived: float) -> None:  # noqa: ARG002 - for limits that are shared
        """Note when a call arrived at the latest, or would have."""
        self._window.release(arrived)
