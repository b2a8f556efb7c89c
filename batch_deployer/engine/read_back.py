"""A write whose fate is unknown: read back until it is known; only then is it watched, or sent once more."""

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import wait_in_line
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.own_address import is_absence_confirmed, read_release
from batch_deployer.engine.ownership import (
    contradicts_sent,
    differs_from_wanted,
    end_as_conflict,
    end_as_theirs,
)
from batch_deployer.engine.write import watch
from batch_deployer.model import events as e
from batch_deployer.model.api import ReleaseState, Status
from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.rules.observation import WriteOutcome, classify_uncertain_write
from batch_deployer.rules.release_names import literals_of
from batch_deployer.rules.responses import fingerprint

OWN_READ_AT_POLL = 2
"""Look in a row that does not show a release at which its own address is read: the list may leave it out."""


def read_back(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Find out whether a write of unknown fate took effect."""
    outcome, reason = _classify_write(run, track, state)
    match outcome:
        case WriteOutcome.APPLIED:
            _confirm(run, track, track.operation, state)
        case WriteOutcome.CONFLICT:
            _end_conflict(run, track, reason, state)
        case WriteOutcome.NOT_VISIBLE:
            _still_absent(run, queue, track, state)


def _classify_write(run: RunContext, track: DeploymentState, state: ReleaseState | None) -> tuple[WriteOutcome, str]:
    creates = track.operation is Operation.CREATE and state is not None
    differs = differs_from_wanted(run, track, state) if creates and state else contradicts_sent(run, track, state)
    return classify_uncertain_write(
        track.baseline(), state, sent_at=track.sent_at, skew=run.settings.reconcile.clock_skew, differs=differs
    )


def _end_conflict(run: RunContext, track: DeploymentState, reason: str, state: ReleaseState | None) -> None:
    if track.operation is Operation.CREATE:
        end_as_conflict(run, track, reason)
    else:
        end_as_theirs(run, track, reason, state)


def _still_absent(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Count looks that agree; after the whole grace the write counts as not executed, and one more may be sent."""
    if not absent_long_enough(run, track) or (state is None and not is_absence_confirmed(run, track)):
        poll_absent(run, track, state)
        return
    if _sent_often_enough(run, track):
        reason = f"{track.operation} was sent {track.attempts} times and never took effect"
        run.finish(track, Outcome.FAILED, reason, cause=fingerprint(reason))
        return
    template = track.deployment.release.parameters.name_template
    if track.operation is Operation.CREATE and template and not literals_of(template):
        reason = "the answer to its create was lost, and a name made from name_template alone cannot be looked for"
        run.finish(track, Outcome.FAILED, f"{reason}; look at the cluster", cause=fingerprint(reason))
        return
    del queue.watching[track.key]
    run.emit(track, e.Missing(at=run.wall(), key=track.key, operation=track.operation))
    scheduler = run.locate(track)[0]
    if not scheduler.budget.spend():
        track.not_before = run.now() + run.settings.retry.cap
    scheduler.end(queue)
    wait_in_line(run, queue, track)


def _sent_often_enough(run: RunContext, track: DeploymentState) -> bool:
    """Whether the operation is not sent again. Writes that a limit refused count once it has refused for too long."""
    settings = run.settings.retry
    counted = track.attempts - track.limited
    if run.now() - track.started_at >= settings.give_up_after:
        counted = track.attempts
    return counted >= settings.max_writes


def absent_long_enough(run: RunContext, track: DeploymentState) -> bool:
    """Count a poll that does not show what was expected; whether enough of them agree, for the whole grace."""
    settings, now = run.settings.reconcile, run.now()
    track.absent_polls += 1
    if track.absent_since is None:
        track.absent_since = now
    return now - track.absent_since >= settings.absence_grace and track.absent_polls >= settings.confirmations


def poll_absent(run: RunContext, track: DeploymentState, state: ReleaseState | None) -> None:
    """Look again at what is absent: at even gaps, and at once when the grace is over; once at its own address."""
    if state is None and track.absent_polls == OWN_READ_AT_POLL:
        read_release(run, track)
    settings, now = run.settings.reconcile, run.now()
    over = (now if track.absent_since is None else track.absent_since) + settings.absence_grace
    again = now + settings.absence_grace / settings.confirmations
    track.next_poll_at = min(again, over) if over > now else again


def took_effect_after_all(
    run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None
) -> bool:
    """Whether a poll shows a late effect of a write that had counted as lost, or another's work; nothing is sent then."""
    base = track.baseline()
    if base.operation in (Operation.UPGRADE, Operation.ROLLBACK) and (state is None or state.status == Status.DELETED):
        queue.withdraw(track)
        if state is not None or is_absence_confirmed(run, track):
            end_as_theirs(run, track, "it is no longer there", state)
        return True
    outcome, reason = _classify_write(run, track, state)
    if outcome is WriteOutcome.CONFLICT:
        _end_conflict(run, track, reason, state)
    elif outcome is WriteOutcome.APPLIED:
        adopt(run, queue, track, base.operation, state)
    return outcome is not WriteOutcome.NOT_VISIBLE


def adopt(
    run: RunContext, queue: ClusterWork, track: DeploymentState, operation: Operation, state: ReleaseState | None
) -> None:
    """Watch an operation that is under way or over, although nothing of it was known to be so."""
    queue.withdraw(track)
    del queue.waiting[track.key]
    _confirm(run, track, operation, state)
    run.locate(track)[0].begin(queue)
    watch(run, queue, track)


def _confirm(run: RunContext, track: DeploymentState, operation: Operation, state: ReleaseState | None) -> None:
    status, revision, created_at = (state.status, state.revision, state.created_at) if state else ("", 0, "")
    run.emit(
        track,
        e.Confirmed(
            at=run.wall(), key=track.key, operation=operation, status=status, revision=revision, created_at=created_at
        ),
    )
