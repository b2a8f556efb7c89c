"""Looks again at what is deferred for as long as the run lasts, and ends it with the run."""

import math

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import end_deferred
from batch_deployer.engine.rollout import Rollout
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.model.deployment import Outcome
from batch_deployer.rules.failure_budget import over_deferred
from batch_deployer.rules.lifecycle import Phase


class Recheck:
    """When to ask for phases again, and when to stop waiting. Times are monotonic seconds."""

    def __init__(self, run: RunContext, rollout: Rollout) -> None:
        """Nothing is deferred yet."""
        self._run = run
        self._rollout = rollout
        self._idle_since: float | None = None
        """Since when only deferred deployments are left."""
        self._closed = False

    def close(self) -> None:
        """Wait no longer: the run's time is over."""
        self._closed = True

    def tick(self, now: float) -> None:
        """Ask again where it is due; end what is deferred when nothing else is left and it was waited for."""
        if self._run.halted:
            return
        for scheduler in self._run.schedulers.values():
            if scheduler.open and now >= scheduler.health.due_at:
                scheduler.ask(*scheduler.health.questions(scheduler.queues, now))
        if not self._rollout.aside or not self._rollout.idle:
            self._idle_since = None
            return
        if self._idle_since is None:
            self._idle_since = now
        until = max(self._idle_since, self._waited_until())
        if self._closed or (now >= until and not self._polls_once_more(now, until)):
            self._end()

    def next_time(self) -> float:
        """When `tick` has something to do; infinity when only an answer can change that."""
        times = [scheduler.health.due_at for scheduler in self._run.schedulers.values() if scheduler.open]
        if self._idle_since is not None and (until := self._waited_until()) > self._run.now():
            times.append(until)
        return min(times, default=math.inf)

    def _waited_until(self) -> float:
        """When each that is deferred has been waited for as long as the manifest wants."""
        wait = self._run.plan.gates.defer_for
        if not wait or not self._rollout.aside:
            return -math.inf
        return max(track.deferred_since for track in self._rollout.aside.values()) + wait

    def _polls_once_more(self, now: float, until: float) -> bool:
        """Whether a last question is to be answered first: a cluster may have become ready in the last moment."""
        for scheduler in self._run.schedulers.values():
            if scheduler.health.asleep and scheduler.open and scheduler.health.known_at < until:
                scheduler.ask(*scheduler.health.questions(scheduler.queues, now))
        return any(scheduler.health.pending or self._opens(scheduler) for scheduler in self._run.schedulers.values())

    @staticmethod
    def _opens(scheduler: CloudScheduler) -> bool:
        """Whether a resumed run still waits for the first answers of a cloud, which show what is ready now."""
        waits = not scheduler.open and not scheduler.health.dead and not scheduler.health.outage
        return waits and any(queue.aside for queue in scheduler.queues.values())

    def _end(self) -> None:
        run = self._run
        for track in list(self._rollout.aside.values()):
            if track.phase is not Phase.FINISHED:
                end_deferred(run, track)
        deferred = sum(track.outcome is Outcome.DEFERRED for track in run.states.values())
        if halt := over_deferred(deferred, self._rollout.total, run.plan.gates.max_deferred):
            run.halt(halt.scope, halt.reason)
