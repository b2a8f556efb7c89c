"""Observe everything and decide, writing nothing: what `plan` shows, and what a saved plan is held against.

The same schedulers, rate limiters, polls and rules as in a run; only nothing is ever offered for writing, and a decision is kept
instead of carried out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.engine.attempt import attempt
from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import Ports, RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import ChartsJob, ClustersJob, Job, PollJob, ReleaseJob, WriteJob
from batch_deployer.engine.own_address import (
    MAX_FAILED_READS,
    UNANSWERED,
    is_read_first,
    listed_state,
    read_release,
    show_call,
)
from batch_deployer.engine.queries import close, run_query
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.engine.unreachable import poll_failed
from batch_deployer.engine.worker_pool import WorkerPool
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
class Preview:
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


class Previewer:
    """Looks at each cluster of a plan once."""

    def __init__(self, plan: Plan, ports: Ports) -> None:
        """The journal port is never written to by a survey that goes well; a memory journal will do."""
        self._run = run = RunContext(plan, ports, {})
        self._states: dict[str, ReleaseState] = {}
        self._decisions: dict[str, Decision] = {}
        self._left = len(plan.deployments)
        for name, cloud in plan.clouds.items():
            limits = cloud.limits
            run.schedulers[name] = CloudScheduler(
                cloud, plan.settings, writes=RateLimiter(limits.writes), reads=RateLimiter(limits.reads)
            )
        for ordinal, deployment in enumerate(plan.deployments):
            run.states[deployment.key] = track = DeploymentState(deployment, ordinal)
            scheduler = run.schedulers[deployment.cluster.cloud]
            queue = scheduler.queues.setdefault(deployment.cluster.id, ClusterWork(deployment.cluster))
            queue.total += 1
            scheduler.release(track, ports.clock.monotonic())
        self._schedulers = [scheduler for scheduler in run.schedulers.values() if scheduler.queues]
        for scheduler in self._schedulers:
            scheduler.seal()
            scheduler.holding = True
            scheduler.ask(ChartsJob())
            scheduler.ask(ClustersJob())
        run.on = {e.Finished: self._ended, e.Deferred: self._deferred}
        run.on_outage = lambda scheduler, reason: close(run, scheduler, reason)
        self._pool = WorkerPool(self._schedulers, ports.clock, self._perform, self._supervise)
        run.on_room = self._pool.arm

    async def survey(self) -> Preview:
        """Observe and decide."""
        await self._pool.run()
        run = self._run
        keys = run.states
        code = {"auth": 5}.get(run.halted.scope, 4) if run.halted else 5 if run.denied else 0
        calls: dict[str, int] = {}
        for scheduler in self._schedulers:
            for kind, number in scheduler.kinds.items():
                calls[kind] = calls.get(kind, 0) + number
        not_seen = Decision(action=Action.BLOCKED, reason=run.halted.reason if run.halted else "not observed")
        return Preview(
            decisions={key: self._decisions.get(key, not_seen) for key in keys},
            states={key: self._states[key] for key in keys if key in self._states},
            calls=calls,
            dead=[scheduler.health.dead for scheduler in self._schedulers if scheduler.health.dead],
            halted=run.halted.reason if run.halted else "",
            exit_code=code,
        )

    async def _perform(self, scheduler: CloudScheduler, job: Job) -> None:
        match job:
            case PollJob():
                await self._poll(scheduler, job)
            case WriteJob():
                pass  # a scheduler that holds offers nothing
            case ReleaseJob():
                await self._read_one(scheduler, job)
            case question:
                await run_query(self._run, scheduler, question)
        if self._left == 0 or self._run.halted:
            self._pool.wake_supervisor()

    def _supervise(self, _now: float) -> float | None:
        return None if self._left == 0 or self._run.halted else math.inf

    async def _poll(self, scheduler: CloudScheduler, job: PollJob) -> None:
        queue = job.queue
        try:
            reply, verdict, departed = await attempt(
                self._run, scheduler, job, ListReleases(cluster_id=queue.cluster.id)
            )
        finally:
            queue.looking = False
        if verdict is Verdict.STATE and readiness(queue.phase) is not Readiness.READY:
            for track in list(queue.waiting.values()):
                self._decide(queue, track, None)
            return
        if verdict is not Verdict.OK or not isinstance(reply.body, list):
            poll_failed(self._run, scheduler, queue, reply, verdict)
            return
        queue.breaker.record_success()
        queue.observed_at = departed
        states = newest(state for state in reply.body if isinstance(state, ReleaseState))
        for track in list(queue.waiting.values()):
            state = listed_state(self._run, track, states)
            if state is None and is_read_first(track):
                read_release(self._run, track)
            else:
                self._decide(queue, track, state)

    async def _read_one(self, scheduler: CloudScheduler, job: ReleaseJob) -> None:
        """Decide by a release's own address where a list does not show it."""
        track = job.track
        reply, verdict, _ = await attempt(self._run, scheduler, job, show_call(track))
        again = verdict in (Verdict.THROTTLED, Verdict.EXPIRED)
        if again or (verdict in UNANSWERED and job.failures < MAX_FAILED_READS):
            job.failures += not again
            scheduler.later(self._run.now() + (0.0 if again else 2.0**job.failures), job)
        elif track.key in job.queue.waiting:
            self._decide(job.queue, track, reply.body if isinstance(reply.body, ReleaseState) else None)

    def _decide(self, queue: ClusterWork, track: DeploymentState, state: ReleaseState | None) -> None:
        if state is not None:
            self._states[track.key] = state
        if readiness(queue.phase) is Readiness.READY:
            decision = self._run.decide(track, state)
        else:
            reason, later = f"the cluster is {queue.phase}", readiness(queue.phase) is Readiness.LATER
            decision = _deferred(reason) if later else Decision(action=Action.BLOCKED, reason=reason)
        del queue.waiting[track.key]
        self._keep(track, decision)

    def _ended(self, track: DeploymentState) -> None:
        """Take in a deployment that cannot be observed: its cluster is gone, denied, or does not answer."""
        if track.phase is Phase.FINISHED:
            self._keep(track, Decision(action=Action.BLOCKED, reason=track.reason))

    def _deferred(self, track: DeploymentState) -> None:
        """Take in a deployment whose cluster is not ready now."""
        self._keep(track, _deferred(track.deferred_why))

    def _keep(self, track: DeploymentState, decision: Decision) -> None:
        if track.key not in self._decisions:
            self._decisions[track.key] = decision
            self._left -= 1


def _deferred(reason: str) -> Decision:
    note = "it is not ready now, so a run defers this and looks again as long as it lasts"
    return Decision(action=Action.BLOCKED, reason=reason, note=note, settling=True, deferred=True)
