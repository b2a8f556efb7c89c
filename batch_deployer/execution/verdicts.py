"""What one look means for one deployment: decide, confirm, go on waiting, or end."""

import math

from batch_deployer.execution.jobs import HistoryJob
from batch_deployer.execution.own_address import is_absence_confirmed, read_release
from batch_deployer.execution.queue import ClusterQueue
from batch_deployer.execution.run import Run
from batch_deployer.execution.track import Track
from batch_deployer.execution.write import watch
from batch_deployer.model import events as e
from batch_deployer.model.api import PENDING, ReleaseState, Status
from batch_deployer.model.deployment import Action, OnFailure, Operation, Outcome
from batch_deployer.rules.decide import Decision, difference, unknown_status
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.release_names import pattern_of
from batch_deployer.rules.replies import fingerprint
from batch_deployer.rules.settle import Fate, Sight, judge_fate, judge_sight

ABSENT = "ABSENT"
"""The observation of a release that is not there."""
OWN_READ_AT_LOOK = 2
"""Look in a row that does not show a release at which its own address is read: the list may leave it out."""
_ADOPTED = {
    Status.PENDING_INSTALL: Operation.CREATE,
    Status.PENDING_UPGRADE: Operation.UPGRADE,
    Status.PENDING_ROLLBACK: Operation.ROLLBACK,
}


def waiting(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    """Decide what to do to a deployment of which nothing is under way."""
    seen = f"{state.status} {state.revision} {state.updated_at}" if state is not None else ABSENT
    if track.settled or (track.attempts and track.uncertain):
        _go_on(run, queue, track)  # in the middle of an action: its own steps decide, not policy
        return
    if seen == track.asked_of and track.action is not Action.BLOCKED:
        _line_up(run, queue, track)
        return
    decision = run.decide(track, state)
    expected = run.plan.expected.get(track.key)
    if expected is not None and decision.basis != expected and not track.sent_at:
        reason = f"the world moved since the plan was saved: expected {expected}, found {decision.basis}"
        run.finish(track, Outcome.REJECTED, reason, cause="the world moved since the plan was saved")
        return
    track.asked_of = seen
    if decision.settling:
        _await_settled(run, queue, track, decision)
        return
    run.emit(
        track,
        e.Planned(
            at=run.wall(), key=track.key, action=decision.action, reason=decision.explanation, status=decision.status,
            revision=decision.revision, updated_at=decision.updated_at,
        ),
    )  # fmt: skip
    match decision.action:
        case Action.UNCHANGED:
            run.finish(track, Outcome.UNCHANGED, decision.reason)
        case Action.BLOCKED:
            run.finish(track, Outcome.REJECTED, decision.reason, cause=fingerprint(decision.reason))
        case Action.ADOPT:
            operation = _ADOPTED[Status(decision.status)]
            _adopt(run, queue, track, operation, status=decision.status, revision=decision.revision)
        case _:
            _line_up(run, queue, track)


def _adopt(run: Run, queue: ClusterQueue, track: Track, operation: Operation, *, status: str, revision: int) -> None:
    """Watch an operation that was not sent, as far as the journal knows."""
    del queue.waiting[track.key]
    run.emit(track, e.Confirmed(at=run.wall(), key=track.key, operation=operation, status=status, revision=revision))
    run.place(track)[0].begin(queue)
    watch(run, queue, track)


def _await_settled(run: Run, queue: ClusterQueue, track: Track, decision: Decision) -> None:
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
    track.look_at = now + max(run.settings.watch.shortest, run.settings.watch.first)


def _line_up(run: Run, queue: ClusterQueue, track: Track) -> None:
    """Make a decided deployment ready for its write, or first ask what its rollback needs to know."""
    board, _ = run.place(track)
    if track.next_operation() is Operation.ROLLBACK and not track.return_chart:
        if not track.asking:
            track.asking = True
            board.ask(HistoryJob(queue=queue, track=track))
        return
    if track.not_before <= run.now():
        queue.make_ready(track)
        board.offer(queue)
    else:  # refused a moment ago, and a look came sooner than its wait ends
        board.later(track.not_before, track)


def _go_on(run: Run, queue: ClusterQueue, track: Track) -> None:
    if not track.queued:
        _line_up(run, queue, track)


def under_way(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    """Judge a deployment that is under way."""
    if track.phase is Phase.UNCERTAIN:
        _read_back(run, queue, track, state)
    if track.phase is Phase.WATCHING:
        _watch(run, queue, track, state)


def _read_back(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    """Find out whether a write of unknown fate took effect."""
    base = track.baseline(run.catalogue(track).chart_name(track.deployment.release))
    differs = _differs(run, track, state) if base.operation is Operation.CREATE and state is not None else ""
    fate, reason = judge_fate(base, state, sent_at=track.sent_at, skew=run.settings.reconcile.skew, differs=differs)
    match fate:
        case Fate.OURS:
            run.emit(
                track,
                e.Confirmed(
                    at=run.wall(), key=track.key, operation=base.operation, status=state.status if state else "",
                    revision=state.revision if state else 0,
                ),
            )  # fmt: skip
        case Fate.CONFLICT:
            _conflict(run, track, reason)
        case Fate.NOT_YET:
            _still_absent(run, queue, track, state)


def _differs(run: Run, track: Track, state: ReleaseState) -> str:
    """How chart and values of what runs differ from what is wanted."""
    spec = track.deployment.release
    return difference(spec, run.catalogue(track).chart_name(spec), run.values(spec), state)


def _conflict(run: Run, track: Track, reason: str, *, last: ReleaseState | None = None) -> None:
    """End a deployment because somebody else's release is in its place."""
    run.finish(track, Outcome.REJECTED, f"conflict: {reason}", cause=fingerprint("conflict", reason), last=last)


def _still_absent(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    """Count looks that agree; after the whole grace the write counts as not executed, and one more may be sent."""
    if not _absent_long_enough(run, track) or (state is None and not is_absence_confirmed(run, track)):
        _look_at_absent(run, track, state)
        return
    if track.attempts >= run.settings.retry.max_writes:
        reason = f"{track.operation} was sent {track.attempts} times and never took effect"
        run.finish(track, Outcome.FAILED, reason, cause=fingerprint(reason))
        return
    template = track.deployment.release.parameters.name_template
    if track.operation is Operation.CREATE and template and pattern_of(template) is None:
        reason = "the answer to its create was lost, and a name made from name_template alone cannot be looked for"
        run.finish(track, Outcome.FAILED, f"{reason}; look at the cluster", cause=fingerprint(reason))
        return
    del queue.watching[track.key]
    run.emit(track, e.Missing(at=run.wall(), key=track.key, operation=track.operation))
    queue.waiting[track.key] = track
    run.place(track)[0].end(queue)


def _absent_long_enough(run: Run, track: Track) -> bool:
    settings, now = run.settings.reconcile, run.now()
    track.absent_looks += 1
    if track.absent_since is None:
        track.absent_since = now
    return now - track.absent_since >= settings.grace and track.absent_looks >= settings.looks


def _look_at_absent(run: Run, track: Track, state: ReleaseState | None) -> None:
    """Look again at what is absent: at even gaps, and at once when the grace is over; once at its own address."""
    if state is None and track.absent_looks == OWN_READ_AT_LOOK:
        read_release(run, track)
    settings, now = run.settings.reconcile, run.now()
    over = (now if track.absent_since is None else track.absent_since) + settings.grace
    again = now + settings.grace / settings.looks
    track.look_at = min(again, over) if over > now else again


def _watch(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    """Judge a deployment whose write was accepted."""
    now = run.now()
    sight, reason = judge_sight(track.baseline(""), state)
    if sight is Sight.DONE:
        _operation_over(run, queue, track, state, failed="")
        return
    if sight is Sight.OTHER and state is not None:
        _made_anew(run, queue, track, state)
        return
    if state is not None and (state.status, state.revision) != (track.status, track.revision):
        run.emit(track, e.Seen(at=run.wall(), key=track.key, status=state.status, revision=state.revision))
    gone = sight is Sight.GONE and _absent_long_enough(run, track) and is_absence_confirmed(run, track)
    if sight is Sight.BAD or gone:
        _operation_over(run, queue, track, state, failed=reason)
    elif now >= track.deadline:
        run.finish(track, Outcome.TIMED_OUT, _overdue(queue, track, state, sight), cause=f"timed out {track.status}")
    elif sight is Sight.GONE:
        _look_at_absent(run, track, state)
    else:
        _goes_on(track)


def no_news(track: Track, state: ReleaseState | None, now: float) -> bool:
    """Whether a look says no more of a deployment under way than the last one did, as most do: it goes on."""
    same = (
        state is not None and state.status in PENDING and track.phase is Phase.WATCHING and now < track.deadline
        and state.status == track.status and state.revision == track.revision and track.operation is not Operation.DELETE
    )  # fmt: skip
    if same:
        _goes_on(track)
    return same


def _goes_on(track: Track) -> None:
    """Have it looked at when its end may be near: together with all others of its cluster, once the look is taken in."""
    track.absent_since, track.absent_looks = None, 0
    track.look_at = math.inf


def _overdue(queue: ClusterQueue, track: Track, state: ReleaseState | None, sight: Sight) -> str:
    timeout = track.deployment.release.timeout
    if sight is Sight.STALE:
        text = f"{track.operation} was accepted, but revision {track.old_revision} has not moved within {timeout:g} s"
    else:
        last = f"last status {state.status}" if state else "last status absent"
        last = (unknown_status(state.status) if state else "") or last
        text = f"{track.operation} not finished within {timeout:g} s; {last}"
        if state is not None and state.status in PENDING:
            text += " (stuck: roll it back or delete it before the next try)"
    return text + (f"; the cluster is {queue.phase}" if queue.phase not in ("", "Available") else "")


def _operation_over(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None, *, failed: str) -> None:
    """End the operation: go on with the action's next step, or end the deployment."""
    spec, operation = track.deployment.release, track.operation
    if not failed and operation in (Operation.CREATE, Operation.UPGRADE) and track.accepted_at:
        run.learn(track, queue.observed_before)
    undoing = operation is Operation.ROLLBACK and track.action is Action.UPGRADE
    more = not failed and track.settled + 1 < len(track.steps)
    undo = (
        failed and operation is Operation.UPGRADE and track.action is Action.UPGRADE
        and spec.on_failure is OnFailure.ROLLBACK and track.old_revision > 0
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


def _made_anew(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState) -> None:
    """Another release is there after a delete: as wanted, it is ours, and a disk has lost that we sent it; or somebody's."""
    differs = _differs(run, track, state)
    if differs or Operation.CREATE not in track.steps:
        reason = "a release of that name was made after it was deleted" + (f", and {differs}" if differs else "")
        _conflict(run, track, reason, last=state)
        return
    _settle(run, queue, track, Operation.DELETE, None, failed="")
    _adopt(run, queue, track, Operation.CREATE, status=state.status, revision=state.revision)


def _next_step(
    run: Run, queue: ClusterQueue, track: Track, operation: Operation, state: ReleaseState | None, *, failed: str
) -> None:
    _settle(run, queue, track, operation, state, failed=failed)
    _line_up(run, queue, track)


def _settle(
    run: Run, queue: ClusterQueue, track: Track, operation: Operation, state: ReleaseState | None, *, failed: str
) -> None:
    """Note that one operation of several is over."""
    del queue.watching[track.key]
    status, revision = (state.status, state.revision) if state else ("", 0)
    run.emit(
        track,
        e.Settled(at=run.wall(), key=track.key, operation=operation, status=status, revision=revision, reason=failed),
    )
    queue.waiting[track.key] = track
    run.place(track)[0].end(queue)
