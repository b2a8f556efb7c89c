"""What became of one deployment, as far as the events tell."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from batch_deployer.model.deployment import Deferral, Deployment, Operation, Outcome
from batch_deployer.model.events import (
    Accepted,
    Confirmed,
    Deferred,
    DeploymentEvent,
    Finished,
    Intended,
    Missing,
    Planned,
    Refused,
    Requeued,
    Seen,
    StepCompleted,
    Uncertain,
    Undecided,
)

IN_FLIGHT = "in_flight"
"""Stands where an outcome would, in the report of a run that was killed or still goes on."""


class State(StrEnum):
    """Where a deployment is."""

    WAITING = "waiting"
    """No write has left yet."""
    SENDING = "sending"
    """A write was intended; nothing is known of it."""
    REFUSED = "refused"
    """The last write was certainly not executed; another may follow."""
    READING_BACK = "reading_back"
    """A write may or may not have been executed."""
    WATCHING = "watching"
    """The cloud works on it."""
    BETWEEN = "between"
    """One operation of several is over."""
    DEFERRED = "deferred"
    """It is set aside with nothing of it under way."""
    ENDED = "ended"
    """It has its outcome."""


@dataclass(slots=True, kw_only=True)
class DeploymentHistory:
    """The fold of one deployment's events. It changes only while `Story.on_event` runs; times are wall clock seconds."""

    deployment: Deployment
    state: State = State.WAITING
    since: float | None = None
    """When the state was entered."""
    action: str = ""
    plan_reason: str = ""
    outcome: Outcome | None = None
    status: str = ""
    revision: int = 0
    operation: Operation | None = None
    """The last write's."""
    attempts: int = 0
    """Writes intended."""
    executed: bool = False
    """Whether the cloud took any of its writes."""
    refusals: int = 0
    uncertain: int = 0
    planned: float | None = None
    started: float | None = None
    """First write intended."""
    accepted: float | None = None
    """Last write accepted, or confirmed by reading back."""
    finished: float | None = None
    until: float | None = None
    """When a refused write may be tried again."""
    deferral: Deferral | None = None
    """Why it is set aside; None: it is not."""
    phase: str = ""
    """Phase of its cluster, where that sets it aside."""
    deferred: float | None = None
    """Since when it is set aside."""
    why: str = ""
    """Why it waits, was refused or must be read back, in the last such event's words."""
    reason: str = ""
    fingerprint: str = ""
    request_ids: str = ""
    """One a line: a text takes half the memory of a list, and most have one."""

    @property
    def word(self) -> str:
        """The outcome; `deferred`, `not_started` or `in_flight` while there is none."""
        if self.outcome is not None:
            return str(self.outcome)
        if self.state is State.DEFERRED and self.deferral is not Deferral.CLOUD:
            return Outcome.DEFERRED.value
        unsent = self.state in (State.WAITING, State.DEFERRED) or (self.state is State.REFUSED and not self.executed)
        return Outcome.NOT_STARTED.value if unsent else IN_FLIGHT

    @property
    def succeeded(self) -> bool:
        """Whether it ended as was wanted."""
        return self.outcome is not None and self.deployment.satisfied_by(self.outcome)

    @property
    def duration(self) -> float | None:
        """Seconds from the first write (or the plan, when none was needed) to the end."""
        begin = self.planned if self.started is None else self.started
        return None if begin is None or self.finished is None else max(0.0, self.finished - begin)

    @property
    def install_duration(self) -> float | None:
        """Seconds from the last accepted write to the end."""
        return None if self.accepted is None or self.finished is None else max(0.0, self.finished - self.accepted)

    def on_event(self, event: DeploymentEvent) -> None:
        """Take in the next event of this deployment."""
        if self.state is State.ENDED:
            self._reopen()
        _APPLY[type(event)](self, event)

    def enter(self, state: State, at: float) -> None:
        """Note a state, and since when."""
        if state is not self.state or self.since is None:
            self.state, self.since = state, at

    def heed(self, request_id: str) -> None:
        """Keep a request id."""
        if request_id:
            self.request_ids = f"{self.request_ids}\n{request_id}" if self.request_ids else request_id

    def end_deferral(self) -> None:
        """Note that it is set aside no more."""
        self.deferral, self.phase, self.deferred = None, "", None

    def _reopen(self) -> None:
        """A resumed part takes up again what an earlier part had ended without starting it."""
        self.outcome = self.finished = self.until = None
        self.end_deferral()
        self.reason = self.fingerprint = self.why = ""
        self.state = State.WAITING


def _deferred(record: DeploymentHistory, event: Deferred) -> None:
    if record.deferral is None:
        record.deferred = event.at
    record.deferral, record.phase, record.why = event.cause, event.phase, event.why
    if record.state in (State.WAITING, State.REFUSED, State.BETWEEN):
        record.enter(State.DEFERRED, event.at)


def _requeued(record: DeploymentHistory, event: Requeued) -> None:
    record.end_deferral()
    record.why = ""
    if record.state is State.DEFERRED:
        record.enter(State.WAITING if not record.executed else State.BETWEEN, event.at)


def _planned(record: DeploymentHistory, event: Planned) -> None:
    record.action, record.plan_reason = event.action.value, event.reason
    record.status, record.revision = event.status, event.revision
    if record.planned is None:
        record.planned = event.at
    if record.state is State.WAITING:
        record.since, record.why = event.at, ""


def _intended(record: DeploymentHistory, event: Intended) -> None:
    record.attempts += 1
    record.operation = event.operation
    if record.started is None:
        record.started = event.at
    record.accepted = record.until = None
    record.enter(State.SENDING, event.at)


def _accepted(record: DeploymentHistory, event: Accepted) -> None:
    record.accepted, record.executed = event.at, True
    record.heed(event.request_id)
    record.enter(State.WATCHING, event.at)


def _refused(record: DeploymentHistory, event: Refused) -> None:
    record.refusals += 1
    record.why = ": ".join(part for part in (event.why, event.code, event.message) if part)
    record.until = event.at + event.wait
    record.heed(event.request_id)
    record.enter(State.REFUSED, event.at)


def _uncertain(record: DeploymentHistory, event: Uncertain) -> None:
    record.uncertain += 1
    record.why = event.why
    record.heed(event.request_id)
    record.enter(State.READING_BACK, event.at)


def _confirmed(record: DeploymentHistory, event: Confirmed) -> None:
    record.executed = True
    if record.accepted is None:
        record.accepted = event.at
    _poll(record, event)
    record.enter(State.WATCHING, event.at)


def _missing(record: DeploymentHistory, event: Missing) -> None:
    record.why, record.until = f"the {event.operation.value} did not take effect", None
    record.enter(State.REFUSED, event.at)


def _undecided(record: DeploymentHistory, event: Undecided) -> None:
    record.why = event.why


def _seen(record: DeploymentHistory, event: Seen) -> None:
    _poll(record, event)
    if record.state is State.WAITING:
        record.enter(State.WATCHING, event.at)


def _step_completed(record: DeploymentHistory, event: StepCompleted) -> None:
    _poll(record, event)
    record.why = event.reason
    record.enter(State.BETWEEN, event.at)


def _finished(record: DeploymentHistory, event: Finished) -> None:
    _poll(record, event)
    record.outcome, record.finished = event.outcome, event.at
    if event.outcome is not Outcome.DEFERRED:
        record.end_deferral()
    elif record.deferred is None:  # with a release that it needs
        record.deferral, record.deferred = Deferral.NEEDS, event.at
    record.reason, record.fingerprint, record.until = event.reason, event.fingerprint, None
    record.enter(State.ENDED, event.at)


def _poll(record: DeploymentHistory, event: Confirmed | Seen | StepCompleted | Finished) -> None:
    # One text for all that have this status, instead of one each.
    record.status = sys.intern(event.status) if event.status else record.status
    record.revision = event.revision or record.revision


_APPLY: Mapping[type, Callable[[DeploymentHistory, Any], None]] = MappingProxyType(
    {
        Planned: _planned,
        Intended: _intended,
        Accepted: _accepted,
        Refused: _refused,
        Uncertain: _uncertain,
        Confirmed: _confirmed,
        Missing: _missing,
        Undecided: _undecided,
        Deferred: _deferred,
        Requeued: _requeued,
        Seen: _seen,
        StepCompleted: _step_completed,
        Finished: _finished,
    }
)
