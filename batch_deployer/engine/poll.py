"""One look at a cluster: a single list that answers for every deployment waiting or under way there."""

import math
from collections.abc import Mapping

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import judge_phase
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import PollJob, ReleaseJob
from batch_deployer.engine.own_address import (
    MAX_FAILED_READS,
    UNANSWERED,
    is_absence_confirmed,
    is_read_first,
    listed_state,
    show_call,
)
from batch_deployer.engine.poll_results import ABSENT, handle_in_flight, handle_pending, is_unchanged
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.engine.unreachable import poll_failed
from batch_deployer.errors import InputError
from batch_deployer.model.api import ListReleases, ReleaseState, Status
from batch_deployer.model.deployment import Outcome
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.observation import newest
from batch_deployer.rules.responses import Verdict, fingerprint
from batch_deployer.rules.retry import backoff


async def poll(run: RunContext, scheduler: CloudScheduler, job: PollJob) -> None:
    """Perform one look job."""
    queue = job.queue
    call = ListReleases(cluster_id=queue.cluster.id)
    try:
        answer, verdict, departed = await attempt(run, scheduler, job, call)
    finally:
        queue.looking = False
    if verdict is Verdict.OK and isinstance(answer.body, list):
        queue.breaker.record_success()
        queue.observed_before, queue.observed_at = queue.observed_at, departed
        states = newest(state for state in answer.body if isinstance(state, ReleaseState))
        # What asks for a look while this list is taken in has been judged by it already.
        asked_for = queue.next_poll_at
        fold(run, queue, states, departed)
        queue.answered_at, queue.next_poll_at = run.now(), asked_for
    else:
        poll_failed(run, scheduler, queue, answer, verdict)
    poll_again(run, scheduler, queue)


async def read_one(run: RunContext, scheduler: CloudScheduler, job: ReleaseJob) -> None:
    """Read one release at its own address and decide by what is there."""
    queue, track = job.queue, job.track
    answer, verdict, departed = await attempt(run, scheduler, job, show_call(track))
    if verdict in (Verdict.THROTTLED, Verdict.EXPIRED):
        scheduler.ask(job)
        return
    state = answer.body if verdict is Verdict.OK and isinstance(answer.body, ReleaseState) else None
    if verdict in UNANSWERED and job.failures < MAX_FAILED_READS:
        job.failures += 1
        scheduler.later(run.now() + backoff(job.failures, run.ports.draw(), run.settings.retry), job)
        return
    track.reading = False
    if track.since > departed or verdict is Verdict.AUTH:
        scheduler.offer(queue)
        return  # the release has changed since, and the next list is judged
    if state is None or state.status == Status.DELETED:
        # An address that cannot be read does not contradict the list.
        track.absence_confirmed_at = departed
    else:
        track.unlisted = True
    if track.key in queue.watching:
        handle_in_flight(run, queue, track, state)
    elif track.key in queue.waiting and not queue.deferred:
        _decide(run, queue, track, state)
    poll_again(run, scheduler, queue)


def _decide(run: RunContext, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
    try:
        handle_pending(run, queue, track, state)
    except InputError as error:  # a secret that was there when the run began is gone
        run.finish(track, Outcome.REJECTED, str(error), cause=fingerprint(str(error)))


def _needs_own_read(run: RunContext, track: DeploymentState, state: ReleaseState | None) -> bool:
    """Whether a list's silence about a release is judged by a read of its own address, which is then scheduled."""
    if state is not None:
        track.unlisted = False
        return track.reading
    if track.reading:
        return True
    if track.unlisted or (track.phase is Phase.WAITING and is_read_first(track)):
        return not is_absence_confirmed(run, track)
    return False


def fold(run: RunContext, queue: ClusterWork, states: Mapping[tuple[str, str], ReleaseState], departed: float) -> None:
    """Judge what a list shows, by (namespace, name). An end may release others that need it: those come too."""
    now = run.now()
    for track in list(queue.watching.values()):
        # What changed after the list was asked for is not judged by it.
        if track.phase in (Phase.WATCHING, Phase.UNCERTAIN) and track.since <= departed:
            state = listed_state(run, track, states)
            if _needs_own_read(run, track, state):
                track.next_poll_at = math.inf
            elif not is_unchanged(track, state, now):
                handle_in_flight(run, queue, track, state)
    judged: set[str] = set()
    while fresh := [track for track in queue.waiting.values() if _is_news(track, states) and track.key not in judged]:
        for track in fresh:
            judged.add(track.key)
            if track.phase is not Phase.WAITING or track.since > departed or track.key not in queue.waiting:
                continue
            if queue.deferred:
                judge_phase(run, queue, track)
            else:
                state = listed_state(run, track, states)
                if not _needs_own_read(run, track, state):
                    _decide(run, queue, track, state)


def _is_news(track: DeploymentState, states: Mapping[tuple[str, str], ReleaseState]) -> bool:
    """Whether a list says anything that is not known of a deployment that waits; most lists do not."""
    place = track.deployment.release.namespace, track.name
    return not (track.queued and track.asked_of == ABSENT and place not in states)


def poll_again(run: RunContext, scheduler: CloudScheduler, queue: ClusterWork) -> None:
    """Plan the next look, if anything here still waits for one, and let the cluster offer its writes."""
    going_on = [track for track in queue.watching.values() if track.next_poll_at == math.inf]
    if going_on:  # the next look serves all of them
        at = run.now() + run.min_poll_interval(going_on, scheduler, queue)
        for track in going_on:
            track.next_poll_at = at
    asked_for, queue.next_poll_at = queue.next_poll_at, math.inf
    at, now = min(asked_for, queue.next_poll()), run.now()
    for track in queue.waiting.values():
        if not track.queued and not track.reading and not queue.deferred and track.not_before <= now:
            at = min(at, max(track.next_poll_at, now))
    if at < math.inf:
        scheduler.schedule_poll(queue, at)
    scheduler.offer(queue)
