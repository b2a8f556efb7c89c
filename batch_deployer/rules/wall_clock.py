"""A wall clock that can be set while a run goes on: openings of windows follow it, durations do not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from batch_deployer.model.events import LAST_TIME, Event, RunStarted, Warned
from batch_deployer.util.text import span

MAX_DRIFT_SECONDS = 2.0
"""Difference between wall and monotonic time that does not count as a clock that was set."""
AnyEvent = TypeVar("AnyEvent", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOpening:
    """One opening of a maintenance window, in seconds since the epoch: writes leave within it only."""

    opens: float
    closes: float
    name: str = ""

    def problem(self, wall: float) -> str:
        """Why nothing may be written at this time; empty when it may."""
        if wall >= self.closes:
            return f"the window {self.name} has closed"
        if wall < self.opens:
            return f"the window {self.name} is not open by the system clock: it opens in {span(self.opens - wall)}"
        return ""


class StepDetector:
    """Detects by the monotonic clock that the wall clock was set."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._offset = wall - monotonic

    def step(self, wall: float, monotonic: float) -> float:
        """Seconds by which the wall clock was set since the last call; 0 when it was not."""
        step = wall - monotonic - self._offset
        if abs(step) <= MAX_DRIFT_SECONDS:
            return 0.0
        self._offset += step
        return step


def set_ahead_since(events: Iterable[Event], boot: str, offset: float) -> float:
    """Seconds by which the wall clock may have been set ahead since an event of a run was noted; never below 0.

    An event may then be younger than its time says by as much. `events`: at least all RunStarted and clock steps, in
    order. `offset`: wall minus monotonic seconds now, in the boot `boot`; parts of other boots tell nothing.
    """
    ahead, then, known = 0.0, 0.0, False
    for event in events:
        if isinstance(event, RunStarted):
            known = bool(boot) and event.boot == boot
            then = event.at - event.monotonic
        elif isinstance(event, Warned):
            then += event.clock_step
        if known:
            ahead = max(ahead, offset - then)
    return ahead


def steady(events: Iterable[Event]) -> Iterator[Event]:
    """The events of one run with the steps of the wall clock taken out of their times."""
    yield from map(SteadyTimes().steady, events)


class SteadyTimes:
    """Takes steps of the wall clock out of the times of one run's events, so that their differences are durations."""

    def __init__(self) -> None:
        self._steps = 0.0

    def steady(self, event: AnyEvent) -> AnyEvent:
        """The event at the time that a clock which nobody set would have shown."""
        if isinstance(event, RunStarted):
            self._steps = 0.0
        elif isinstance(event, Warned):
            self._steps += event.clock_step
        if not self._steps:
            return event
        return msgspec.structs.replace(event, at=min(max(0.0, event.at - self._steps), LAST_TIME))
