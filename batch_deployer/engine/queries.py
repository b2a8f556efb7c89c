"""Questions beside the looks: the charts and clusters of a cloud, a cluster's phase, a release's history."""

from collections.abc import Iterable

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import end_pause, take_phase, wake
from batch_deployer.engine.jobs import BootstrapQuery, ChartsJob, ClustersJob, HistoryJob, PhaseJob, PhasesJob, Query
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.model import events as e
from batch_deployer.model.api import (
    UNTRUSTED,
    Answer,
    Call,
    ChartState,
    ClusterState,
    ListCharts,
    ListClusters,
    ReleaseHistory,
    ReleaseState,
    ShowCluster,
    Status,
)
from batch_deployer.model.deployment import Deferral, Operation, Outcome
from batch_deployer.rules.cluster_identity import ListedClusters
from batch_deployer.rules.cluster_phase import Readiness, readiness
from batch_deployer.rules.lifecycle import UNDER_WAY, Phase
from batch_deployer.rules.observation import rollback_target
from batch_deployer.rules.responses import Verdict, describe, fingerprint
from batch_deployer.rules.retry import backoff
from batch_deployer.util.text import span

MAX_BOOTSTRAP_PAUSE_SECONDS = 15.0
"""Seconds between two tries at a cloud's first questions, at most: nothing else can be done meanwhile."""
MAX_ODD_HISTORIES = 3
"""Reads of a history without the newest revision, after which that says nothing."""
MAX_FAILED_HISTORIES = 6
"""Reads of a history without a usable answer, after which a resumed rollback is judged without it."""


async def run_query(run: RunContext, scheduler: CloudScheduler, question: Query) -> None:
    """Perform one question."""
    reply, verdict, _ = await attempt(run, scheduler, question, _call(question))
    if verdict in (Verdict.THROTTLED, Verdict.EXPIRED):
        scheduler.ask(question)
        return
    match question:
        case PhaseJob():
            _phase(run, scheduler, question, reply, verdict)
        case PhasesJob():
            _phases(run, scheduler, reply, verdict)
        case HistoryJob():
            _history(run, scheduler, question, reply, verdict)
        case _:
            _opening(run, scheduler, question, reply, verdict)


def _call(question: Query) -> Call:
    match question:
        case ChartsJob():
            return ListCharts()
        case ClustersJob() | PhasesJob():
            return ListClusters()
        case PhaseJob():
            return ShowCluster(cluster_id=question.queue.cluster.id)
        case HistoryJob():
            spec = question.track.deployment.release
            return ReleaseHistory(
                cluster_id=question.queue.cluster.id, namespace=spec.namespace, name=question.track.name
            )


def _opening(
    run: RunContext, scheduler: CloudScheduler, question: BootstrapQuery, reply: Answer, verdict: Verdict
) -> None:
    """Take in a cloud's charts or clusters; when both questions are answered the cloud is open for work."""
    if verdict is Verdict.AUTH:
        return
    if verdict is Verdict.TRANSIENT:
        _wait_to_open(run, scheduler, question, reply)
        return
    name = scheduler.cloud.name
    if verdict is not Verdict.OK:
        what = "no permission" if verdict is Verdict.DENIED else describe(reply)
        if isinstance(question, ChartsJob):
            run.catalogues[name].error = what
        else:
            run.announce(e.Warned(at=run.wall(), message=f"the clusters of cloud {name} cannot be listed: {what}"))
    elif isinstance(question, ChartsJob) and isinstance(reply.body, list):
        run.catalogues[name].fill([chart for chart in reply.body if isinstance(chart, ChartState)])
    elif isinstance(reply.body, list):
        listed = [cluster for cluster in reply.body if isinstance(cluster, ClusterState)]
        identities = ListedClusters(listed)
        for queue in scheduler.queues.values():
            queue.contradiction = identities.contradiction(queue.cluster)
            queue.successor = identities.successor(queue.cluster)
        _take_phases(run, scheduler, listed)
    if isinstance(question, ClustersJob):
        scheduler.health.is_listed = verdict is Verdict.OK
    scheduler.unanswered.discard(type(question))
    scheduler.open = not scheduler.unanswered
    if scheduler.open:
        _open(run, scheduler)


def _take_phases(run: RunContext, scheduler: CloudScheduler, listed: Iterable[ClusterState]) -> None:
    for cluster in listed:
        if cluster.id in scheduler.queues:
            take_phase(run, scheduler, scheduler.queues[cluster.id], cluster.phase, cluster.reason)


def _open(run: RunContext, scheduler: CloudScheduler) -> None:
    """Take up what an outage, or an earlier process of this run, had set aside and what is ready now."""
    scheduler.health.record_open(run.now())
    if scheduler.health.outage:
        end_pause(run, scheduler)
    for queue in scheduler.queues.values():
        if queue.aside and readiness(queue.phase) is Readiness.READY:
            wake(run, scheduler, queue)
        elif queue.aside:
            take_phase(run, scheduler, queue, queue.phase, queue.phase_reason)


def _wait_to_open(run: RunContext, scheduler: CloudScheduler, question: BootstrapQuery, reply: Answer) -> None:
    """Ask again later, for as long as any other question would be asked."""
    now, settings = run.now(), run.settings.retry
    scheduler.health.opening_faults += 1
    if scheduler.health.failing_since is None:
        scheduler.health.failing_since = now
        until = span(settings.give_up_after)
        message = f"cloud {scheduler.cloud.name} does not answer ({describe(reply)}); waiting for it for up to {until}"
        if reply.code != UNTRUSTED:
            run.announce(e.Warned(at=run.wall(), message=message))
    lasted = now - scheduler.health.failing_since
    reason = f"cloud {scheduler.cloud.name} does not answer: {describe(reply)}"
    if reply.code == UNTRUSTED:
        close(run, scheduler, reason)
        return
    if lasted >= settings.give_up_after and not scheduler.health.outage:
        run.on_outage(scheduler, reason)
        if scheduler.health.dead:
            return
    pause = min(MAX_BOOTSTRAP_PAUSE_SECONDS, backoff(scheduler.health.opening_faults, run.ports.draw(), settings))
    left = settings.give_up_after - lasted
    scheduler.later(now + (pause if scheduler.health.outage else min(pause, left)), question)


def close(run: RunContext, scheduler: CloudScheduler, reason: str) -> None:
    """Give a whole cloud up."""
    scheduler.health.dead = reason
    for queue in scheduler.queues.values():
        set_aside = [track for track in queue.aside.values() if track.deferral in (Deferral.CLUSTER, Deferral.CLOUD)]
        for track in [*queue.states(), *set_aside]:
            run.finish(track, Outcome.UNREACHABLE, reason, cause=fingerprint(reason))


def _phase(run: RunContext, scheduler: CloudScheduler, question: PhaseJob, reply: Answer, verdict: Verdict) -> None:
    question.queue.asking_phase = False
    if verdict is Verdict.OK and isinstance(reply.body, ClusterState):
        take_phase(run, scheduler, question.queue, reply.body.phase, reply.body.reason)
    if question.awaited:
        scheduler.health.answered(run.now())


def _phases(run: RunContext, scheduler: CloudScheduler, reply: Answer, verdict: Verdict) -> None:
    if verdict is Verdict.OK and isinstance(reply.body, list):
        _take_phases(run, scheduler, [each for each in reply.body if isinstance(each, ClusterState)])
    elif verdict is not Verdict.TRANSIENT:
        scheduler.health.is_listed = False
    scheduler.health.answered(run.now())


def _learn_target(
    run: RunContext, scheduler: CloudScheduler, question: HistoryJob, reply: Answer, verdict: Verdict
) -> None:
    """Find what a rollback that an earlier process sent returns to; without that it is judged by its revision alone."""
    if verdict is Verdict.TRANSIENT and question.failures < MAX_FAILED_HISTORIES:
        question.failures += 1
        question.track.asking = True
        scheduler.later(run.now() + backoff(question.failures, run.ports.draw(), run.settings.retry), question)
        return
    known = reply.body if verdict is Verdict.OK and isinstance(reply.body, list) else []
    states = (state for state in known if isinstance(state, ReleaseState))
    target = (state for state in states if state.revision == question.track.return_to)
    question.track.return_state = next(target, None)
    scheduler.schedule_poll(question.queue, run.now())


def _differs_from_poll(run: RunContext, scheduler: CloudScheduler, question: HistoryJob, newest: ReleaseState) -> bool:
    """Whether the history shows another release than the last poll; then it is polled again before anything is sent.

    A history that leaves the newest revision out is believed in the end, as long as the polls agree.
    """
    track = question.track
    later = newest.revision > track.old_revision or newest.status in (Status.DELETING, Status.DELETED)
    if not later and (newest.revision == track.old_revision or track.odd_histories >= MAX_ODD_HISTORIES):
        return False
    track.odd_histories += 1
    if track.odd_histories > MAX_FAILED_HISTORIES:
        reason = f"its history goes on after revision {track.old_revision}, so it is left as it is"
        run.finish(track, Outcome.FAILED, reason, cause=fingerprint(reason))
    else:
        scheduler.schedule_poll(question.queue, run.now() + run.settings.poll.min_interval)
    return True


def _history(run: RunContext, scheduler: CloudScheduler, question: HistoryJob, reply: Answer, verdict: Verdict) -> None:
    """Find the chart of the revision to return to (section 8, 8)."""
    queue, track = question.queue, question.track
    track.asking = False
    if track.phase in UNDER_WAY and track.operation is Operation.ROLLBACK:
        _learn_target(run, scheduler, question, reply, verdict)
        return
    if track.phase is not Phase.WAITING or track.key not in queue.waiting:
        return  # it ended meanwhile, with its cluster
    if verdict is Verdict.TRANSIENT:
        track.asking = True
        scheduler.later(run.now() + backoff(2, run.ports.draw(), run.settings.retry), question)
        return
    if verdict is not Verdict.OK or not isinstance(reply.body, list):
        reason = f"its history cannot be read, so it cannot be rolled back: {describe(reply)}"
        run.finish(track, Outcome.FAILED, reason, cause=fingerprint(reason))
        return
    known = [state for state in reply.body if isinstance(state, ReleaseState)]
    newest = max(known, key=lambda state: state.revision, default=None)
    if newest is not None and _differs_from_poll(run, scheduler, question, newest):
        return
    target = rollback_target(known, track.return_to)
    if target is None:
        kept = any(state.revision <= track.return_to for state in known)
        reason = (
            f"no revision up to {track.return_to} was successful, so it is left as it is"
            if kept
            else f"revision {track.return_to} is no longer in the history, so it cannot be rolled back to"
        )
        run.finish(
            track,
            Outcome.FAILED,
            f"{track.reason}; {reason}" if track.completed_steps else reason,
            cause=fingerprint(reason),
        )
        return
    track.return_to, track.return_state = target.revision, target
    charts = run.catalogues[scheduler.cloud.name]
    # When that chart is gone the current one's id must be sent: the field is mandatory.
    chart_id = charts.listed_id(target.chart_name, target.chart_version)
    track.return_chart = chart_id or charts.chart_id(track.deployment.release)
    queue.make_ready(track)
    scheduler.offer(queue)
