"""Deployments that are set aside: deferred when their cluster is not ready, requeued when it is, ended with the run."""

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import ClustersJob
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.rules.cluster_phase import Readiness, phase_reason, readiness
from batch_deployer.rules.lifecycle import UNDER_WAY, Phase
from batch_deployer.rules.responses import fingerprint

PUT_ASIDE = "put aside by an operator"


def defer(run: RunContext, track: DeploymentState, cause: Deferral, why: str, phase: str = "") -> None:
    """Set a deployment aside, or note another reason for it. What is under way is not polled meanwhile."""
    if track.phase in (Phase.FINISHED, Phase.INTENDED) or (track.deferral, track.deferred_why) == (cause, why):
        return
    scheduler, queue = run.locate(track)
    queue.aside[track.key] = track
    if track.phase in UNDER_WAY and not track.aside:
        track.aside = True
        queue.watching.pop(track.key, None)
        scheduler.end(queue)
    queue.waiting.pop(track.key, None)
    queue.withdraw(track)
    run.emit(track, e.Deferred(at=run.wall(), key=track.key, cause=cause, why=why, phase=phase))


def requeue(run: RunContext, track: DeploymentState) -> None:
    """Take a deferred deployment up again; the rollout decides whether it may start now."""
    scheduler, queue = run.locate(track)
    queue.aside.pop(track.key, None)
    if track.aside:
        now = run.now()
        track.aside = False
        # What happened meanwhile is not known, so it gets its time anew.
        track.deadline = now + track.deployment.release.timeout
        track.absent_since, track.absent_polls = None, 0
        scheduler.begin(queue)
        queue.watching[track.key] = track
        track.next_poll_at = now
        scheduler.schedule_poll(queue, now)
    run.emit(track, e.Requeued(at=run.wall(), key=track.key))


def wait_in_line(run: RunContext, queue: ClusterWork, track: DeploymentState) -> None:
    """Put a deployment of which nothing is under way any more back among those that wait, or set it aside."""
    queue.waiting[track.key] = track
    if track.key in run.skipped:
        defer(run, track, Deferral.OPERATOR, PUT_ASIDE)
    elif queue.deferred:
        judge_phase(run, queue, track)
    else:
        pause_with_cloud(run, track)


def pause_with_cloud(run: RunContext, track: DeploymentState) -> None:
    """Set a deployment aside whose write was answered after its cloud was paused."""
    if outage := run.locate(track)[0].health.outage:
        defer(run, track, Deferral.CLOUD, outage)


def judge_phase(run: RunContext, queue: ClusterWork, track: DeploymentState) -> None:
    """Defer a deployment whose cluster is not ready, or end it where the cluster will not be ready in this run."""
    why = phase_reason(queue.phase, queue.phase_reason)
    if readiness(queue.phase) is Readiness.LATER:
        if track.deferral is not Deferral.OPERATOR:
            defer(run, track, Deferral.CLUSTER, why, queue.phase)
    else:
        run.finish(track, Outcome.UNREACHABLE, why + _unseen_end(track), cause=fingerprint(why))


def take_phase(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork, phase: str, detail: str) -> None:
    """Let starts on a cluster go on, wait, or end, by its phase. What is under way is watched on."""
    queue.phase, queue.phase_reason = phase, detail
    ready, was_deferred = readiness(phase), queue.deferred
    queue.deferred = ready is not Readiness.READY
    (scheduler.health.asleep.add if ready is Readiness.LATER else scheduler.health.asleep.discard)(queue.cluster.id)
    if ready is Readiness.READY:
        if was_deferred:
            queue.breaker.record_success()
            wake(run, scheduler, queue)
        return
    set_aside = [track for track in queue.aside.values() if track.deferral is Deferral.CLUSTER]
    for track in [*queue.waiting.values(), *set_aside]:
        judge_phase(run, queue, track)


def wake(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork) -> None:
    """Requeue what was set aside because a cluster, or its whole cloud, was not ready; look at the rest at once."""
    for track in list(queue.aside.values()):
        if track.deferral in (Deferral.CLUSTER, Deferral.CLOUD):
            requeue(run, track)
    if queue.waiting or queue.watching:
        scheduler.schedule_poll(queue, run.now())


def pause_cloud(run: RunContext, scheduler: CloudScheduler, reason: str) -> None:
    """Set everything of a cloud aside that does not answer as a whole; only its clusters are asked for from now on."""
    scheduler.health.outage = reason
    if scheduler.open:
        scheduler.open, scheduler.unanswered = False, {ClustersJob}
        scheduler.ask(ClustersJob())
    scheduler.health.failing_since = (
        run.now() if scheduler.health.failing_since is None else scheduler.health.failing_since
    )
    message = f"{reason}; the cloud is paused, and asked again as long as the run lasts"
    run.announce(e.Warned(at=run.wall(), message=message))
    for queue in scheduler.queues.values():
        for track in queue.states():
            defer(run, track, Deferral.CLOUD, reason)


def end_pause(run: RunContext, scheduler: CloudScheduler) -> None:
    """Take a cloud up again that has answered."""
    scheduler.health.outage, scheduler.health.opening_faults, scheduler.health.failing_since = "", 0, None
    run.announce(e.Warned(at=run.wall(), message=f"cloud {scheduler.cloud.name} answers again"))
    for queue in scheduler.queues.values():
        queue.breaker.record_success()


def end_deferred(run: RunContext, track: DeploymentState) -> None:
    """Give a deployment that is still set aside its outcome at the end of the run."""
    why, unseen = track.deferred_why, _unseen_end(track)
    if track.deferral is Deferral.CLOUD:
        run.finish(track, Outcome.UNREACHABLE, why + unseen, cause=fingerprint(why))
    else:
        run.finish(track, Outcome.DEFERRED, why + unseen)


def _unseen_end(track: DeploymentState) -> str:
    if track.phase is Phase.UNCERTAIN:
        return f"; {track.operation} was sent and its fate is unknown"
    if track.phase is Phase.WATCHING:
        return f"; {track.operation} was accepted and its end was not seen (last status {track.status or 'none'})"
    return ""
