"""One look at a cluster: a single list that answers for every deployment waiting or under way there."""

import math
from collections.abc import Mapping

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.cluster_work import ClusterQueue
from batch_deployer.engine.context import Run
from batch_deployer.engine.deferral import judge_phase
from batch_deployer.engine.deployment_state import Track
from batch_deployer.engine.jobs import LookJob, ReleaseJob
from batch_deployer.engine.own_address import (
    MAX_FAILED_READS,
    UNANSWERED,
    is_absence_confirmed,
    is_read_first,
    listed_state,
    show_call,
)
from batch_deployer.engine.poll_results import ABSENT, no_news, under_way, waiting
from batch_deployer.engine.scheduler import Board
from batch_deployer.engine.unreachable import look_failed
from batch_deployer.errors import BadInput
from batch_deployer.model.api import ListReleases, ReleaseState, Status
from batch_deployer.model.deployment import Outcome
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.observation import newest
from batch_deployer.rules.responses import Verdict, fingerprint
from batch_deployer.rules.retry import backoff


async def look(run: Run, board: Board, job: LookJob) -> None:
    """Perform one look job."""
    queue = job.queue
    call = ListReleases(cluster_id=queue.cluster.id)
    try:
        answer, verdict, departed = await attempt(run, board, job, call)
    finally:
        queue.looking = False
    if verdict is Verdict.OK and isinstance(answer.body, list):
        queue.breaker.passed()
        queue.observed_before, queue.observed_at = queue.observed_at, departed
        states = newest(state for state in answer.body if isinstance(state, ReleaseState))
        # What asks for a look while this list is taken in has been judged by it already.
        asked_for = queue.look_at
        fold(run, queue, states, departed)
        queue.answered_at, queue.look_at = run.now(), asked_for
    else:
        look_failed(run, board, queue, answer, verdict)
    look_again(run, board, queue)


async def read_one(run: Run, board: Board, job: ReleaseJob) -> None:
    """Read one release at its own address and decide by what is there."""
    queue, track = job.queue, job.track
    answer, verdict, departed = await attempt(run, board, job, show_call(track))
    if verdict in (Verdict.THROTTLED, Verdict.EXPIRED):
        board.ask(job)
        return
    state = answer.body if verdict is Verdict.OK and isinstance(answer.body, ReleaseState) else None
    if verdict in UNANSWERED and job.failures < MAX_FAILED_READS:
        job.failures += 1
        board.later(run.now() + backoff(job.failures, run.ports.draw(), run.settings.retry), job)
        return
    track.reading = False
    if track.since > departed or verdict is Verdict.AUTH:
        board.offer(queue)
        return  # the release has changed since, and the next list is judged
    if state is None or state.status == Status.DELETED:
        # An address that cannot be read does not contradict the list.
        track.absence_confirmed_at = departed
    else:
        track.unlisted = True
    if track.key in queue.watching:
        under_way(run, queue, track, state)
    elif track.key in queue.waiting and not queue.deferred:
        _decide(run, queue, track, state)
    look_again(run, board, queue)


def _decide(run: Run, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
    try:
        waiting(run, queue, track, state)
    except BadInput as error:  # a secret that was there when the run began is gone
        run.finish(track, Outcome.REJECTED, str(error), cause=fingerprint(str(error)))


def _needs_own_read(run: Run, track: Track, state: ReleaseState | None) -> bool:
    """Whether a list's silence about a release is judged by a read of its own address, which is then scheduled."""
    if state is not None:
        track.unlisted = False
        return track.reading
    if track.reading:
        return True
    if track.unlisted or (track.phase is Phase.WAITING and is_read_first(track)):
        return not is_absence_confirmed(run, track)
    return False


def fold(run: Run, queue: ClusterQueue, states: Mapping[tuple[str, str], ReleaseState], departed: float) -> None:
    """Judge what a list shows, by (namespace, name). An end may release others that need it: those come too."""
    now = run.now()
    for track in list(queue.watching.values()):
        # What changed after the list was asked for is not judged by it.
        if track.phase in (Phase.WATCHING, Phase.UNCERTAIN) and track.since <= departed:
            state = listed_state(run, track, states)
            if _needs_own_read(run, track, state):
                track.look_at = math.inf
            elif not no_news(track, state, now):
                under_way(run, queue, track, state)
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


def _is_news(track: Track, states: Mapping[tuple[str, str], ReleaseState]) -> bool:
    """Whether a list says anything that is not known of a deployment that waits; most lists do not."""
    place = track.deployment.release.namespace, track.name
    return not (track.queued and track.asked_of == ABSENT and place not in states)


def look_again(run: Run, board: Board, queue: ClusterQueue) -> None:
    """Plan the next look, if anything here still waits for one, and let the cluster offer its writes."""
    going_on = [track for track in queue.watching.values() if track.look_at == math.inf]
    if going_on:  # the next look serves all of them
        at = run.now() + run.shortest_gap(going_on, board, queue)
        for track in going_on:
            track.look_at = at
    asked_for, queue.look_at = queue.look_at, math.inf
    at, now = min(asked_for, queue.next_look()), run.now()
    for track in queue.waiting.values():
        if not track.queued and not track.reading and not queue.deferred and track.not_before <= now:
            at = min(at, max(track.look_at, now))
    if at < math.inf:
        board.look_soon(queue, at)
    board.offer(queue)
