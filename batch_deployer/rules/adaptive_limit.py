"""How many calls may be under way at once, learned from latency: halfway between patience and pressure.

When recent latency rises well above what the cloud showed when unhurried, the limit shrinks; otherwise it grows by one
per limit's worth of answers. The configured number of connections is a hard cap.
"""

SMOOTH = 0.1
DRIFT = 0.002
"""The baseline creeps up this fast towards recent latency, so that a lasting change is accepted in the end."""
TOLERANCE = 2.0
SHRINK = 0.9
LEAST = 2.0
NOISE = 0.05
"""Seconds of latency above the baseline that never count as pressure."""


class AdaptiveLimit:
    """The adaptive limit of one cloud."""

    __slots__ = ("_baseline", "_cap", "_cooldown", "_recent", "limit")

    def __init__(self, cap: int) -> None:
        """Start at half the cap, at most 16, so that the first answers teach before the crowd comes."""
        self._cap = float(cap)
        self.limit = min(self._cap, max(LEAST, min(16.0, cap / 2)))
        self._baseline = 0.0
        self._recent = 0.0
        self._cooldown = 0

    def answered(self, latency: float) -> None:
        """Take in the latency of one answered call, in seconds."""
        if self._baseline == 0.0:
            self._baseline = self._recent = latency
        self._recent += SMOOTH * (latency - self._recent)
        if self._recent < self._baseline:
            self._baseline = self._recent
        else:
            self._baseline += DRIFT * (self._recent - self._baseline)
        self._cooldown -= 1
        if self._recent > TOLERANCE * self._baseline + NOISE:
            if self._cooldown <= 0:
                self._shrink()
        else:
            self.limit = min(self._cap, self.limit + 1.0 / self.limit)

    def timed_out(self) -> None:
        """Take in a call that was given up."""
        self._cooldown -= 1
        if self._cooldown <= 0:
            self._shrink()

    def _shrink(self) -> None:
        """Lower the limit, once per limit's worth of calls: those under way left before it was lowered."""
        self.limit = max(min(LEAST, self._cap), self.limit * SHRINK)
        self._cooldown = int(self.limit)
