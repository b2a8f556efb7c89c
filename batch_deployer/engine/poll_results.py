"""What one look means for one deployment: decide, confirm, go on waiting, or end."""

import math

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import judge_phase, wait_in_line
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import HistoryJob
from batch_deployer.engine.own_address import is_absence_confirmed
from batch_deployer.engine.ownership import (
    changed_before_rollback,
    contradicts_sent,
    differs_from_wanted,
    end_as_conflict,
    end_as_theirs,
)
from batch_deployer.engine.read_back import (
    absent_long_enough,
    adopt,
    poll_absent,
    read_back,
    took_effect_after_all,
)
from batch_deployer.model import events as e
from batch_deployer.model.api import PENDING, ReleaseState, Status
from batch_deployer.model.deployment import Action, OnFailure, Operation, Outcome
from batch_deployer.rules.cluster_phase import Readiness, readiness
from batch_deployer.rules.decide import Decision, unknown_status
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.observation import PollResult, classify_poll, shows_effect
from batch_deployer.rules.responses import fingerprint

ABSENT = "ABSENT"
"""The observation of a release that is not there."""
_ADOPTED = {
    Status.PENDING_INSTALL: Operation.CREATE,
    Status.PENDING_UPGRADE: Operation.UPGRADE,
    Status.PENDING_ROLLBACK: Operation.ROLLBACK,
}


def handle_pending(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Decide what to do to a deployment of which nothing is under way."""
    if track.completed_steps or (track.attempts and track.uncertain):
        _go_on(run, queue, track, state)  # in the middle of an action: its own steps decide, not policy
        return
    seen = _observation(state)
    if seen == track.asked_of and track.action is not Action.BLOCKED:
        _enqueue(run, queue, track)
        return
    decision = run.decide(track, state)
    expected = run.plan.expected.get(track.key)
    if expected is not None and decision.basis != expected and not track.sent_at:
        reason = f"the world moved since the plan was saved: expected {expected}, found {decision.basis}"
        run.finish(track, Outcome.REJECTED, reason, cause="the world moved since the plan was saved")
        return
    track.asked_of = seen
    if decision.settling:
        _await_idle(run, queue, track, decision)
        return
    run.emit(
        track,
        e.Planned(
            at=run.wall(), key=track.key, action=decision.action, reason=decision.explanation, status=decision.status,
            revision=decision.revision, updated_at=decision.updated_at, created_at=decision.created_at,
        ),
    )  # fmt: skip
    match decision.action:
        case Action.UNCHANGED:
            run.finish(track, Outcome.UNCHANGED, decision.reason)
        case Action.BLOCKED:
            cause = decision.cause or fingerprint(decision.reason)
            run.finish(track, Outcome.REJECTED, decision.reason, cause=cause, last=state)
        case Action.ADOPT if state is not None:
            adopt(run, queue, track, _ADOPTED[Status(decision.status)], state)
        case _:
            _enqueue(run, queue, track)


def _observation(state: ReleaseState | None) -> str:
    """What a decision rests on, as text."""
    if state is None:
        return ABSENT
    more = hash((state.created_at, state.chart_name, state.chart_version, state.values_json))
    return f"{state.status} {state.revision} {state.updated_at} {more}"


def _await_idle(run: RunContext, queue: ClusterWork, track: DeploymentState, decision: Decision) -> None:
    """Somebody else's operation is under way: look again, for as long as our own would be waited for."""
    now = run.now()
    queue.withdraw(track)
    if track.action is not Action.BLOCKED:
        track.action = Action.BLOCKED
        track.deadline = now + track.deployment.release.timeout
        track.status, track.revision = decision.status, decision.revision
        run.emit(track, e.Undecided(at=run.wall(), key=track.key, why=decision.reason))
    if now >= track.deadline:
        reason = f"{decision.reason}, for longer than the timeout of {track.deployment.release.timeout:g} s"
        run.finish(track, Outcome.TIMED_OUT, reason, cause=fingerprint(reason))
        return
    track.next_poll_at = now + max(run.settings.poll.min_interval, run.settings.poll.initial_delay)


def _enqueue(run: RunContext, queue: ClusterWork, track: DeploymentState) -> None:
    """Make a decided deployment ready for its write, or first ask what its rollback needs to know."""
    scheduler, _ = run.locate(track)
    if track.next_operation() is Operation.ROLLBACK and not track.return_chart:
        if not track.asking:
            track.asking = True
            scheduler.ask(HistoryJob(queue=queue, track=track))
        return
    if track.not_before <= run.now():
        queue.make_ready(track)
        scheduler.offer(queue)
    else:  # refused a moment ago, and a look came sooner than its wait ends
        scheduler.later(track.not_before, track)


def _go_on(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Send the next operation of an action, or one again that took no effect, while the release is still as we left it."""
    if track.attempts and track.uncertain:
        if took_effect_after_all(run, queue, track, state):
            return
    elif track.next_operation() is Operation.ROLLBACK and track.steps != (Operation.ROLLBACK,):
        differs, may_be_stale = changed_before_rollback(run, track, state)
        sure = not may_be_stale or absent_long_enough(run, track)
        if differs and sure and (state is not None or is_absence_confirmed(run, track)):
            end_as_theirs(run, track, differs, state)
            return
        if differs:
            queue.withdraw(track)
            poll_absent(run, track, state)
            return
        track.absent_since, track.absent_polls = None, 0
    elif (
        track.operation is Operation.DELETE
        and classify_poll(track.baseline(), state)[0] is PollResult.REPLACED
        and state
    ):
        end_as_conflict(run, track, "a release of that name was made after it was deleted", last=state)
        return
    if not track.queued:
        _enqueue(run, queue, track)


def handle_in_flight(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Judge a deployment that is under way."""
    if track.asking:  # what a resumed rollback returns to is not known yet
        track.next_poll_at = run.now() + run.settings.poll.min_interval
        return
    if track.phase is Phase.UNCERTAIN:
        read_back(run, queue, track, state)
    if track.phase is Phase.WATCHING:
        _watch(run, queue, track, state)


def _watch(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    """Judge a deployment whose write was accepted."""
    now = run.now()
    base = track.baseline()
    sight, reason = classify_poll(base, state, contradiction=contradicts_sent(run, track, state))
    if sight is PollResult.THEIRS:
        end_as_theirs(run, track, reason, state)
        return
    ours = state is not None and shows_effect(base, state)
    if ours:
        track.shown = state
    if sight is PollResult.SUCCEEDED:
        _operation_over(run, queue, track, state, failed="")
        return
    if sight is PollResult.REPLACED and state is not None:
        _handle_recreated(run, queue, track, state)
        return
    if state is not None and (state.status, state.revision) != (track.status, track.revision):
        created_at = state.created_at if ours else ""
        run.emit(
            track,
            e.Seen(at=run.wall(), key=track.key, status=state.status, revision=state.revision, created_at=created_at),
        )
    gone = sight is PollResult.ABSENT and absent_long_enough(run, track) and is_absence_confirmed(run, track)
    if sight is PollResult.FAILED or gone:
        _operation_over(run, queue, track, state, failed=reason)
    elif now >= track.deadline and readiness(queue.phase) is Readiness.LATER:
        judge_phase(run, queue, track)
    elif now >= track.deadline:
        reason = _overdue(queue, track, state, sight)
        run.finish(track, Outcome.TIMED_OUT, reason, cause=f"timed out {track.status}", last=state)
    elif sight is PollResult.ABSENT:
        poll_absent(run, track, state)
    else:
        _keep_polling(track)


def is_unchanged(track: DeploymentState, state: ReleaseState | None, now: float) -> bool:
    """Whether a look says no more of a deployment under way than the last one did, as most do: it goes on."""
    shown = track.shown
    same = (
        state is not None and shown is not None and track.phase is Phase.WATCHING and now < track.deadline
        and state.status in PENDING and state.status == shown.status and state.revision == shown.revision
        and state.created_at == shown.created_at and track.operation is not Operation.DELETE
    )  # fmt: skip
    if same:
        _keep_polling(track)
    return same


def _keep_polling(track: DeploymentState) -> None:
    """Have it looked at when its end may be near: together with all others of its cluster, once the look is taken in."""
    track.absent_since, track.absent_polls = None, 0
    track.next_poll_at = math.inf


def _overdue(queue: ClusterWork, track: DeploymentState, state: ReleaseState | None, sight: PollResult) -> str:
    timeout = track.deployment.release.timeout
    if sight is PollResult.STALE:
        text = f"{track.operation} was accepted, but revision {track.old_revision} has not moved within {timeout:g} s"
    else:
        last = f"last status {state.status}" if state else "last status absent"
        last = (unknown_status(state.status) if state else "") or last
        text = f"{track.operation} not finished within {timeout:g} s; {last}"
        if state is not None and state.status in PENDING:
            text += " (stuck: roll it back or delete it before the next try)"
    return text + (f"; the cluster is {queue.phase}" if queue.phase not in ("", "Available") else "")


def _operation_over(
    run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None, *, failed: str
) -> None:
    """End the operation: go on with the action's next step, or end the deployment."""
    spec, operation = track.deployment.release, track.operation
    if not failed and operation in (Operation.CREATE, Operation.UPGRADE) and track.accepted_at:
        run.record_duration(track, queue.observed_before)
    undoing = operation is Operation.ROLLBACK and track.action is Action.UPGRADE
    more = not failed and track.completed_steps + 1 < len(track.steps)
    undo = (
        failed and operation is Operation.UPGRADE and track.action is Action.UPGRADE
        and spec.on_failure is OnFailure.ROLLBACK and track.old_revision > 0 and state is not None
    )  # fmt: skip
    if more or undo:
        _next_step(run, queue, track, operation, state, failed=failed)
    elif failed:
        reason = f"the upgrade failed ({track.reason}), and so did its rollback: {failed}" if undoing else failed
        run.finish(track, Outcome.FAILED, reason, cause=fingerprint(operation, failed), last=state)
    elif undoing:
        reason = f"the upgrade failed and was rolled back to revision {track.return_to}: {track.reason}"
        run.finish(track, Outcome.ROLLED_BACK, reason, cause=fingerprint("upgrade", track.reason), last=state)
    elif track.action in (Action.ROLLBACK, Action.DELETE):
        done = "deleted" if operation is Operation.DELETE else f"back to what revision {track.return_to} was"
        run.finish(track, Outcome.ROLLED_BACK, done, last=state)
    else:
        named = f'the cloud named it "{track.name}" (name_template)' if track.name != spec.name else ""
        run.finish(track, Outcome.DEPLOYED, named, last=state)


def _handle_recreated(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState) -> None:
    """Another release is there after a delete: as wanted, it is ours, and a disk has lost that we sent it; or somebody's."""
    differs = differs_from_wanted(run, track, state)
    if differs or Operation.CREATE not in track.steps:
        reason = "a release of that name was made after it was deleted" + (f", and {differs}" if differs else "")
        end_as_conflict(run, track, reason, last=state)
        return
    _complete_step(run, queue, track, Operation.DELETE, None, failed="")
    adopt(run, queue, track, Operation.CREATE, state)


def _next_step(
    run: RunContext,
    queue: ClusterWork,
    track: DeploymentState,
    operation: Operation,
    state: ReleaseState | None,
    *,
    failed: str,
) -> None:
    _complete_step(run, queue, track, operation, state, failed=failed)
    wait_in_line(run, queue, track)
    if track.phase is Phase.WAITING:
        _enqueue(run, queue, track)


def _complete_step(
    run: RunContext,
    queue: ClusterWork,
    track: DeploymentState,
    operation: Operation,
    state: ReleaseState | None,
    *,
    failed: str,
) -> None:
    """Note that one operation of several is over."""
    del queue.watching[track.key]
    status, revision = (state.status, state.revision) if state else ("", 0)
    confirmed = run.confirmed_state(state) if state is not None and operation is not Operation.DELETE else None
    run.emit(
        track,
        e.StepCompleted(
            at=run.wall(), key=track.key, operation=operation, status=status, revision=revision, reason=failed,
            confirmed=confirmed,
        ),
    )  # fmt: skip
    queue.waiting[track.key] = track
    run.locate(track)[0].end(queue)
