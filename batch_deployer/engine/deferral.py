"""Deployments that are set aside: deferred when their cluster is not ready, requeued when it is, ended with the run."""

from batch_deployer.engine.cluster_work import ClusterQueue
from batch_deployer.engine.context import Run
from batch_deployer.engine.deployment_state import Track
from batch_deployer.engine.jobs import ClustersJob
from batch_deployer.engine.scheduler import Board
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.rules.cluster_phase import Readiness, phase_reason, readiness
from batch_deployer.rules.lifecycle import UNDER_WAY, Phase
from batch_deployer.rules.responses import fingerprint

PUT_ASIDE = "put aside by an operator"


def defer(run: Run, track: Track, cause: Deferral, why: str, phase: str = "") -> None:
    """Set a deployment aside, or note another reason for it. What is under way is not polled meanwhile."""
    if track.phase in (Phase.FINISHED, Phase.INTENDED) or (track.deferral, track.deferred_why) == (cause, why):
        return
    board, queue = run.place(track)
    queue.aside[track.key] = track
    if track.phase in UNDER_WAY and not track.aside:
        track.aside = True
        queue.watching.pop(track.key, None)
        board.end(queue)
    queue.waiting.pop(track.key, None)
    queue.withdraw(track)
    run.emit(track, e.Deferred(at=run.wall(), key=track.key, cause=cause, why=why, phase=phase))


def requeue(run: Run, track: Track) -> None:
    """Take a deferred deployment up again; the rollout decides whether it may start now."""
    board, queue = run.place(track)
    queue.aside.pop(track.key, None)
    if track.aside:
        now = run.now()
        track.aside = False
        # What happened meanwhile is not known, so it gets its time anew.
        track.deadline = now + track.deployment.release.timeout
        track.absent_since, track.absent_looks = None, 0
        board.begin(queue)
        queue.watching[track.key] = track
        track.look_at = now
        board.look_soon(queue, now)
    run.emit(track, e.Requeued(at=run.wall(), key=track.key))


def wait_in_line(run: Run, queue: ClusterQueue, track: Track) -> None:
    """Put a deployment of which nothing is under way any more back among those that wait, or set it aside."""
    queue.waiting[track.key] = track
    if track.key in run.skipped:
        defer(run, track, Deferral.OPERATOR, PUT_ASIDE)
    elif queue.deferred:
        judge_phase(run, queue, track)
    else:
        pause_with_cloud(run, track)


def pause_with_cloud(run: Run, track: Track) -> None:
    """Set a deployment aside whose write was answered after its cloud was paused."""
    if outage := run.place(track)[0].health.outage:
        defer(run, track, Deferral.CLOUD, outage)


def judge_phase(run: Run, queue: ClusterQueue, track: Track) -> None:
    """Defer a deployment whose cluster is not ready, or end it where the cluster will not be ready in this run."""
    why = phase_reason(queue.phase, queue.phase_reason)
    if readiness(queue.phase) is Readiness.LATER:
        if track.deferral is not Deferral.OPERATOR:
            defer(run, track, Deferral.CLUSTER, why, queue.phase)
    else:
        run.finish(track, Outcome.UNREACHABLE, why + _unseen_end(track), cause=fingerprint(why))


def take_phase(run: Run, board: Board, queue: ClusterQueue, phase: str, detail: str) -> None:
    """Let starts on a cluster go on, wait, or end, by its phase. What is under way is watched on."""
    queue.phase, queue.phase_reason = phase, detail
    ready, was_deferred = readiness(phase), queue.deferred
    queue.deferred = ready is not Readiness.READY
    (board.health.asleep.add if ready is Readiness.LATER else board.health.asleep.discard)(queue.cluster.id)
    if ready is Readiness.READY:
        if was_deferred:
            queue.breaker.passed()
            wake(run, board, queue)
        return
    set_aside = [track for track in queue.aside.values() if track.deferral is Deferral.CLUSTER]
    for track in [*queue.waiting.values(), *set_aside]:
        judge_phase(run, queue, track)


def wake(run: Run, board: Board, queue: ClusterQueue) -> None:
    """Requeue what was set aside because a cluster, or its whole cloud, was not ready; look at the rest at once."""
    for track in list(queue.aside.values()):
        if track.deferral in (Deferral.CLUSTER, Deferral.CLOUD):
            requeue(run, track)
    if queue.waiting or queue.watching:
        board.look_soon(queue, run.now())


def pause_cloud(run: Run, board: Board, reason: str) -> None:
    """Set everything of a cloud aside that does not answer as a whole; only its clusters are asked for from now on."""
    board.health.outage = reason
    if board.open:
        board.open, board.unanswered = False, {ClustersJob}
        board.ask(ClustersJob())
    board.health.failing_since = run.now() if board.health.failing_since is None else board.health.failing_since
    message = f"{reason}; the cloud is paused, and asked again as long as the run lasts"
    run.announce(e.Warned(at=run.wall(), message=message))
    for queue in board.queues.values():
        for track in queue.tracks():
            defer(run, track, Deferral.CLOUD, reason)


def end_pause(run: Run, board: Board) -> None:
    """Take a cloud up again that has answered."""
    board.health.outage, board.health.opening_faults, board.health.failing_since = "", 0, None
    run.announce(e.Warned(at=run.wall(), message=f"cloud {board.cloud.name} answers again"))
    for queue in board.queues.values():
        queue.breaker.passed()


def end_deferred(run: Run, track: Track) -> None:
    """Give a deployment that is still set aside its outcome at the end of the run."""
    why, unseen = track.deferred_why, _unseen_end(track)
    if track.deferral is Deferral.CLOUD:
        run.finish(track, Outcome.UNREACHABLE, why + unseen, cause=fingerprint(why))
    else:
        run.finish(track, Outcome.DEFERRED, why + unseen)


def _unseen_end(track: Track) -> str:
    if track.phase is Phase.UNCERTAIN:
        return f"; {track.operation} was sent and its fate is unknown"
    if track.phase is Phase.WATCHING:
        return f"; {track.operation} was accepted and its end was not seen (last status {track.status or 'none'})"
    return ""
