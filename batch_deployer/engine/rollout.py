"""Which deployments may start: waves in order, releases that need each other, budgets of failures, soak times.

Plain state and decisions; the pool asks it what time it wants to be woken at.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import defer, judge_phase, requeue
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, Deferral, Outcome
from batch_deployer.plan.plan import budget_totals
from batch_deployer.rules.failure_budget import CommonCauseDetector, Halt, over_budget, over_unreachable
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.ownership import THEIRS
from batch_deployer.settings import IntOrPercent


class Rollout:
    """Waves, needs and gates of one run. Times are monotonic seconds."""

    def __init__(self, run: RunContext) -> None:
        """Count the plan; nothing is released yet."""
        self._run = run
        self._waves = run.plan.waves
        self.wave = -1
        """Index of the wave that may start; -1 before the first."""
        self.soaking_until = math.inf
        self.left = len(run.states)
        """Deployments without an outcome."""
        self._totals = budget_totals(run.plan)
        self._failures: Counter[str] = Counter()
        self._left_in_wave: Counter[int] = Counter()
        self._members: defaultdict[int, list[DeploymentState]] = defaultdict(list)
        self._needed_by: defaultdict[tuple[str, str], list[DeploymentState]] = defaultdict(list)
        self._passed: set[int] = set()
        self._systemic = CommonCauseDetector(run.plan.gates.systemic)
        self.aside: dict[str, DeploymentState] = {}
        """Deferred deployments, by key: no gate waits for them."""
        run.on = {e.Finished: self.finished, e.Deferred: self.deferred, e.Requeued: self.requeued}
        self._count()

    def _count(self) -> None:
        there = {
            (track.deployment.cluster.id, track.deployment.release.qualified_name)
            for track in self._run.states.values()
        }
        for track in self._run.states.values():
            deployment = track.deployment
            self._left_in_wave[deployment.wave] += 1
            self._members[deployment.wave].append(track)
            for need in deployment.release.needed:
                if (deployment.cluster.id, need) in there:
                    track.waits_for += 1
                    self._needed_by[deployment.cluster.id, need].append(track)

    def replay(self, passed: AbstractSet[int]) -> None:
        """Take in what has ended already, before the first tick. `passed`: waves whose gate was passed, and stays so."""
        self._passed.update(passed)
        # Listed first: a failure may end what waited for it, which the kill had kept from the journal, and which counts then.
        for track in [track for track in self._run.states.values() if track.phase is Phase.FINISHED]:
            self.finished(track)
        for track in [track for track in self._run.states.values() if track.phase is Phase.DEFERRED]:
            self.deferred(track)

    @property
    def total(self) -> int:
        """Deployments that percentages of the run's budgets are taken of."""
        return self._totals["run"]

    @property
    def idle(self) -> bool:
        """Whether only deferred deployments are left, and every gate is passed."""
        return self.left == len(self.aside) and self.wave >= len(self._waves)

    def at_gate(self) -> bool:
        """Whether the open wave has no deployment left, so that its gate can be judged."""
        return 0 <= self.wave < len(self._waves) and not self._left_in_wave[self.wave]

    def next_time(self) -> float:
        """When the next soak is over; infinity when none is running."""
        return self.soaking_until

    def tick(self, now: float) -> None:
        """Open the next wave when the one before has passed its gate."""
        while not self._run.halted and self.wave < len(self._waves):
            if self.wave >= 0:
                if self._left_in_wave[self.wave]:
                    return
                if self.soaking_until == math.inf:
                    self.soaking_until = now + self._soak()
                if now < self.soaking_until:
                    return
                if self.wave not in self._passed:
                    self._warn_of_untried()
                    self._run.announce(e.WavePassed(at=self._run.wall(), wave=self.wave))
            self.soaking_until = math.inf
            self.wave += 1
            if self.wave < len(self._waves):
                self._open(now)

    def _soak(self) -> float:
        """Seconds to wait; none after the last wave, nor after one in which nothing was changed."""
        unchanging = (None, Outcome.UNCHANGED, Outcome.DEFERRED)
        changed = any(track.outcome not in unchanging for track in self._members[self.wave])
        last = all(not self._members[wave] for wave in range(self.wave + 1, len(self._waves)))
        return 0.0 if last or not changed or self.wave in self._passed else self._waves[self.wave].soak

    def _warn_of_untried(self) -> None:
        """Tell when a gate is passed although nothing of its wave was tried."""
        members = self._members[self.wave]
        if members and all(track.key in self.aside for track in members):
            name = self._waves[self.wave].name
            message = f'wave "{name}" passes its gate untried: all of its {len(members):,} deployments are deferred'
            self._run.announce(e.Warned(at=self._run.wall(), message=message))

    def _open(self, now: float) -> None:
        if self._members[self.wave] and self.wave not in self._passed:
            self._run.announce(e.WaveStarted(at=self._run.wall(), wave=self.wave))
        # The most urgent first: a cluster's place among those to be looked at is that of its first one released.
        for track in sorted(self._members[self.wave], key=lambda track: -track.deployment.priority):
            if not track.waits_for:
                self._release(track, now)

    def _release(self, track: DeploymentState, now: float) -> None:
        scheduler, queue = self._run.locate(track)
        if track.phase is not Phase.WAITING or track.key in queue.waiting:
            return
        if scheduler.health.dead:
            self._run.finish(track, Outcome.UNREACHABLE, scheduler.health.dead, cause="cloud does not answer")
        elif scheduler.health.outage:
            defer(self._run, track, Deferral.CLOUD, scheduler.health.outage)
        elif queue.deferred:
            judge_phase(self._run, queue, track)
        else:
            scheduler.release(track, now)

    def deferred(self, track: DeploymentState) -> None:
        """Take a deployment, and those that need it, out of what gates wait for."""
        if track.key not in self.aside:
            self.aside[track.key] = track
            self._left_in_wave[track.deployment.wave] -= 1
        for waiter in self._waiters(track):
            if waiter.phase is Phase.WAITING or waiter.deferral is Deferral.NEEDS:
                self._defer_for(track, waiter)

    def requeued(self, track: DeploymentState) -> None:
        """Count a deployment again that was set aside, and those that need it; release what may start."""
        deployment, run = track.deployment, self._run
        if self.aside.pop(track.key, None) is not None:
            self._left_in_wave[deployment.wave] += 1
        needed = (f"{deployment.cluster.id}/{need}" for need in deployment.release.needed)
        if need := next((self.aside[key] for key in needed if key in self.aside), None):
            self._defer_for(need, track)
            return
        if not track.waits_for and deployment.wave <= self.wave and not run.halted:
            self._release(track, run.now())
        for waiter in self._waiters(track):
            if waiter.deferral is Deferral.NEEDS and track.key not in self.aside:
                requeue(run, waiter)

    def _waiters(self, track: DeploymentState) -> list[DeploymentState]:
        deployment = track.deployment
        return self._needed_by.get((deployment.cluster.id, deployment.release.qualified_name), [])

    def _defer_for(self, needed: DeploymentState, waiter: DeploymentState) -> None:
        """Defer what needs a deferred deployment."""
        run = self._run
        queue = run.locate(needed)[1]
        why = f"needs {_seen_from(needed, waiter)} on the same cluster, which is deferred: {needed.deferred_why}"
        defer(run, waiter, Deferral.NEEDS, why, queue.phase if queue.deferred else "")

    def finished(self, track: DeploymentState) -> None:
        """Take in an outcome: count it, judge the budgets, release or end those that need it."""
        deployment = track.deployment
        self.left -= 1
        if self.aside.pop(track.key, None) is None:
            self._left_in_wave[deployment.wave] -= 1
        good = succeeded(track)
        halt = None if good else self._failed(track)
        if good and track.outcome is not Outcome.UNCHANGED:
            self._systemic.succeeded(deployment.release.label)
        if halt is not None:
            self._run.halt(halt.scope, halt.reason)
        for waiter in self._waiters(track):
            waiter.waits_for -= 1
            if waiter.phase not in (Phase.WAITING, Phase.DEFERRED):
                continue
            if not good:
                self._end_waiter(track, waiter)
            elif not waiter.waits_for and waiter.deployment.wave <= self.wave and not self._run.halted:
                self._release(waiter, self._run.now())

    def _end_waiter(self, track: DeploymentState, waiter: DeploymentState) -> None:
        """End what needs a deployment that was not brought about."""
        needs = f"needs {_seen_from(track, waiter)} on the same cluster, which"
        if track.outcome is Outcome.DEFERRED:
            self._run.finish(waiter, Outcome.DEFERRED, f"{needs} is deferred: {track.reason}")
        else:
            self._run.finish(waiter, Outcome.NOT_STARTED, f"{needs} ended {track.outcome}")

    def _failed(self, track: DeploymentState) -> Halt | None:
        """Count a failure; returns why to halt, if so.

        What never started is a consequence, not one more failure; nor does a cloud that does not answer spend a budget.
        """
        unreachable, scheduler = track.outcome is Outcome.UNREACHABLE, self._run.locate(track)[0]
        if track.outcome in (Outcome.NOT_STARTED, Outcome.DEFERRED) or (
            unreachable and (scheduler.health.dead or scheduler.health.outage)
        ):
            return None
        plan, release, wave = self._run.plan, track.deployment.release.label, track.deployment.wave
        gates, gate = plan.gates, self._waves[wave]
        halts = [
            self._spend("run", "", "run", gates.max_failures, gates.max_unreachable if unreachable else None),
            self._spend(
                "wave", gate.name, f"wave {wave}", gate.max_failures, gate.max_unreachable if unreachable else None
            ),
            self._spend("release", release, f"release {release}", plan.release_budgets.get(release), None),
            self._judge_cause(track),
        ]
        return next((halt for halt in halts if halt is not None), None)

    def _spend(
        self, scope: str, name: str, counter: str, budget: IntOrPercent | None, own: IntOrPercent | None
    ) -> Halt | None:
        """Count a failure in one scope, and judge its budget; `own`: that of unreachable ones, where it has one."""
        total = self._totals[counter]
        if own is not None:
            counter = f"unreachable of {counter}"
        self._failures[counter] += 1
        if own is not None:
            return over_unreachable(scope, name, self._failures[counter], total, own)
        return over_budget(scope, name, self._failures[counter], total, budget)

    def _judge_cause(self, track: DeploymentState) -> Halt | None:
        """Halt when the failure is not isolated.

        What another actor does says nothing about the others.
        """
        if track.cause == THEIRS:
            return None
        return self._systemic.failed(track.deployment.release.label, track.deployment.cluster.id, track.cause)


def succeeded(track: DeploymentState) -> bool:
    """Whether what was wanted is there; a rollback that was asked for counts, one that undid a failure does not."""
    undone = track.outcome is Outcome.ROLLED_BACK and track.action in (Action.ROLLBACK, Action.DELETE)
    return undone or (track.outcome is not None and track.outcome.succeeded)


def _seen_from(needed: DeploymentState, waiter: DeploymentState) -> str:
    return needed.deployment.release.seen_from(waiter.deployment.release.namespace)
