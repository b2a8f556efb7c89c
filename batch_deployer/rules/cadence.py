"""When to look next. Looks are spaced by what was learned of how long installs take, within a shared read budget."""

import math
from bisect import insort
from collections.abc import Iterable
from enum import Enum

from batch_deployer.settings import WatchSettings

ENOUGH = 5
"""Fewer finished installs than this teach nothing."""
KEPT = 200


class Urgency(Enum):
    """Who waits for an end to be noticed. The value is the gap between looks, as a share of the time already waited."""

    NOBODY = math.inf
    """A late notice costs the run nothing: the gap is that of the settings."""
    NEXT = 0.05
    """The next deployment of a full cluster or cloud."""
    GATE = 0.02
    """The end of the wave or run: what is noticed late, the run takes longer."""


class Durations:
    """Seconds that past installs of one chart took."""

    __slots__ = ("_newest", "_sorted")

    def __init__(self, known: Iterable[float] = ()) -> None:
        """Take the most recent figures of earlier runs, oldest first."""
        self._newest = list(known)[-KEPT:]
        self._sorted = sorted(self._newest)

    def __len__(self) -> int:
        """How many are known."""
        return len(self._sorted)

    def add(self, seconds: float) -> None:
        """Take in one more, forgetting the oldest beyond KEPT."""
        if len(self._newest) >= KEPT:
            self._sorted.remove(self._newest.pop(0))
        self._newest.append(seconds)
        insort(self._sorted, seconds)

    def quantile(self, share: float) -> float:
        """Seconds within which `share` of the installs ended."""
        return self._sorted[min(len(self._sorted) - 1, int(share * len(self._sorted)))]


def next_gap(
    elapsed: float,
    learned: Durations | None,
    settings: WatchSettings,
    *,
    busy: float = 0.0,
    urgency: Urgency = Urgency.NOBODY,
) -> float:
    """Seconds until the next look at a deployment that has been under way for `elapsed` seconds.

    Gaps grow in proportion to the time already waited, so that the delay of noticing stays a fixed share of the install
    time with few looks. Learned, the first look comes when the quickest twentieth has ended. `busy` is the
    shortest gap that the read budget affords all who wait.
    """
    gap = min(settings.growth, urgency.value) * elapsed
    if learned is not None and len(learned) >= ENOUGH:
        early = learned.quantile(0.05)
        gap = early - elapsed if elapsed < early else min(gap, 0.1 * max(learned.quantile(0.5), elapsed))
    elif elapsed < settings.first:
        gap = settings.first - elapsed
    return max(min(gap, settings.longest), settings.shortest, busy)


def affordable_gap(clusters: int, reads_per_second: float, settings: WatchSettings) -> float:
    """Shortest gap at which `clusters` can all be looked at within the share of the read budget that looks may use."""
    return clusters / (reads_per_second * settings.read_share) if clusters else 0.0
