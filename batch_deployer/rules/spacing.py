"""Even spacing of calls by the generic cell rate algorithm (GCRA, ITU-T I.371). Time is an argument; nothing here waits.

A limiter of this kind holds one number, the theoretical arrival time (TAT) of the next call. Each call moves it on by the
interval between two calls; a call may leave before it by a tolerance, which is what allows bursts.
"""

import math

from batch_deployer.settings import Rate

SMOOTHED_PERIOD_SECONDS = 5.0
"""Limits of periods up to this length are smoothed. A limit per minute may be used as a burst, so that a small run ends at
once."""
BURST_SHARE = 0.1
"""Share of the calls of a smoothed limit that may leave together, to make up for what a late call lost."""
TIMER_TOLERANCE_SECONDS = 0.002
"""At a lowered rate, calls due within this time may leave together: timers are no more exact, and what they lose would lower
the rate further."""
GROUP = 8
GROUP_WAIT_SECONDS = 0.05
"""Calls that wait for a slot are handled in groups of up to this many, delayed by at most this time: waking up for each of
them, and committing each intent alone, costs more than the calls. At most half of the burst tolerance is used for it; the
rest still makes up for what was lost. Faster limits need no groups: timers are no more exact than TIMER_TOLERANCE_SECONDS."""
SLOT_WAIT_SHARE = 0.003
"""The same for slots of the moving window, as a share of the period: calls that departed together free theirs nearly
together."""


def burst_of(rate: Rate) -> int:
    """Return how many calls may leave together at the configured rate."""
    return max(1, math.ceil(rate.count * BURST_SHARE)) if rate.period <= SMOOTHED_PERIOD_SECONDS else rate.count


class Spacing:
    """Intervals between the calls of one limit, at a share of its configured rate."""

    __slots__ = ("_burst", "_rate", "_tat", "_tolerance", "interval", "share", "slack", "slot_slack")

    def __init__(self, rate: Rate, share: float = 1.0) -> None:
        """`share`: present rate as a share of the configured one, above 0."""
        self._rate = rate
        self._burst = burst_of(rate)
        self._tat = -math.inf
        self.share: float
        self.interval: float
        """Seconds between two calls."""
        self._tolerance: float
        """Seconds by which a call may leave before its theoretical time."""
        self.slack: float
        """Seconds by which a call may be late without a loss of rate, so that others join it."""
        self.slot_slack: float
        """The same for a call that waits for a slot of the window, which does cost a little."""
        self.set_share(share)

    @property
    def ready_at(self) -> float:
        """When the next call may leave."""
        return self._tat - self._tolerance

    def take(self, now: float) -> None:
        """Count a call that leaves at `now` or later."""
        self._tat = max(now, self._tat) + self.interval

    def set_share(self, share: float) -> None:
        """Change the rate. At less than the configured one calls do not leave in bursts."""
        self.share = share
        self.interval = self._rate.period / (self._rate.count * share)
        self._tolerance = (self._burst - 1) * self.interval if share == 1.0 else TIMER_TOLERANCE_SECONDS
        slack = min(self._tolerance / 2, (GROUP - 1) * self.interval, GROUP_WAIT_SECONDS)
        self.slack = slack if slack > TIMER_TOLERANCE_SECONDS else 0.0
        self.slot_slack = min(self.slack, SLOT_WAIT_SHARE * self._rate.period)
