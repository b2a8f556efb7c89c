"""Running counts of a live run: cheap per event, shared by everything that shows progress."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deployment, Outcome
from batch_deployer.plan.plan import Plan
from batch_deployer.util.text import clean

_RECENT = 5
_WINDOW = 200


@dataclass(slots=True)
class WaveCounts:
    """Counts of one wave and cloud."""

    total: int = 0
    ended: int = 0
    succeeded: int = 0
    deferred: int = 0
    """Those of the ended ones that are neither good nor failures."""
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A deployment that ended badly; texts are clean."""

    name: str
    outcome: str
    reason: str


@dataclass(slots=True)
class Throttle:
    """The last 429 of one bucket."""

    until: float
    rate: float
    count: int


class _UnderWay(Enum):
    """Where a deployment stands that was begun and has no outcome."""

    SENT = 1
    """The cloud is not known to have taken any of its writes."""
    TAKEN = 2


class RunCounters:
    """What a run has come to: a listener that the others read, so it comes first in a `Fanout`.

    `on_event` takes constant time; a second thread may read while it runs.

    `lanes` has one entry for each (wave index, cloud) of the plan, in wave order. Times are wall clock seconds.
    """

    def __init__(self, plan: Plan) -> None:
        """Count the plan; nothing has happened yet."""
        self._by_key: dict[str, Deployment] = {deployment.key: deployment for deployment in plan.deployments}
        places = sorted({(d.wave, d.cluster.cloud) for d in plan.deployments})
        self.lanes: dict[tuple[int, str], WaveCounts] = {place: WaveCounts() for place in places}
        for deployment in plan.deployments:
            self.lanes[deployment.wave, deployment.cluster.cloud].total += 1
        self.total = len(self._by_key)
        self.run = ""
        self.outcomes: Counter[str] = Counter()
        self.in_flight = 0
        """Deployments under way; without those whose writes were all refused."""
        self.ends: deque[float] = deque(maxlen=_WINDOW)
        """Times of the latest ends."""
        self.failed: deque[Failed] = deque(maxlen=_RECENT)
        self.shared_with: dict[str, tuple[str, ...]] = {}
        """Ids of the runs that share the limits of a cloud now, by cloud."""
        self.throttles: dict[tuple[str, str], Throttle] = {}
        self.writes = self.refusals = self.uncertain = 0
        self.started: float | None = None
        self.clock_steps = 0.0
        """Seconds by which the wall clock was set during this part; times of events are those before."""
        self.paused = False
        self.halted = ""
        self.stopping = False
        self._aside: set[str] = set()
        """Keys of what is set aside and has not ended."""
        self.exit_code: int | None = None
        self._standing: dict[str, _UnderWay | Outcome] = {}
        """Of each deployment that was begun or has ended."""

    def wall(self, at: float) -> float:
        """What the wall clock shows now at the time of an event."""
        return at + self.clock_steps

    @property
    def ended(self) -> int:
        """Deployments with an outcome."""
        return sum(lane.ended for lane in self.lanes.values())

    @property
    def succeeded(self) -> int:
        """Those that ended as was wanted."""
        return sum(lane.succeeded for lane in self.lanes.values())

    @property
    def deferred(self) -> int:
        """Those that are set aside now, without an outcome."""
        return len(self._aside)

    def name(self, key: str) -> str:
        """`cluster-name/namespace/release`, clean; the key itself when the plan does not know it."""
        deployment = self._by_key.get(key)
        if deployment is None:
            return clean(key, 200)
        return clean(f"{deployment.cluster.name}/{deployment.release.namespace}/{deployment.release.name}", 200)

    def cloud(self, key: str) -> str:
        """Cloud of a deployment."""
        deployment = self._by_key.get(key)
        return deployment.cluster.cloud if deployment else ""

    def wanted(self, key: str, outcome: Outcome) -> bool:
        """Whether a deployment that ends so ends as was wanted."""
        deployment = self._by_key.get(key)
        return outcome.succeeded if deployment is None else deployment.satisfied_by(outcome)

    def rate(self, now: float) -> float:
        """Ends a second, over the latest ones; 0.0 before there are two."""
        if len(self.ends) < 2:
            return 0.0
        return (len(self.ends) - 1) / max(now - self.ends[0], 1e-9)

    def eta(self, now: float) -> float | None:
        """Seconds until all have ended at the present rate; None while there is none."""
        rate = self.rate(now)
        return max(0, self.total - self.ended - self.deferred) / rate if rate > 0 else None

    def throttled(self, now: float) -> list[tuple[str, str, float]]:
        """(cloud, bucket, seconds left) of every bucket that is paused now."""
        states = list(self.throttles.items())
        return [(cloud, bucket, state.until - now) for (cloud, bucket), state in states if state.until > now]

    def on_event(self, event: e.Event) -> None:
        """Take in the next event."""
        handler = _HEAR.get(type(event))
        if handler is not None:
            handler(self, event)

    def begin(self, key: str, standing: _UnderWay) -> None:
        """A deployment is under way; one that had ended (an earlier part did not start it) is counted again."""
        deployment = self._by_key.get(key)
        if deployment is None:
            return
        before = self._leave(deployment)
        lane = self.lanes[deployment.wave, deployment.cluster.cloud]
        lane.in_flight += 1
        self.in_flight += 1
        # Under the plan's own key: the event's is another text of the same letters, and would be kept.
        self._standing[deployment.key] = before if before is _UnderWay.TAKEN else standing

    def taken(self, key: str) -> None:
        """The cloud took a write."""
        if self._standing.get(key) is _UnderWay.SENT:
            self._standing[key] = _UnderWay.TAKEN

    def take_back(self, key: str) -> None:
        """A write was not executed: unless an earlier one was, nothing is under way."""
        if self._standing.get(key) is _UnderWay.SENT:
            self._leave(self._by_key[key])
            del self._standing[key]

    def set_aside(self, key: str, *, aside: bool) -> None:
        """A deployment is deferred, or is so no more."""
        deployment = self._by_key.get(key)
        if deployment is None:
            return
        (self._aside.add if aside else self._aside.discard)(deployment.key)

    def end(self, event: e.Finished) -> None:
        """A deployment has its outcome."""
        deployment, outcome = self._by_key.get(event.key), event.outcome
        if deployment is None:
            return
        self.set_aside(deployment.key, aside=False)
        self._leave(deployment)
        succeeded = deployment.satisfied_by(outcome)
        lane = self.lanes[deployment.wave, deployment.cluster.cloud]
        lane.ended += 1
        lane.succeeded += succeeded
        lane.deferred += outcome is Outcome.DEFERRED
        self.outcomes[str(outcome)] += 1
        self._standing[deployment.key] = outcome
        if outcome is Outcome.DEFERRED:
            return
        self.ends.append(event.at)
        if not succeeded and outcome is not Outcome.NOT_STARTED:
            self.failed.append(Failed(self.name(event.key), outcome.value, clean(event.reason, 300)))

    def _leave(self, deployment: Deployment) -> _UnderWay | Outcome | None:
        """Take a deployment out of the counts; returns where it stood."""
        before = self._standing.get(deployment.key)
        lane = self.lanes[deployment.wave, deployment.cluster.cloud]
        if isinstance(before, Outcome):
            self.outcomes[str(before)] -= 1
            lane.ended -= 1
            lane.succeeded -= deployment.satisfied_by(before)
            lane.deferred -= before is Outcome.DEFERRED
        elif before is not None:
            lane.in_flight -= 1
            self.in_flight -= 1
        return before


def _run_started(tally: RunCounters, event: e.RunStarted) -> None:
    tally.run = event.run
    if tally.started is None:
        tally.started = event.at
    tally.paused = tally.stopping = False
    tally.clock_steps = 0.0
    tally.halted, tally.exit_code = "", None
    tally.ends.clear()  # the hours between two parts say nothing about the pace


def _intended(tally: RunCounters, event: e.Intended) -> None:
    tally.writes += 1
    tally.begin(event.key, _UnderWay.SENT)


def _throttled(tally: RunCounters, event: e.Throttled) -> None:
    known = tally.throttles.get((event.cloud, event.bucket))
    count = known.count + 1 if known else 1
    tally.throttles[event.cloud, event.bucket] = Throttle(event.at + event.wait, event.rate, count)


def _limit_shared(tally: RunCounters, event: e.LimitShared) -> None:
    tally.shared_with[event.cloud] = event.runs


def _refused(tally: RunCounters, event: e.Refused) -> None:
    tally.refusals += 1
    tally.take_back(event.key)


def _uncertain(tally: RunCounters, _event: e.Uncertain) -> None:
    tally.uncertain += 1


def _paused(tally: RunCounters, _event: e.Paused) -> None:
    tally.paused = True


def _continued(tally: RunCounters, _event: e.Continued) -> None:
    tally.paused = False


def _halted(tally: RunCounters, event: e.Halted) -> None:
    tally.halted = clean(f"{event.scope}: {event.reason}", 300)


def _stopping(tally: RunCounters, _event: e.Stopping) -> None:
    tally.stopping = True


def _run_finished(tally: RunCounters, event: e.RunFinished) -> None:
    tally.exit_code = event.exit_code


def _warned(tally: RunCounters, event: e.Warned) -> None:
    tally.clock_steps += event.clock_step


_HEAR: Mapping[type, Callable[[RunCounters, Any], None]] = MappingProxyType(
    {
        e.RunStarted: _run_started,
        e.Intended: _intended,
        e.Accepted: lambda tally, event: tally.taken(event.key),
        e.Confirmed: lambda tally, event: tally.begin(event.key, _UnderWay.TAKEN),
        e.Refused: _refused,
        e.Missing: lambda tally, event: tally.take_back(event.key),
        e.Deferred: lambda tally, event: tally.set_aside(event.key, aside=True),
        e.Requeued: lambda tally, event: tally.set_aside(event.key, aside=False),
        e.Uncertain: _uncertain,
        e.Finished: RunCounters.end,
        e.Throttled: _throttled,
        e.LimitShared: _limit_shared,
        e.Paused: _paused,
        e.Continued: _continued,
        e.Halted: _halted,
        e.Stopping: _stopping,
        e.Warned: _warned,
        e.RunFinished: _run_finished,
    }
)
