"""The gateway's limit on one bucket of one cloud: a sliding window in which refused calls count too."""

from collections import deque

from batch_deployer.settings import Rate


class Throttle:
    """Counts arrivals, lets at most `rate.count` through per window, and remembers the most it ever saw."""

    __slots__ = ("_measured", "_window", "peak", "rate", "refused", "window")

    def __init__(self, rate: Rate, *, tolerance: float = 0.0) -> None:
        """`tolerance`: share by which the enforced window is shorter than its name (network jitter)."""
        self.rate = rate
        self.window = rate.period * (1 - tolerance)
        self.peak = 0
        """Most arrivals, refused ones included, in any full period."""
        self.refused = 0
        self._window: deque[float] = deque()
        self._measured: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Whether a call that arrives now may pass. Times must not go back."""
        self._window.append(now)
        self._measured.append(now)
        while self._window[0] <= now - self.window:
            self._window.popleft()
        while self._measured[0] <= now - self.rate.period:
            self._measured.popleft()
        self.peak = max(self.peak, len(self._measured))
        if len(self._window) <= self.rate.count:
            return True
        self.refused += 1
        return False

    def wait(self, now: float) -> float:
        """Seconds after which one more call would pass if none arrived until then."""
        spare = len(self._window) - self.rate.count
        return max(0.0, self._window[spare] + self.window - now) if spare >= 0 else 0.0
