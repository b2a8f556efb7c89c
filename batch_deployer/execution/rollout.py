"""Which deployments may start: waves in order, releases that need each other, budgets of failures, soak times.

Plain state and decisions; the pool asks it what time it wants to be woken at.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet

from batch_deployer.execution.run import Run
from batch_deployer.execution.track import Track
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, Outcome
from batch_deployer.plan.frozen import budget_totals
from batch_deployer.rules.gates import Halt, Systemic, over_budget
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.rules.ownership import THEIRS
from batch_deployer.settings import Share


class Rollout:
    """Waves, needs and gates of one run. Times are monotonic seconds."""

    def __init__(self, run: Run) -> None:
        """Count the plan; nothing is released yet."""
        self._run = run
        self._waves = run.plan.waves
        self.wave = -1
        """Index of the wave that may start; -1 before the first."""
        self.soaking_until = math.inf
        self.left = len(run.tracks)
        """Deployments without an outcome."""
        self._totals = budget_totals(run.plan)
        self._failures: Counter[str] = Counter()
        self._left_in_wave: Counter[int] = Counter()
        self._members: defaultdict[int, list[Track]] = defaultdict(list)
        self._needed_by: defaultdict[tuple[str, str], list[Track]] = defaultdict(list)
        self._passed: set[int] = set()
        self._systemic = Systemic(run.plan.gates.systemic)
        run.on_finished = self.finished
        self._count()

    def _count(self) -> None:
        there = {(track.deployment.cluster.id, track.deployment.release.place) for track in self._run.tracks.values()}
        for track in self._run.tracks.values():
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
        for track in [track for track in self._run.tracks.values() if track.phase is Phase.FINISHED]:
            self.finished(track)

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
                    self._run.announce(e.WavePassed(at=self._run.wall(), wave=self.wave))
            self.soaking_until = math.inf
            self.wave += 1
            if self.wave < len(self._waves):
                self._open(now)

    def _soak(self) -> float:
        """Seconds to wait; none after the last wave, nor after one in which nothing was changed."""
        changed = any(track.outcome is not Outcome.UNCHANGED for track in self._members[self.wave])
        last = all(not self._members[wave] for wave in range(self.wave + 1, len(self._waves)))
        return 0.0 if last or not changed or self.wave in self._passed else self._waves[self.wave].soak

    def _open(self, now: float) -> None:
        if self._members[self.wave] and self.wave not in self._passed:
            self._run.announce(e.WaveStarted(at=self._run.wall(), wave=self.wave))
        # The most urgent first: a cluster's place among those to be looked at is that of its first one released.
        for track in sorted(self._members[self.wave], key=lambda track: -track.deployment.priority):
            if not track.waits_for:
                self._release(track, now)

    def _release(self, track: Track, now: float) -> None:
        board, queue = self._run.place(track)
        if track.phase is not Phase.WAITING or track.key in queue.waiting:
            return
        if board.dead:
            self._run.finish(track, Outcome.UNREACHABLE, board.dead, cause="cloud does not answer")
        else:
            board.release(track, now)

    def finished(self, track: Track) -> None:
        """Take in an outcome: count it, judge the budgets, release or end those that need it."""
        deployment = track.deployment
        self.left -= 1
        self._left_in_wave[deployment.wave] -= 1
        good = succeeded(track)
        halt = None if good else self._failed(track)
        if good and track.outcome is not Outcome.UNCHANGED:
            self._systemic.succeeded(deployment.release.label)
        if halt is not None:
            self._run.halt(halt.scope, halt.reason)
        for waiter in self._needed_by.get((deployment.cluster.id, deployment.release.place), ()):
            waiter.waits_for -= 1
            if waiter.phase is not Phase.WAITING:
                continue
            if not good:
                needed = deployment.release.seen_from(waiter.deployment.release.namespace)
                reason = f"needs {needed} on the same cluster, which ended {track.outcome}"
                self._run.finish(waiter, Outcome.NOT_STARTED, reason)
            elif not waiter.waits_for and waiter.deployment.wave <= self.wave and not self._run.halted:
                self._release(waiter, self._run.now())

    def _failed(self, track: Track) -> Halt | None:
        """Count a failure; returns why to halt, if so. What never started is a consequence, not one more failure."""
        if track.outcome is Outcome.NOT_STARTED:
            return None
        deployment, plan = track.deployment, self._run.plan
        release, wave = deployment.release.label, deployment.wave
        for scope in ("run", f"wave {wave}", f"release {release}"):
            self._failures[scope] += 1
        return (
            self._over("run", "", "run", plan.gates.max_failures)
            or self._over("wave", self._waves[wave].name, f"wave {wave}", self._waves[wave].max_failures)
            or self._over("release", release, f"release {release}", plan.release_budgets.get(release))
            or self._judge_cause(track)
        )

    def _judge_cause(self, track: Track) -> Halt | None:
        """Halt when the failure is not isolated.

        A cloud that is given up as a whole, or what somebody else does, says nothing about the others.
        """
        if self._run.place(track)[0].dead or track.cause == THEIRS:
            return None
        return self._systemic.failed(track.deployment.release.label, track.deployment.cluster.id, track.cause)

    def _over(self, scope: str, name: str, counter: str, budget: Share | None) -> Halt | None:
        return over_budget(scope, name, self._failures[counter], self._totals[counter], budget)


def succeeded(track: Track) -> bool:
    """Whether what was wanted is there; a rollback that was asked for counts, one that undid a failure does not."""
    undone = track.outcome is Outcome.ROLLED_BACK and track.action in (Action.ROLLBACK, Action.DELETE)
    return undone or (track.outcome is not None and track.outcome.good)
