"""The write of one deployment: journal the intent, ask the fence, send once, and take in what came of it."""

import dataclasses

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import pause_with_cloud, wait_in_line
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import WriteJob
from batch_deployer.engine.own_address import read_release
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.errors import InputError
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, CreateRelease, DeleteRelease, ReleaseState, UpdateRelease, Write
from batch_deployer.model.deployment import Operation, Outcome, Parameters
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.release_names import is_name
from batch_deployer.rules.responses import Verdict, describe, fingerprint
from batch_deployer.rules.retry import backoff, jittered

ENDLESS = frozenset({"cluster state", "exists", "locked", "unsettled"})
"""Refusals that only the deployment's own timeout ends: somebody else holds the release."""

MAX_COLLISIONS = 3
"""Creates refused because something exists, after which the refusal is final: looking again did not show a release."""


def compose(run: RunContext, track: DeploymentState, operation: Operation) -> Write:
    """Build the call. Raises InputError when a secret is gone."""
    spec, cluster_id = track.deployment.release, track.deployment.cluster.id
    where = {"cluster_id": cluster_id, "namespace": spec.namespace, "name": track.name}
    if operation is Operation.DELETE:
        return DeleteRelease(**where)
    if operation is Operation.ROLLBACK:
        back = Parameters(release_version=track.return_to)
        return UpdateRelease(**where, operation=operation, chart_id=track.return_chart, parameters=back)
    catalogue, values = run.catalogue(track), run.rendered(spec)
    chart_id = catalogue.chart_id(spec)
    if operation is Operation.UPGRADE:
        return UpdateRelease(
            **where, operation=operation, chart_id=chart_id, values_json=values, parameters=_declared(spec.parameters)
        )
    return CreateRelease(
        **where, chart_id=chart_id, version=catalogue.version(spec), values_json=values, parameters=spec.parameters,
        description=spec.description,
    )  # fmt: skip


_SENDS_VALUES = (Operation.CREATE, Operation.UPGRADE)


def _declared(given: Parameters) -> Parameters:
    """For an upgrade: forget earlier values, since what is sent is all that is wanted; unless the user decides otherwise."""
    if given.reset_values is not None or given.replace:
        return given
    return dataclasses.replace(given, reset_values=True)


async def write(run: RunContext, scheduler: CloudScheduler, job: WriteJob) -> None:
    """Perform one write job. Raises JournalError, and then nothing has left."""
    queue, track, operation = job.queue, job.track, job.operation
    try:
        call = compose(run, track, operation)
        values = run.sent_digest(track.deployment.release) if operation in _SENDS_VALUES else ""
    except InputError as error:
        scheduler.writes.abandon(job.slot, run.now())
        scheduler.end(queue)
        run.finish(track, Outcome.REJECTED, str(error), cause=fingerprint(str(error)))
        return
    if not run.ports.fence.may_write():
        lost = "the lease of the run lock ran out: another run may have taken over, so nothing more is written"
        _put_back(run, scheduler, job)
        run.halt_unlocked(lost)
        return
    if closed := run.closed():
        _put_back(run, scheduler, job)
        run.halt("deadline", closed)
        return
    await run.emit_durably(
        track,
        e.Intended(
            at=run.wall(), key=track.key, operation=operation, attempt=track.attempts + 1,
            revision=track.old_revision, updated_at=track.old_updated_at, created_at=track.old_created_at, cloud_at=scheduler.cloud_time(run.now()),
            target=track.return_to if operation is Operation.ROLLBACK else 0,
            values=values,
        ),
    )  # fmt: skip
    # Asked again: the commit may have taken long, and meanwhile the process may have been stopped and overtaken, or
    # another write of this cloud may have been throttled.
    closed = run.closed()
    unwanted = queue.deferred or track.key in run.skipped
    if unwanted or scheduler.holding or scheduler.writes.paused(run.now()) or closed or not run.ports.fence.may_write():
        scheduler.writes.abandon(job.slot, run.now())
        _refuse(run, track, queue, "held back before it was sent", Answer(), wait=0.0)
        if not run.ports.fence.may_write():
            run.halt_unlocked("another run has taken over the lock")
        if closed:
            run.halt("deadline", closed)
        return
    answer, verdict, _ = await attempt(run, scheduler, job, call)
    track.limited += job.limited and verdict is Verdict.AMBIGUOUS
    _take_in(run, queue, track, answer, verdict)


def _put_back(run: RunContext, scheduler: CloudScheduler, job: WriteJob) -> None:
    scheduler.writes.abandon(job.slot, run.now())
    scheduler.end(job.queue)
    job.queue.waiting[job.track.key] = job.track


def _take_in(run: RunContext, queue: ClusterWork, track: DeploymentState, answer: Answer, verdict: Verdict) -> None:
    """Fold the answer to a write into the deployment."""
    settings, draw = run.settings.retry, run.ports.draw
    match verdict:
        case Verdict.OK if track.deployment.release.parameters.dry_run and track.operation is not Operation.DELETE:
            run.finish(track, Outcome.UNCHANGED, "dry run: the cloud would accept it")
        case Verdict.OK:
            _accepted(run, queue, track, answer)
        case Verdict.EXISTS if track.uncertain == 0 and track.collisions + 1 >= MAX_COLLISIONS:
            run.finish(
                track, Outcome.REJECTED, f"refused {MAX_COLLISIONS} times: {describe(answer)}", cause=_cause(answer)
            )
        case Verdict.EXISTS if track.uncertain == 0:
            # Certainly not ours: somebody was faster. See what is there and decide anew.
            wait = jittered(settings.locked, draw())
            _refuse(run, track, queue, "exists", answer, wait=wait, anew=True)
            if track.phase is Phase.WAITING:
                read_release(run, track, run.now() + wait)
        case Verdict.EXISTS | Verdict.AMBIGUOUS:
            _uncertain(run, queue, track, answer, verdict)
        case Verdict.THROTTLED:
            _refuse(run, track, queue, "throttled", answer, wait=0.0)
        case Verdict.LOCKED:
            # Whoever holds it may change it, so the release is polled before the next try.
            _refuse(run, track, queue, "locked", answer, wait=jittered(settings.locked, draw()), anew=True)
        case Verdict.STATE:
            run.locate(track)[0].ask(*run.locate(track)[0].health.question(queue, run.now()))
            _refuse(run, track, queue, "cluster state", answer, wait=jittered(settings.locked, draw()), anew=True)
        case Verdict.UNSETTLED:
            _refuse(run, track, queue, "unsettled", answer, wait=jittered(settings.locked, draw()), anew=True)
        case Verdict.EXPIRED:
            _refuse(run, track, queue, "credential renewed", answer, wait=0.0)
        case Verdict.AUTH:
            _refuse(run, track, queue, "credential refused", answer, wait=0.0)
        case Verdict.TRANSIENT:
            _not_sent(run, queue, track, answer)
        case Verdict.DENIED:
            run.denied = True
            run.finish(track, Outcome.REJECTED, f"no permission: {describe(answer)}", cause=_cause(answer))
        case Verdict.ABSENT | Verdict.MISROUTED | Verdict.REJECTED:
            if track.operation is Operation.DELETE and verdict is Verdict.ABSENT:
                _accepted(run, queue, track, answer)  # gone already, which is what was wanted
            else:
                run.finish(track, Outcome.REJECTED, describe(answer), cause=_cause(answer))


def _cause(answer: Answer) -> str:
    return fingerprint(str(answer.status), answer.code, answer.message)


def _accepted(run: RunContext, queue: ClusterWork, track: DeploymentState, answer: Answer) -> None:
    name = _name_made(track, answer)
    run.emit(
        track,
        e.Accepted(
            at=run.wall(), key=track.key, operation=track.operation, request_id=answer.request_id, name=name
        ),
    )  # fmt: skip
    watch(run, queue, track)


def _name_made(track: DeploymentState, answer: Answer) -> str:
    """Name that the cloud made from `name_template`; empty when it is the one that was sent."""
    if track.operation is not Operation.CREATE or not track.deployment.release.parameters.name_template:
        return ""
    name = answer.body.name if isinstance(answer.body, ReleaseState) else ""
    return name if is_name(name) and name != track.name else ""


def watch(run: RunContext, queue: ClusterWork, track: DeploymentState) -> None:
    """Have a deployment under way looked at when its end may be near."""
    scheduler, _ = run.locate(track)
    queue.watching[track.key] = track
    track.next_poll_at = run.now() + run.next_poll_interval(track, scheduler)
    scheduler.schedule_poll(queue, track.next_poll_at)
    pause_with_cloud(run, track)


def _uncertain(run: RunContext, queue: ClusterWork, track: DeploymentState, answer: Answer, verdict: Verdict) -> None:
    scheduler, _ = run.locate(track)
    why = f"{verdict}: {describe(answer)}"
    run.emit(
        track,
        e.Uncertain(at=run.wall(), key=track.key, operation=track.operation, why=why, request_id=answer.request_id),
    )
    queue.watching[track.key] = track
    track.next_poll_at = run.now() + min(run.settings.poll.min_interval, run.settings.reconcile.absence_grace / 10)
    scheduler.schedule_poll(queue, track.next_poll_at)
    pause_with_cloud(run, track)


def _not_sent(run: RunContext, queue: ClusterWork, track: DeploymentState, answer: Answer) -> None:
    """Take in a write that did not reach the server."""
    scheduler, _ = run.locate(track)
    settings = run.settings.retry
    within = scheduler.budget.spend()
    queue.breaker.record_failure(run.now(), run.ports.draw(), settings, within_budget=within)
    # Looks may go well meanwhile, so the cluster's own record does not tell how long writes have been failing.
    if run.now() - track.started_at >= settings.give_up_after and scheduler.health.answered_at >= track.started_at:
        run.finish(track, Outcome.UNREACHABLE, describe(answer), cause=_cause(answer))
        return
    wait = backoff(queue.breaker.failures, run.ports.draw(), settings) if within else settings.cap
    _refuse(run, track, queue, "not sent", answer, wait=wait)
    scheduler.schedule_poll(queue, run.now() + wait)


def _refuse(
    run: RunContext,
    track: DeploymentState,
    queue: ClusterWork,
    why: str,
    answer: Answer,
    *,
    wait: float,
    anew: bool = False,
) -> None:
    """Put a deployment whose write was certainly not executed back in line; `anew`: look and decide again first."""
    scheduler, _ = run.locate(track)
    if why in ENDLESS and not queue.deferred and run.now() - track.started_at > track.deployment.release.timeout:
        run.finish(track, Outcome.TIMED_OUT, f"kept being refused ({why}): {describe(answer)}", cause=_cause(answer))
        return
    run.emit(
        track,
        e.Refused(
            at=run.wall(), key=track.key, operation=track.operation, why=why, code=answer.code,
            message=answer.message, request_id=answer.request_id, wait=wait,
        ),
    )  # fmt: skip
    scheduler.end(queue)
    wait_in_line(run, queue, track)
    if track.phase is not Phase.WAITING:
        return
    if anew:
        track.asked_of = ""
        scheduler.schedule_poll(queue, run.now() + wait)
    elif wait:
        scheduler.later(run.now() + wait, track)
    else:
        queue.make_ready(track)
        scheduler.offer(queue)
