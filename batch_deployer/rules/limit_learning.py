"""What refusals tell about a limit that is lower than the configured one: whether there is one, and how high it is."""

import math
from collections import deque

REMEMBERED = 8
"""Refusals that are compared to find out whether they tell of a limit; see `LimitLearning.indicates_lower_limit`."""
APART = 0.3
"""Counts lie far apart when the lowest is below this share of the highest: more than a limit would move of which another
tenant uses now 20% and now 70%."""
NEARLY = 0.95
"""A count is near the highest from this share of it."""
LEAST_PROBE_PAUSE_SECONDS = 1.0
HOLD_SHARE = 10.0
"""A measured rate is held for this many times as long as the refusals lasted, so that trying a higher one costs a tenth."""


class LimitLearning:
    """Refusals and admitted calls of one rate limiter. Refusals of one cause in a row (the echoes) count once."""

    __slots__ = ("_admitted", "_cycle_at", "_refused_as", "_row", "_row_at", "_told", "_unnamed")

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._refused_as: deque[int] = deque(maxlen=REMEMBERED)
        """The how-manieth of its period each of the last refused calls was; the first of each row."""
        self._unnamed = 0
        """Refusals that named no time to wait."""
        self._row = 0
        """Refusals without an admitted call in between."""
        self._told = False
        """Whether the last row told of a limit."""
        self._row_at = 0.0
        """When the first of them came."""
        self._admitted = 0
        """Calls admitted since the last row of refusals ended."""
        self._cycle_at: float | None = None
        """When that was, or when the first call was sent."""

    def pause(self, default: float, spacing: float, *, known: bool = False) -> float:
        """Seconds to pause after a refusal that names none: `default` at first, then short pauses that double in a row.

        `spacing`: seconds between calls at the present rate. `known`: it is known to be a limit that refuses.
        """
        if not self._unnamed and not known:
            return default
        return min(default, max(LEAST_PROBE_PAUSE_SECONDS, spacing) * 2.0**self._row)

    def refused(self, now: float, nth: int, *, named: bool, known: bool) -> bool:
        """Note a refusal of the `nth` call of a period; returns whether the rate is to be lowered by a step."""
        self._unnamed += not named
        self._row += 1
        if self._row > 1 and not named:
            return False  # a probe that came too early tells nothing about the rate
        self._refused_as.append(nth)
        told = known or self.indicates_lower_limit(nth)
        if self._row == 1:
            self._row_at = now
            self._told = told
        return told

    def indicates_lower_limit(self, nth: int) -> bool:
        """Whether a refusal tells of a limit, so that a lower rate would have avoided it.

        A limit refuses near one count of calls a period, again and again, or, while others share it, near counts of one
        order. Refusals by chance come at any count. So once recent counts lie far apart, a refusal tells of a limit only
        if it came near the highest of them and is not the only one there; any other cannot be explained by a limit.
        """
        counts = self._refused_as
        most = max(counts)
        if min(counts) >= APART * most:
            return True
        return nth >= NEARLY * most and sum(count >= NEARLY * most for count in counts) > 1

    def admitted(self, departed: float) -> None:
        """Note a call that was not refused."""
        if self._cycle_at is None:
            self._cycle_at = departed
        self._admitted += 1

    def row_over(self, departed: float, now: float, rate: float) -> tuple[float, float] | None:
        """Note that a call passed which left at `departed`, after the pause; returns what was learned, if anything.

        That is the calls a second to go on with, and for how many seconds to hold that rate. `rate`: the present one.
        The first refusal may have come by chance. A pause that is named may be longer than the limit needs, and is no measure.
        """
        began, calls, row, lasted = self._cycle_at, self._admitted, self._row, now - self._row_at
        self._cycle_at, self._admitted, self._row = departed, 0, 0
        if began is None or not calls or not row or self._unnamed < 2 or not self._told or departed <= began:
            return None
        measured = calls / (departed - began)
        if measured >= rate:
            return None
        # The present rate is too high, and the measured one is too low: it counts pauses and idle time.
        return math.sqrt(measured * rate), HOLD_SHARE * lasted
