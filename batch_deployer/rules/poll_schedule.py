"""When to look next. Looks are spaced by what was learned of how long installs take, within a shared read budget."""

import math
from bisect import insort
from collections.abc import Iterable
from enum import Enum

from batch_deployer.rules.spacing import GROUP, GROUP_WAIT_SECONDS, TIMER_TOLERANCE_SECONDS
from batch_deployer.settings import PollSettings

MIN_SAMPLES = 5
"""Fewer finished installs than this teach nothing."""
MAX_SAMPLES = 200
LEARNED_GROWTH = 0.15
"""Gap as a share of the time already waited, or of the usual install time if that is longer, once that is learned."""

ALIGNER_WEIGHT = 0.02
"""Weight of the last time between two looks in the usual one."""


class Urgency(Enum):
    """Who waits for an end to be noticed. The value is the gap between looks, as a share of the time already waited."""

    NONE = math.inf
    """A late notice costs the run nothing: the gap is that of the settings, and never shorter than before a first look."""
    NEXT = 0.05
    """The next deployment of a full cluster or cloud."""
    GATE = 0.012
    """The end of the wave or run, while one deployment is under way: what is noticed late, the run takes longer."""


class Durations:
    """Seconds that past installs of one chart took."""

    __slots__ = ("_newest", "_sorted", "early", "usual")

    def __init__(self, known: Iterable[float] = ()) -> None:
        """Take the most recent figures of earlier runs, oldest first."""
        self._newest = list(known)[-MAX_SAMPLES:]
        self._sorted = sorted(self._newest)
        self.early = self.usual = 0.0
        """Within which the quickest twentieth and the quicker half ended; 0 while none is known."""
        self._sum_up()

    def __len__(self) -> int:
        """How many are known."""
        return len(self._sorted)

    def add(self, seconds: float) -> None:
        """Take in one more, forgetting the oldest beyond KEPT."""
        if len(self._newest) >= MAX_SAMPLES:
            self._sorted.remove(self._newest.pop(0))
        self._newest.append(seconds)
        insort(self._sorted, seconds)
        self._sum_up()

    def quantile(self, share: float) -> float:
        """Seconds within which `share` of the installs ended."""
        return self._sorted[min(len(self._sorted) - 1, int(share * len(self._sorted)))]

    def _sum_up(self) -> None:
        """Looks ask far more often than installs end."""
        if self._sorted:
            self.early, self.usual = self.quantile(0.05), self.quantile(0.5)


class PollAligner:
    """Brings looks at many clusters together, so that the process wakes up for a few of them at once.

    They are due at multiples of a time in which about GROUP of them are usual: GROUP_WAIT_SECONDS seconds, or a half, a quarter ...
    of that. Multiples, and not some time after the first, for whoever wakes up for anything else takes along what is due.
    """

    __slots__ = ("_gap", "_last", "_step")

    def __init__(self) -> None:
        """At first looks count as rare."""
        self._gap = GROUP_WAIT_SECONDS
        """Usual seconds between two looks."""
        self._last = 0.0
        self._step = GROUP_WAIT_SECONDS

    def polled(self, now: float) -> None:
        """Note that a look leaves."""
        self._gap += ALIGNER_WEIGHT * (min(GROUP_WAIT_SECONDS, now - self._last) - self._gap)
        self._last = now
        step = GROUP_WAIT_SECONDS
        while step > max(GROUP * self._gap, TIMER_TOLERANCE_SECONDS):
            step /= 2
        self._step = step

    def after(self, at: float) -> float:
        """When a look that is wanted at `at` is due: then or a little later."""
        return math.ceil(at / self._step) * self._step if self._step > TIMER_TOLERANCE_SECONDS else at


def install_time_estimate(under_way_at: float, over_by: float, settings: PollSettings) -> float:
    """Seconds that an install teaches, which was under way after `under_way_at` seconds and over after `over_by`.

    Where looks come late, since reads are scarce or give way to writes, an end is noticed long after it came. Taken for the
    install's time, the delay would put off the looks at others, and so go on. So it teaches no more than a look in time
    would have shown.
    """
    return min(over_by, under_way_at + next_poll_interval(under_way_at, None, settings))


def next_poll_interval(
    elapsed: float,
    learned: Durations | None,
    settings: PollSettings,
    *,
    min_affordable: float = 0.0,
    urgency: Urgency = Urgency.NONE,
    under_way: int = 1,
) -> float:
    """Seconds until the next look at a deployment that has been under way for `elapsed` seconds.

    Gaps grow in proportion to the time already waited, so that the delay of noticing stays a fixed share of the install
    time with few looks. Learned, the first look comes when the quickest twentieth has ended, but no sooner than a gap
    away: it has probably been looked at just now, for others on its cluster. `min_affordable` is the shortest gap that the read
    budget affords all who wait; `under_way`: deployments of which only the last to end opens the gate.
    """
    if learned is not None and len(learned) >= MIN_SAMPLES:
        early = learned.early
        gap = min(LEARNED_GROWTH, settings.growth_factor) * max(learned.usual, elapsed)
    else:
        early, gap = settings.initial_delay, settings.growth_factor * elapsed
    urgent, shortest = _urgent(elapsed, urgency, under_way, settings)
    gap = max(min(gap, urgent), early - elapsed)
    return max(min(gap, settings.max_interval), shortest, min_affordable)


def _urgent(elapsed: float, urgency: Urgency, under_way: int, settings: PollSettings) -> tuple[float, float]:
    """Seconds until the next look is worth its call to whoever waits (infinity: nobody does), and the least there may be.

    A late notice of one of n delays the gate with a chance of about 1 in n, and a look costs the same whatever n is: what
    is lost by delays and what is spent on looks balance where the gap grows with the root of n. The shortest gap grows
    with it, later, so that the very last ends are noticed at once.
    """
    leisurely = max(settings.min_interval, settings.initial_delay)
    if urgency is Urgency.NONE:
        return math.inf, leisurely
    share: float = urgency.value
    stretch = math.sqrt(under_way) if urgency is Urgency.GATE else 1.0
    return share * elapsed * stretch, min(settings.min_interval * max(1.0, stretch / 2), leisurely)


def min_affordable_interval(clusters: int, reads_per_second: float, settings: PollSettings) -> float:
    """Shortest gap at which `clusters` can all be looked at within the share of the read budget that looks may use."""
    return clusters / (reads_per_second * settings.read_share) if clusters else 0.0
