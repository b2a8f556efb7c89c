"""Observe everything and decide, writing nothing: what `plan` shows, and what a saved plan is held against.

The same boards, buckets, looks and rules as in a run; only nothing is ever offered for writing, and a decision is kept
instead of carried out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.cluster_work import ClusterQueue
from batch_deployer.engine.context import Ports, Run
from batch_deployer.engine.deployment_state import Track
from batch_deployer.engine.jobs import ChartsJob, ClustersJob, Job, LookJob, ReleaseJob, WriteJob
from batch_deployer.engine.own_address import (
    MAX_FAILED_READS,
    UNANSWERED,
    is_read_first,
    listed_state,
    read_release,
    show_call,
)
from batch_deployer.engine.queries import answer, close
from batch_deployer.engine.scheduler import Board
from batch_deployer.engine.unreachable import look_failed
from batch_deployer.engine.worker_pool import Pool
from batch_deployer.model import events as e
from batch_deployer.model.api import ListReleases, ReleaseState
from batch_deployer.model.deployment import Action
from batch_deployer.plan.plan import Plan
from batch_deployer.rules.cluster_phase import Readiness, readiness
from batch_deployer.rules.decide import Decision
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.observation import newest
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.responses import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found, and what would be done about it."""

    decisions: Mapping[str, Decision]
    """By key, in plan order."""
    states: Mapping[str, ReleaseState]
    """What runs now, by key; absent releases are left out."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Calls that the survey itself took, by kind."""
    halted: str = ""
    """Why it could not be finished (credential refused); empty when it was."""
    warnings: Sequence[str] = ()
    dead: Sequence[str] = ()
    """Why clouds could not be looked at at all, one text each."""
    exit_code: int = 0
    """Of the halt, else 5 when permission is missing, else 0."""


class Surveyor:
    """Looks at each cluster of a plan once."""

    def __init__(self, plan: Plan, ports: Ports) -> None:
        """The journal port is never written to by a survey that goes well; a memory journal will do."""
        self._run = run = Run(plan, ports, {})
        self._states: dict[str, ReleaseState] = {}
        self._decisions: dict[str, Decision] = {}
        self._left = len(plan.deployments)
        for name, cloud in plan.clouds.items():
            limits = cloud.limits
            run.boards[name] = Board(
                cloud, plan.settings, writes=RateLimiter(limits.writes), reads=RateLimiter(limits.reads)
            )
        for ordinal, deployment in enumerate(plan.deployments):
            run.tracks[deployment.key] = track = Track(deployment, ordinal)
            board = run.boards[deployment.cluster.cloud]
            queue = board.queues.setdefault(deployment.cluster.id, ClusterQueue(deployment.cluster))
            queue.total += 1
            board.release(track, ports.clock.monotonic())
        self._boards = [board for board in run.boards.values() if board.queues]
        for board in self._boards:
            board.seal()
            board.holding = True
            board.ask(ChartsJob())
            board.ask(ClustersJob())
        run.on = {e.Finished: self._ended, e.Deferred: self._deferred}
        run.on_outage = lambda board, reason: close(run, board, reason)
        self._pool = Pool(self._boards, ports.clock, self._perform, self._keep_time)
        run.on_room = self._pool.arm

    async def survey(self) -> Survey:
        """Observe and decide."""
        await self._pool.run()
        run = self._run
        keys = run.tracks
        code = {"auth": 5}.get(run.halted.scope, 4) if run.halted else 5 if run.denied else 0
        calls: dict[str, int] = {}
        for board in self._boards:
            for kind, number in board.kinds.items():
                calls[kind] = calls.get(kind, 0) + number
        not_seen = Decision(action=Action.BLOCKED, reason=run.halted.reason if run.halted else "not observed")
        return Survey(
            decisions={key: self._decisions.get(key, not_seen) for key in keys},
            states={key: self._states[key] for key in keys if key in self._states},
            calls=calls,
            dead=[board.health.dead for board in self._boards if board.health.dead],
            halted=run.halted.reason if run.halted else "",
            exit_code=code,
        )

    async def _perform(self, board: Board, job: Job) -> None:
        match job:
            case LookJob():
                await self._look(board, job)
            case WriteJob():
                pass  # nothing is offered on a board that holds
            case ReleaseJob():
                await self._read_one(board, job)
            case question:
                await answer(self._run, board, question)
        if self._left == 0 or self._run.halted:
            self._pool.poke()

    def _keep_time(self, _now: float) -> float | None:
        return None if self._left == 0 or self._run.halted else math.inf

    async def _look(self, board: Board, job: LookJob) -> None:
        queue = job.queue
        try:
            reply, verdict, departed = await attempt(self._run, board, job, ListReleases(cluster_id=queue.cluster.id))
        finally:
            queue.looking = False
        if verdict is Verdict.STATE and readiness(queue.phase) is not Readiness.READY:
            for track in list(queue.waiting.values()):
                self._decide(queue, track, None)
            return
        if verdict is not Verdict.OK or not isinstance(reply.body, list):
            look_failed(self._run, board, queue, reply, verdict)
            return
        queue.breaker.passed()
        queue.observed_at = departed
        states = newest(state for state in reply.body if isinstance(state, ReleaseState))
        for track in list(queue.waiting.values()):
            state = listed_state(self._run, track, states)
            if state is None and is_read_first(track):
                read_release(self._run, track)
            else:
                self._decide(queue, track, state)

    async def _read_one(self, board: Board, job: ReleaseJob) -> None:
        """Decide by a release's own address where a list does not show it."""
        track = job.track
        reply, verdict, _ = await attempt(self._run, board, job, show_call(track))
        again = verdict in (Verdict.THROTTLED, Verdict.EXPIRED)
        if again or (verdict in UNANSWERED and job.failures < MAX_FAILED_READS):
            job.failures += not again
            board.later(self._run.now() + (0.0 if again else 2.0**job.failures), job)
        elif track.key in job.queue.waiting:
            self._decide(job.queue, track, reply.body if isinstance(reply.body, ReleaseState) else None)

    def _decide(self, queue: ClusterQueue, track: Track, state: ReleaseState | None) -> None:
        if state is not None:
            self._states[track.key] = state
        if readiness(queue.phase) is Readiness.READY:
            decision = self._run.decide(track, state)
        else:
            reason, later = f"the cluster is {queue.phase}", readiness(queue.phase) is Readiness.LATER
            decision = _deferred(reason) if later else Decision(action=Action.BLOCKED, reason=reason)
        del queue.waiting[track.key]
        self._keep(track, decision)

    def _ended(self, track: Track) -> None:
        """Take in a deployment that cannot be observed: its cluster is gone, denied, or does not answer."""
        if track.phase is Phase.FINISHED:
            self._keep(track, Decision(action=Action.BLOCKED, reason=track.reason))

    def _deferred(self, track: Track) -> None:
        """Take in a deployment whose cluster is not ready now."""
        self._keep(track, _deferred(track.deferred_why))

    def _keep(self, track: Track, decision: Decision) -> None:
        if track.key not in self._decisions:
            self._decisions[track.key] = decision
            self._left -= 1


def _deferred(reason: str) -> Decision:
    note = "it is not ready now, so a run defers this and looks again as long as it lasts"
    return Decision(action=Action.BLOCKED, reason=reason, note=note, settling=True, deferred=True)
