"""When to try again: full jitter, a cap, a budget per cloud, a breaker per cluster. Chance is an argument (`draw` in [0, 1))."""

from batch_deployer.settings import RetrySettings


def backoff(attempt: int, draw: float, settings: RetrySettings) -> float:
    """Seconds before try `attempt + 1`: uniform in [0, base * 2^attempt], capped. `attempt` counts failures, from 1."""
    ceiling = min(settings.cap, settings.base * 2.0 ** min(attempt, 30))
    return ceiling * draw


def jittered(mean: float, draw: float) -> float:
    """Seconds near `mean`, spread by half of it either way, so that many waiters do not come back together."""
    return mean * (0.5 + draw)


class RetryBudget:
    """Retries that a cloud may be asked for, earned by successes, so that an outage is not amplified."""

    __slots__ = ("_most", "_ratio", "tokens")

    def __init__(self, settings: RetrySettings) -> None:
        """Start full."""
        self._most = settings.budget
        self._ratio = settings.budget_ratio
        self.tokens = settings.budget

    def earn(self) -> None:
        """Count a success."""
        self.tokens = min(self._most, self.tokens + self._ratio)

    def spend(self) -> bool:
        """Take one retry; False when there is none, and then the retry must wait for the cap instead of its backoff."""
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


BREAKER_TRIPS = 3
"""Faults in a row before a cluster is left alone for a while."""


class Breaker:
    """One cluster's health. After a few faults in a row it is probed by one call at a time, with growing gaps."""

    __slots__ = ("failing_since", "failures", "open_until")

    def __init__(self) -> None:
        """Start closed."""
        self.failures = 0
        self.failing_since: float | None = None
        self.open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the cluster is treated as ill."""
        return self.failures >= BREAKER_TRIPS

    def record_success(self) -> None:
        """Take in any answer that the cluster's own service gave."""
        self.failures = 0
        self.failing_since = None
        self.open_until = 0.0

    def record_failure(self, now: float, draw: float, settings: RetrySettings, *, within_budget: bool = True) -> float:
        """Take in a fault; returns when to try next."""
        self.failures += 1
        if self.failing_since is None:
            self.failing_since = now
        wait = backoff(self.failures, draw, settings) if within_budget else settings.cap * (0.5 + 0.5 * draw)
        if self.is_open:
            wait = max(wait, min(settings.cap, settings.base * 2.0 ** min(self.failures, 30)) / 2)
        self.open_until = now + wait
        return self.open_until

    def exhausted(self, now: float, settings: RetrySettings) -> bool:
        """Whether it has failed for so long, without a pause, that it counts as unreachable."""
        return self.failing_since is not None and now - self.failing_since >= settings.give_up_after
