"""What is known of one deployment during a run: a fold over its events, the same live and when a journal is read back."""

import math
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from batch_deployer.model import events as e
from batch_deployer.model.api import PENDING, ReleaseState
from batch_deployer.model.deployment import Action, ConfirmedState, Deferral, Deployment, OnFailure, Operation, Outcome
from batch_deployer.rules.lifecycle import Phase, advance
from batch_deployer.rules.observation import Baseline

STEPS: dict[Action, tuple[Operation, ...]] = {
    Action.CREATE: (Operation.CREATE,),
    Action.UPGRADE: (Operation.UPGRADE,),
    Action.REPLACE: (Operation.DELETE, Operation.CREATE),
    Action.ROLLBACK: (Operation.ROLLBACK,),
    Action.DELETE: (Operation.DELETE,),
}
"""Operations that each action takes, in order."""
_NO_NEWS = frozenset({e.Seen, e.Undecided, e.Planned})
"""Events that change nothing that a look is judged by."""


class DeploymentState:
    """One deployment under way. Only `apply` changes what the journal knows; the rest is the scheduler's own memory.

    Times: `sent_at` is wall seconds (compared with the cloud's times), all others are monotonic seconds.
    """

    __slots__ = (
        "absence_confirmed_at",
        "absent_polls",
        "absent_since",
        "accepted_at",
        "action",
        "aside",
        "asked_of",
        "asking",
        "attempts",
        "cause",
        "collisions",
        "completed_steps",
        "confirmed",
        "deadline",
        "deferral",
        "deferred_since",
        "deferred_why",
        "deployment",
        "limited",
        "name",
        "next_poll_at",
        "not_before",
        "odd_histories",
        "old_created_at",
        "old_revision",
        "old_updated_at",
        "operation",
        "ordinal",
        "outcome",
        "own_created_at",
        "pending_revision",
        "phase",
        "queued",
        "reading",
        "reason",
        "refused",
        "return_chart",
        "return_state",
        "return_to",
        "revision",
        "sent_at",
        "shown",
        "since",
        "started_at",
        "status",
        "uncertain",
        "unlisted",
        "unresolved",
        "waits_for",
        "was_pending",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, ordinal: int) -> None:
        """Nothing is known yet; `ordinal` is the place in the plan."""
        self.deployment = deployment
        self.ordinal = ordinal
        self.phase = Phase.WAITING
        self.action: Action | None = None
        self.operation = Operation.CREATE
        """The operation under way, or the last one that was; meaningless before the first."""
        self.completed_steps = 0
        """Operations of the action that are over."""
        self.attempts = 0
        """Writes intended for the current operation, those that were certainly not executed taken off."""
        self.limited = 0
        """Those attempts that a limit refused with a status that leaves their fate open. Not known to the journal."""
        self.uncertain = 0
        """Writes of the current operation whose fate was unknown at some time."""
        self.unresolved = 0
        """Those attempts that may still take effect: none of them was read back as lost."""
        self.old_revision = 0
        self.old_updated_at = ""
        self.old_created_at = ""
        self.own_created_at = ""
        """`create_at` of the release that the current create made, once it was seen."""
        self.confirmed: ConfirmedState | None = None
        """The release as the last completed operation left it."""
        self.shown: ReleaseState | None = None
        """The last poll that showed the effect of the current operation. Not known to the journal."""
        self.was_pending = False
        """Whether the release was PENDING_* when its action was decided."""
        self.pending_revision = 0
        self.status = ""
        self.revision = 0
        self.reason = ""
        self.refused = 0
        """Refusals that ordered a wait: somebody else holds it, or its cluster's service has trouble."""
        self.collisions = 0
        """Creates that were refused because something of that name exists."""
        self.outcome: Outcome | None = None
        self.cause = ""
        """Fingerprint of its failure."""
        self.sent_at = 0.0
        """Of the first write of the current operation; 0 before any was intended."""
        self.since = 0.0
        """When the last event that changed what a look may say happened; looks that left earlier say nothing."""
        self.return_to = deployment.undo.revision if deployment.undo else 0
        """Revision that a rollback goes back to."""
        self.return_chart = ""
        """Chart id of that revision, once its history was read."""
        self.return_state: ReleaseState | None = None
        """That revision in the history. Not known to the journal."""
        self.accepted_at = 0.0
        self.started_at = 0.0
        self.deadline = 0.0
        self.next_poll_at = 0.0
        self.not_before = 0.0
        self.absent_since: float | None = None
        self.absent_polls = 0
        self.queued = False
        """Whether it stands in its cluster's ready heap."""
        self.asking = False
        """Whether a question about its history is under way."""
        self.odd_histories = 0
        """Times that its history did not end with the revision that a poll had shown."""
        self.asked_of = ""
        """The observation that the present decision rests on, as text."""
        self.name = (deployment.undo.name if deployment.undo else "") or deployment.release.name
        """Name of the release in the cloud: that of the plan, or the one that the cloud made from `name_template`."""
        self.reading = False
        """Whether the release is being read at its own address."""
        self.unlisted = False
        """Whether the release exists although the last list left it out."""
        self.absence_confirmed_at = -math.inf
        """When a read of the release's own address that found nothing was sent."""
        self.deferral: Deferral | None = None
        """Why it is set aside; None: it is not."""
        self.deferred_why = ""
        self.deferred_since = 0.0
        """When it was set aside, whatever the cause was then."""
        self.aside = False
        """Whether it is under way and deferred: it is not polled and takes no place under the caps."""
        self.waits_for = 0
        """Needed releases that have not been deployed yet."""

    @property
    def key(self) -> str:
        """Key of the deployment."""
        return self.deployment.key

    @property
    def steps(self) -> tuple[Operation, ...]:
        """Operations of the action decided on; none before the decision."""
        return STEPS.get(self.action, ()) if self.action is not None else ()

    def next_operation(self) -> Operation | None:
        """The operation to send next; None when there is nothing (more) to send."""
        steps = self.steps
        if self.completed_steps < len(steps):
            return steps[self.completed_steps]
        # One step beyond an upgrade's own is its undoing.
        undoing = self.completed_steps == 1 and self.action is Action.UPGRADE and self.reason
        return Operation.ROLLBACK if undoing and self.deployment.release.on_failure is OnFailure.ROLLBACK else None

    def baseline(self) -> Baseline:
        """What a poll is to be judged against."""
        operation = self.operation
        return Baseline(
            operation=operation,
            revision=self.old_revision,
            updated_at=self.old_updated_at,
            created_at=self.own_created_at if operation is Operation.CREATE else self.old_created_at,
            made=self._made(),
            was_pending=self.was_pending,
            pending_revision=self.pending_revision,
        )

    def _made(self) -> tuple[int, ...]:
        """Revisions that the current operation can have made: one for each write that was not read back as lost."""
        old, operation = self.old_revision, self.operation
        if self.action is Action.ADOPT:
            return (old,) if old else ()
        if operation is Operation.CREATE:
            return () if self.deployment.release.parameters.replace else (1,)
        if operation is Operation.DELETE or not old:
            return ()
        return tuple(range(old + 1, old + max(1, self.unresolved) + 1))

    def apply(self, event: e.DeploymentEvent, now: float) -> None:
        """Take in one event; `now` is when it happened, in monotonic seconds. Raises IllegalTransition and changes nothing."""
        self.phase = advance(self.phase, event)
        if type(event) not in _NO_NEWS:
            self.since = now
        _TAKE_IN[type(event)](self, event, now)


def _planned(track: DeploymentState, event: e.Planned, _now: float) -> None:
    track.action, track.reason = event.action, event.reason
    track.status, track.revision = event.status, event.revision
    track.old_revision, track.old_updated_at = event.revision, event.updated_at
    track.old_created_at = event.created_at
    track.was_pending = event.status in PENDING


def _intended(track: DeploymentState, event: e.Intended, now: float) -> None:
    if track.operation is not event.operation or track.attempts == 0:
        track.limited = 0
        # By the cloud's clock if possible: ours may be wrong, or set while we run.
        track.sent_at = event.cloud_at or event.at
        track.pending_revision = 0
        track.own_created_at = ""
    track.operation = event.operation
    track.attempts += 1
    track.unresolved += 1
    track.old_revision, track.old_updated_at, track.old_created_at = event.revision, event.updated_at, event.created_at
    track.return_to = event.target or track.return_to
    track.started_at = track.started_at or now


def _accepted(track: DeploymentState, event: e.Accepted, now: float) -> None:
    track.name = event.name or track.name
    _await_end(track, now)


def _refused(track: DeploymentState, event: e.Refused, now: float) -> None:
    track.attempts -= 1
    track.unresolved -= 1
    track.refused += event.wait > 0
    track.collisions += event.why == "exists"
    track.not_before = now + event.wait


def _uncertain(track: DeploymentState, _event: e.Uncertain, _now: float) -> None:
    track.uncertain += 1
    track.absent_since, track.absent_polls = None, 0


def _confirmed(track: DeploymentState, event: e.Confirmed, now: float) -> None:
    track.operation = event.operation
    track.pending_revision = event.revision if event.status in PENDING else 0
    track.status, track.revision = event.status, event.revision
    track.own_created_at = track.own_created_at or event.created_at
    _await_end(track, now)


def _missing(track: DeploymentState, _event: e.Missing, now: float) -> None:
    track.unresolved = 0
    track.not_before = now


def _seen(track: DeploymentState, event: e.Seen, _now: float) -> None:
    # One text for all that have this status, instead of one each.
    track.status, track.revision = sys.intern(event.status), event.revision
    track.own_created_at = track.own_created_at or event.created_at
    if event.status in PENDING:
        track.pending_revision = event.revision


def _step_completed(track: DeploymentState, event: e.StepCompleted, _now: float) -> None:
    track.completed_steps += 1
    track.attempts = track.uncertain = track.unresolved = 0
    track.started_at = 0.0
    track.reason, track.status = event.reason, event.status
    track.was_pending = False
    track.confirmed, track.shown, track.own_created_at = event.confirmed, None, ""
    # The next operation's baseline is what this one left behind. A deleted release keeps its last one:
    # a stale read of it must not be taken for the new release.
    if event.operation is Operation.UPGRADE:
        track.return_to = track.old_revision
    if event.operation is not Operation.DELETE:
        track.old_revision, track.old_updated_at = event.revision, ""
        track.old_created_at = event.confirmed.created_at if event.confirmed else ""


def _deferred(track: DeploymentState, event: e.Deferred, now: float) -> None:
    if track.deferral is None:
        track.deferred_since = now
    track.deferral, track.deferred_why = event.cause, event.why


def _requeued(track: DeploymentState, _event: e.Requeued, _now: float) -> None:
    track.deferral, track.deferred_why = None, ""
    track.asked_of = ""
    if track.phase is Phase.WAITING:
        track.started_at = track.deadline = 0.0
        track.action = None if track.action is Action.BLOCKED else track.action


def _finished(track: DeploymentState, event: e.Finished, _now: float) -> None:
    track.outcome, track.reason, track.cause = event.outcome, event.reason, event.fingerprint
    track.status = sys.intern(event.status or track.status)
    track.revision = event.revision or track.revision
    # Nothing asks for these any more: a hundred thousand of each would take their memory to the run's end.
    track.sent_at = track.accepted_at = track.started_at = track.deadline = track.next_poll_at = track.not_before = 0.0
    track.absent_since, track.asked_of, track.old_updated_at = None, "", ""
    track.confirmed = track.shown = track.return_state = None


def _await_end(track: DeploymentState, now: float) -> None:
    track.accepted_at = now
    track.deadline = now + track.deployment.release.timeout
    track.absent_since, track.absent_polls = None, 0


_TAKE_IN: Mapping[type, Callable[[DeploymentState, Any, float], None]] = MappingProxyType(
    {
        e.Planned: _planned,
        e.Undecided: lambda _track, _event, _now: None,
        e.Deferred: _deferred,
        e.Requeued: _requeued,
        e.Intended: _intended,
        e.Accepted: _accepted,
        e.Refused: _refused,
        e.Uncertain: _uncertain,
        e.Confirmed: _confirmed,
        e.Missing: _missing,
        e.Seen: _seen,
        e.StepCompleted: _step_completed,
        e.Finished: _finished,
    }
)
