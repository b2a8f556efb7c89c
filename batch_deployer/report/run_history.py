"""The story of a run: its plan and its events folded into one value that every report is told from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from batch_deployer.model.events import (
    Continued,
    Event,
    Halted,
    LimitShared,
    Measured,
    Paused,
    RunFinished,
    RunStarted,
    Stopping,
    Throttled,
    Warned,
    WavePassed,
    WaveStarted,
)
from batch_deployer.plan.plan import Plan
from batch_deployer.report.deployment_history import DeploymentHistory

_MOST_WARNINGS = 200


@dataclass(slots=True, kw_only=True)
class Session:
    """What one process did of a run: from its RunStarted to the next one."""

    started: float
    ended: float
    """The last event's time, so far."""
    pid: int = 0
    resumed: bool = False
    version: str = ""
    whole: bool = False
    """Whether it ended by itself, so that its last counters are complete."""
    measured: dict[str, Measured] = field(default_factory=dict)
    """The last counters of each cloud; they count from this part's start."""


@dataclass(slots=True, kw_only=True)
class WaveTimes:
    """When a wave was let go and when its gate let the next one follow."""

    started: float | None = None
    passed: float | None = None


@dataclass(slots=True, kw_only=True)
class Throttling:
    """The 429s of one bucket of one cloud."""

    count: int = 0
    paused: float = 0.0
    """Seconds asked to wait, added up."""
    last: Throttled | None = None


@dataclass(slots=True, kw_only=True)
class RunHistory:
    """A run as told so far. Every deployment of the plan is in `records` exactly once, in plan order."""

    plan: Plan
    records: dict[str, DeploymentHistory]
    waves: list[WaveTimes]
    alive: bool = False
    """Whether a process is known to be at work on it; the events alone cannot tell that from a killed run."""
    run: str = ""
    manifest: str = ""
    parts: list[Session] = field(default_factory=list)
    halts: list[Halted] = field(default_factory=list)
    """Of all parts; `halted` has those of the last."""
    halted: list[Halted] = field(default_factory=list)
    paused: float | None = None
    """Since when an operator holds new writes."""
    stopping: Stopping | None = None
    end: RunFinished | None = None
    """None: it goes on, or it was killed."""
    throttles: dict[tuple[str, str], Throttling] = field(default_factory=dict)
    shared_with: dict[str, set[str]] = field(default_factory=dict)
    """Ids of the runs that shared the limits of a cloud, by cloud."""
    intents: dict[str, list[float]] = field(default_factory=dict)
    """Times of every intended write, by cloud."""
    warnings: dict[str, int] = field(default_factory=dict)
    """Each distinct warning, and how often."""
    strangers: int = 0
    """Events whose deployment the plan does not know; a damaged journal."""

    @property
    def state(self) -> str:
        """`running`, `killed`, `interrupted`, `halted` or `finished`."""
        if self.end is None:
            return "running" if self.alive else "killed"
        if self.end.exit_code in (129, 130, 131, 143):
            return "interrupted"
        return "halted" if self.halted else "finished"

    def on_event(self, event: Event) -> None:
        """Take in the next event."""
        if self.parts:
            self.parts[-1].ended = max(self.parts[-1].ended, event.at)
        handler = _RUN_EVENTS.get(type(event))
        if handler is not None:
            handler(self, event)
            return
        key: str = event.key  # type: ignore[union-attr]  # every event that is not a run's is a deployment's
        record = self.records.get(key)
        if record is None:
            self.strangers += 1
            return
        attempts = record.attempts
        record.on_event(event)  # type: ignore[arg-type]  # same
        if record.attempts > attempts:
            self.intents.setdefault(record.deployment.cluster.cloud, []).append(event.at)


def build_history(plan: Plan, events: Iterable[Event], *, alive: bool = False) -> RunHistory:
    """Fold all events of a run. `alive`: a process holds the run's lock, so a missing end means it goes on."""
    story = RunHistory(
        plan=plan,
        records={deployment.key: DeploymentHistory(deployment=deployment) for deployment in plan.deployments},
        waves=[WaveTimes() for _ in plan.waves],
        alive=alive,
        manifest=plan.name,
    )
    for event in events:
        story.on_event(event)
    return story


def _run_started(story: RunHistory, event: RunStarted) -> None:
    story.run, story.manifest = event.run, event.manifest
    story.end = story.stopping = story.paused = None
    story.halted = []
    story.parts.append(
        Session(started=event.at, ended=event.at, pid=event.pid, resumed=event.resumed, version=event.version)
    )


def _wave_started(story: RunHistory, event: WaveStarted) -> None:
    if 0 <= event.wave < len(story.waves) and story.waves[event.wave].started is None:
        story.waves[event.wave].started = event.at


def _wave_passed(story: RunHistory, event: WavePassed) -> None:
    if 0 <= event.wave < len(story.waves):
        story.waves[event.wave].passed = event.at


def _halted(story: RunHistory, event: Halted) -> None:
    story.halts.append(event)
    story.halted.append(event)


def _paused(story: RunHistory, event: Paused) -> None:
    story.paused = event.at


def _continued(story: RunHistory, _event: Continued) -> None:
    story.paused = None


def _stopping(story: RunHistory, event: Stopping) -> None:
    story.stopping = event


def _limit_shared(story: RunHistory, event: LimitShared) -> None:
    if event.runs:
        story.shared_with.setdefault(event.cloud, set()).update(event.runs)


def _throttled(story: RunHistory, event: Throttled) -> None:
    throttling = story.throttles.setdefault((event.cloud, event.bucket), Throttling())
    throttling.count += 1
    throttling.paused += event.wait
    throttling.last = event


def _measured(story: RunHistory, event: Measured) -> None:
    if story.parts:
        story.parts[-1].measured[event.cloud] = event


def _warned(story: RunHistory, event: Warned) -> None:
    if event.message in story.warnings or len(story.warnings) < _MOST_WARNINGS:
        story.warnings[event.message] = story.warnings.get(event.message, 0) + 1


def _run_finished(story: RunHistory, event: RunFinished) -> None:
    story.end = event
    if story.parts:
        story.parts[-1].whole = True


_RUN_EVENTS: Mapping[type, Callable[[RunHistory, Any], None]] = MappingProxyType(
    {
        RunStarted: _run_started,
        WaveStarted: _wave_started,
        WavePassed: _wave_passed,
        Halted: _halted,
        Paused: _paused,
        Continued: _continued,
        Stopping: _stopping,
        Throttled: _throttled,
        LimitShared: _limit_shared,
        Measured: _measured,
        Warned: _warned,
        RunFinished: _run_finished,
    }
)
