"""The rate to use when a cloud throttles: pauses, multiplicative decrease, additive increase. Time is an argument.

A 429 pauses all calls of its limiter. When it shows that the limit is lower than configured, the rate is lowered too; it is
raised by a step per period in which calls were admitted (AIMD). Responses to calls sent before a pause ended are echoes of
the same throttle: they may prolong the pause but lower nothing again.
"""

import math

from batch_deployer.rules.limit_learning import LEAST_PROBE_PAUSE_SECONDS, LimitLearning
from batch_deployer.settings import Rate

MIN_RATE_SHARE = 0.05
DECREASE_FACTOR = 0.9
"""A throttle that shows a limit lowers the rate to this share of what it was, not below MIN_RATE_SHARE of the configured
one."""
INCREASE_SHARE = 0.05
"""Share of the configured rate that is regained per period in which calls were admitted."""


class RatePolicy:
    """Pause and rate share of one limiter."""

    __slots__ = (
        "_ignored_before", "_learning", "_paused_at", "_rate", "_recovered_at", "paused_until", "share", "throttles",
    )  # fmt: skip

    def __init__(self, rate: Rate, share: float = 1.0) -> None:
        """`share`: rate that an earlier run learned, as a share of the configured one."""
        self.share = _bounded(share)
        """Present rate as a share of the configured one."""
        self.paused_until = -math.inf
        """End of the present pause; minus infinity once a call sent after it was admitted."""
        self.throttles = 0
        """429 responses so far."""
        self._rate = rate
        self._learning = LimitLearning()
        self._recovered_at = -math.inf
        """When the share was last set or raised, with pauses since then left out."""
        self._paused_at = -math.inf
        """Since when time does not count towards the recovery."""
        self._ignored_before = -math.inf
        """Throttled calls sent before this time are echoes: that throttle has been handled."""

    def pause_seconds(self, default: float, departed: float, *, known: bool = False) -> float:
        """Return the seconds to pause after a throttled call that departed at `departed` and whose response names none.

        `default`: the first pause. `known`: a limit is known to be the cause.
        """
        if departed < self._ignored_before:
            return LEAST_PROBE_PAUSE_SECONDS
        interval = self._rate.period / (self._rate.count * self.share)
        return self._learning.pause(default, interval, known=known)

    def throttled(self, now: float, wait: float, departed: float, position: int, *, named: bool, known: bool) -> None:
        """Pause after a 429 to the call that departed at `departed` as the `position`-th of its period.

        `named`: the response named the time to wait. `known`: a limit is known to be the cause.
        """
        self.throttles += 1
        if self.paused_until == -math.inf:
            self._paused_at = now
        if departed >= self._ignored_before and self._learning.refused(now, position, named=named, known=known):
            self.share = _bounded(self.share * DECREASE_FACTOR)
            self._recovered_at = self._paused_at = now
        self.paused_until = max(self.paused_until, now + wait)
        self._ignored_before = self.paused_until

    def admitted(self, now: float, departed: float) -> bool:
        """Raise the rate by what an admitted call allows. Returns whether it ended a pause."""
        self._learning.admitted(departed)
        ended = departed >= self.paused_until > -math.inf
        if ended:
            self.paused_until = -math.inf
            self._recovered_at += now - self._paused_at
            self._use_measured_rate(departed, now)
        if self._recovered_at == -math.inf:
            self._recovered_at = now  # a rate learned by an earlier process is kept for a period first
        if self.share < 1.0 and self.paused_until == -math.inf and now - self._recovered_at >= self._rate.period:
            self.share = _bounded(self.share + INCREASE_SHARE)
            self._recovered_at = now
        return ended

    def adopt_rate(self, per_second: float, now: float) -> None:
        """Use the rate that another run has learned; infinity for the configured one."""
        self.share = _bounded(min(1.0, per_second / self._rate.per_second))
        self._recovered_at = self._paused_at = now

    def adopt_pause(self, until: float, now: float) -> bool:
        """Pause as another run does. Returns whether that is longer than the present pause."""
        if until <= max(now, self.paused_until):
            return False
        if self.paused_until == -math.inf:
            self._paused_at = now
        self.paused_until = self._ignored_before = until
        return True

    def _use_measured_rate(self, departed: float, now: float) -> None:
        """Use the rate that was measured while calls were refused, where that is lower."""
        measured = self._learning.row_over(departed, now, self._rate.per_second * self.share)
        if measured is not None:
            self.share = _bounded(measured[0] / self._rate.per_second)
            self._recovered_at = now + measured[1] - self._rate.period


def _bounded(share: float) -> float:
    return min(1.0, max(MIN_RATE_SHARE, share))
