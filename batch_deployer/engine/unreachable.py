"""What a look that failed means for the cluster and everything on it."""

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import judge_phase
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer
from batch_deployer.model.deployment import Outcome
from batch_deployer.rules.cluster_phase import Readiness, readiness
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.responses import Verdict, describe, fingerprint


def poll_failed(
    run: RunContext, scheduler: CloudScheduler, queue: ClusterWork, answer: Answer, verdict: Verdict
) -> None:
    """Take in a look that brought no list, and plan the next one."""
    now = run.now()
    match verdict:
        case Verdict.THROTTLED | Verdict.EXPIRED:
            scheduler.schedule_poll(queue, now)
        case Verdict.LOCKED | Verdict.UNSETTLED:
            scheduler.schedule_poll(queue, now + run.settings.retry.locked)
        case Verdict.AUTH:
            pass
        case Verdict.STATE:
            _forbidden_now(run, scheduler, queue, answer)
        case Verdict.ABSENT:
            _give_up(run, queue, Outcome.REJECTED, f"the cluster does not exist: {describe(answer)}", answer)
        case Verdict.DENIED:
            run.denied = True
            _give_up(run, queue, Outcome.REJECTED, f"no permission: {describe(answer)}", answer)
        case Verdict.MISROUTED | Verdict.REJECTED | Verdict.EXISTS:
            _give_up(
                run, queue, Outcome.REJECTED, f"the cluster's releases cannot be listed: {describe(answer)}", answer
            )
        case _:
            _record_failure(run, scheduler, queue, answer)


def _forbidden_now(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork, answer: Answer) -> None:
    """Take in that the cluster's state forbids even a look; what waits is held back or refused by its phase."""
    ready = readiness(queue.phase)
    if ready is Readiness.READY:  # it has changed since its phase was asked for
        scheduler.ask(*scheduler.health.question(queue, run.now()))
    else:
        for track in list(queue.waiting.values()):
            judge_phase(run, queue, track)
    if queue.watching or (ready is Readiness.READY and queue.waiting):
        _record_failure(run, scheduler, queue, answer)


def _record_failure(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork, answer: Answer) -> None:
    """Count a fault of the cluster's service; leave it alone for a while, or for good."""
    now, settings = run.now(), run.settings.retry
    was_tripped = queue.breaker.is_open
    again = queue.breaker.record_failure(now, run.ports.draw(), settings, within_budget=scheduler.budget.spend())
    if queue.breaker.exhausted(now, settings):
        lasted = now - (queue.breaker.failing_since or now)
        _no_hope(run, scheduler, queue, answer, f"no usable answer for {lasted:.0f} s: {describe(answer)}")
        return
    if queue.breaker.is_open and not was_tripped:
        scheduler.ask(*scheduler.health.question(queue, now))
        for track in queue.waiting.values():
            why = f"the cluster does not answer: {describe(answer)}"
            run.emit(track, e.Undecided(at=run.wall(), key=track.key, why=why))
    if not is_cloud_out(scheduler, queue):
        _time_out(run, queue, answer)
    asked = now + min(answer.retry_after or 0.0, settings.cap)
    scheduler.schedule_poll(queue, max(again, asked))


def is_cloud_out(scheduler: CloudScheduler, queue: ClusterWork) -> bool:
    """Whether nothing else of the cloud has answered either since this cluster last did."""
    failing_since = queue.breaker.failing_since
    return failing_since is not None and scheduler.health.answered_at < failing_since


def _no_hope(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork, answer: Answer, reason: str) -> None:
    """Set everything on a cluster that is not ready aside, or on the cloud that does not answer; else end it."""
    if readiness(queue.phase) is Readiness.LATER:
        for track in queue.states():
            judge_phase(run, queue, track)
    elif is_cloud_out(scheduler, queue):
        run.on_outage(scheduler, f"cloud {scheduler.cloud.name}: {reason}")
    else:
        _give_up(run, queue, Outcome.UNREACHABLE, reason, answer)


def _time_out(run: RunContext, queue: ClusterWork, answer: Answer) -> None:
    """End what is overdue even though the cluster cannot be asked."""
    now = run.now()
    for track in list(queue.watching.values()):
        if track.phase is Phase.WATCHING and now >= track.deadline and readiness(queue.phase) is Readiness.LATER:
            judge_phase(run, queue, track)
        elif track.phase is Phase.WATCHING and now >= track.deadline:
            reason = (
                f"{track.operation} not finished within {track.deployment.release.timeout:g} s; last status "
                f"{track.status or 'never seen'}, and the cluster does not answer: {describe(answer)}"
            )
            run.finish(track, Outcome.TIMED_OUT, reason, cause=f"timed out {track.status}")


def _give_up(run: RunContext, queue: ClusterWork, outcome: Outcome, reason: str, answer: Answer) -> None:
    """End everything on the cluster."""
    cause = fingerprint(str(answer.status), answer.code, answer.message)
    if queue.phase not in ("", "Available"):
        reason += f"; the cluster is {queue.phase}"
    if queue.successor:
        reason += f"; {queue.successor}"
    for track in queue.states():
        if track.phase is not Phase.FINISHED:
            run.finish(track, outcome, _whose(track, reason), cause=cause)


def _whose(track: DeploymentState, reason: str) -> str:
    if track.phase is Phase.UNCERTAIN:
        return f"{track.operation} was sent and its fate is unknown; {reason}"
    if track.phase is Phase.WATCHING:
        return (
            f"{track.operation} was accepted and its end was not seen (last status {track.status or 'none'}); {reason}"
        )
    return reason
