"""One run of one frozen plan, from whatever the journal says has happened so far to its end."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.context import Ports, RunContext
from batch_deployer.engine.deferral import pause_cloud
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.heartbeat import HeartbeatWatch
from batch_deployer.engine.jobs import ChartsJob, ClustersJob, Job, PollJob, ReleaseJob, WriteJob
from batch_deployer.engine.limit_sharing import sharings
from batch_deployer.engine.poll import poll, read_one
from batch_deployer.engine.queries import run_query
from batch_deployer.engine.recheck import Recheck
from batch_deployer.engine.replay import replay
from batch_deployer.engine.result import OVERTAKEN, RunResult, raise_endless_wait, result_of
from batch_deployer.engine.rollout import Rollout
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.engine.steering import steer
from batch_deployer.engine.worker_pool import WorkerPool
from batch_deployer.engine.write import write
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Outcome
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.ports import Command, Selection
from batch_deployer.rules.lifecycle import UNDER_WAY
from batch_deployer.rules.poll_schedule import Durations
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.shared_rate_limit import SharedRateLimiter

MEASURE_EVERY = 30.0
"""Seconds between two notes of the counters in the journal."""
STALL_SECONDS = 30.0
"""Seconds after which everything is looked at again when a run would otherwise wait for nothing."""
CONTROL_EVERY = 1.0
"""Seconds between two looks for an operator's commands."""
MAX_ORDERS_PER_LOOK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorState:
    """What earlier runs, and earlier parts of this one, left behind."""

    history: Iterable[e.Event] = ()
    """This run's journal so far; empty for a new run. Read once, so that it may be a stream."""
    durations: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Seconds that installs took, by chart name, oldest first."""
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Learned calls a second by (cloud, `writes` or `reads`)."""
    recent_writes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Wall times until which writes that may still count against a window may have arrived, by cloud; may be infinity."""
    lost_reads: float = 0.0
    """Seconds for which reads may not show writes that the journal has lost. Nothing is written before; what is written
    then rests on later reads."""


class Engine:
    """Drives a plan to its end. Use once."""

    def __init__(self, plan: Plan, ports: Ports, past: PriorState | None = None) -> None:
        """Build schedulers and deployment states, and replay the journal."""
        past = past or PriorState()
        self._started = ports.clock.monotonic()
        self._run = RunContext(plan, ports, {chart: Durations(known) for chart, known in past.durations.items()})
        self._signal = 0
        self._stop_at = math.inf
        """When watching ends even if something is still under way."""
        self._paused = False
        self._measured_at = self._started
        self._control_at = self._started
        self._deadline = math.inf if plan.settings.deadline is None else self._started + plan.settings.deadline
        self._deadline_missed = False
        self._heartbeat = HeartbeatWatch()
        for name, cloud in plan.clouds.items():
            self._run.schedulers[name] = self._make_scheduler(cloud, past)
        for ordinal, deployment in enumerate(plan.deployments):
            track = DeploymentState(deployment, ordinal)
            self._run.states[deployment.key] = track
            queues = self._run.schedulers[deployment.cluster.cloud].queues
            queue = queues.get(deployment.cluster.id)
            if queue is None:
                queue = queues[deployment.cluster.id] = ClusterWork(deployment.cluster)
            queue.total += 1
        for scheduler in self._run.schedulers.values():
            scheduler.seal()
            scheduler.writable_from = self._started + past.lost_reads
        self._rollout = Rollout(self._run)
        self._recheck = Recheck(self._run, self._rollout)
        self._run.on_outage = lambda scheduler, reason: pause_cloud(self._run, scheduler, reason)
        self._rollout.replay(replay(self._run, past.history))
        self._sharings = sharings(self._run, self._busy_boards())
        background = [each.work for each in self._sharings]
        self._pool = WorkerPool(list(self._busy_boards()), ports.clock, self._perform, self._supervise, background)
        self._run.on_room = self._pool.arm

    async def run(self) -> RunResult:
        """Work to the end. Raises JournalError when the journal can no longer be written; nothing is sent after that."""
        run = self._run
        for scheduler in self._busy_boards():
            scheduler.ask(ChartsJob())
            scheduler.ask(ClustersJob())
        try:
            await self._pool.run()
        finally:
            for sharing in self._sharings:
                await sharing.leave()
        self._explain_deadline()
        self._measure()
        ending = result_of(run, self._signal)
        run.announce(e.RunFinished(at=run.wall(), exit_code=ending.exit_code, reason=ending.reason))
        await run.ports.journal.flush()
        return ending

    def stop(self, signal: int) -> None:
        """Ask for an end: the first call lets what is under way be watched for a grace, the second ends at once."""
        run = self._run
        if self._signal:
            self._stop_at = -math.inf
        else:
            self._signal = signal
            self._stop_at = run.now() + run.settings.stop.grace
            run.announce(e.Stopping(at=run.wall(), signal=signal))
            self._hold(hold=True)
        self._pool.wake_supervisor()

    @property
    def learned(self) -> Mapping[str, Sequence[float]]:
        """Seconds that installs took in this part of the run, by chart."""
        return self._run.new_durations

    @property
    def rates(self) -> Mapping[tuple[str, str], float]:
        """Calls a second at the end, by (cloud, bucket)."""
        pairs = ((scheduler, name) for scheduler in self._run.schedulers.values() for name in ("writes", "reads"))
        return {(scheduler.cloud.name, name): getattr(scheduler, name).current_rate for scheduler, name in pairs}

    def _make_scheduler(self, cloud: CloudSpec, past: PriorState) -> CloudScheduler:
        """Clouds that the provider throttles as one share their buckets, under the strictest of their limits."""
        scope = self._run.scope(cloud)
        alike = [other for other in self._run.plan.clouds.values() if self._run.scope(other) == scope]
        for scheduler in self._run.schedulers.values():
            if self._run.scope(scheduler.cloud) == scope:
                return CloudScheduler(cloud, self._run.settings, writes=scheduler.writes, reads=scheduler.reads)
        rates, run = past.rates, self._run
        behind = run.wall() - run.now()
        # A write of the future was noted by a clock that was ahead, or nobody knows when it left: as late as just now.
        recent = tuple(min(at, run.wall()) - behind for at in past.recent_writes.get(cloud.name, ()))
        writes = min((other.limits.writes for other in alike), key=lambda rate: rate.per_second)
        reads = min((other.limits.reads for other in alike), key=lambda rate: rate.per_second)
        bucket = SharedRateLimiter if scope in run.ports.shared_limits else RateLimiter
        return CloudScheduler(
            cloud,
            run.settings,
            writes=bucket(writes, learned_rate=rates.get((cloud.name, "writes")), recent=recent),
            reads=bucket(reads, learned_rate=rates.get((cloud.name, "reads"))),
        )

    def _busy_boards(self) -> Sequence[CloudScheduler]:
        return [scheduler for scheduler in self._run.schedulers.values() if scheduler.queues]

    async def _perform(self, scheduler: CloudScheduler, job: Job) -> None:
        match job:
            case WriteJob():
                await write(self._run, scheduler, job)
            case PollJob():
                await poll(self._run, scheduler, job)
            case ReleaseJob():
                await read_one(self._run, scheduler, job)
            case question:
                await run_query(self._run, scheduler, question)
        if self._run.halted or self._signal or self._rollout.at_gate() or self._rollout.idle:
            self._pool.wake_supervisor()

    def _supervise(self, now: float) -> float | None:
        """Do what is due; give the next time something is. None when the run is over."""
        run = self._run
        if not self._deadline_missed and self._rollout.left and (reason := self._is_too_late(now)):
            self._deadline_missed = True
            if self._rollout.idle:
                self._recheck.close()
            else:
                self._stop_at = min(self._stop_at, now + run.settings.stop.grace)
                run.halt("deadline", reason)
        self._heartbeat.check(run)
        if run.halted is None and (run.ports.fence.missing() or run.ports.fence.overtaken()):
            run.halt_unlocked(OVERTAKEN)
        if not self._signal:
            self._rollout.tick(now)
            self._recheck.tick(now)
            self._rollout.tick(now)
        if run.ports.control is not None and now >= self._control_at:
            self._control_at = now + CONTROL_EVERY
            for _ in range(MAX_ORDERS_PER_LOOK):
                self._apply_command(order := run.ports.control.poll())
                if not isinstance(order, Selection):
                    break
        if now >= self._measured_at + MEASURE_EVERY:
            self._measure()
        if self._is_over(now):
            return None
        self._recover_from_stall(now)
        times = [self._next_step_at(), self._stop_at, self._measured_at + MEASURE_EVERY]
        if not self._deadline_missed:
            times += [self._deadline, now + run.seconds_left()]
        if run.ports.control is not None:
            times.append(self._control_at)
        return min(times)

    def _next_step_at(self) -> float:
        """When a soak, or the wait for something deferred, is over; infinity where nothing more is started."""
        if self._run.halted or self._signal:
            return math.inf
        return min(self._rollout.next_time(), self._recheck.next_time())

    def _recover_from_stall(self, now: float) -> None:
        """Look again everywhere if nothing is under way and nothing is due: a run must not wait for nothing."""
        if self._paused or self._signal or self._run.halted or self._rollout.idle:
            return
        if self._next_step_at() < math.inf:
            return
        schedulers = self._busy_boards()
        if any(scheduler.calls or scheduler.wake_at(now) < math.inf for scheduler in schedulers):
            return
        if any(sharing.is_awaited(now) for sharing in self._sharings):
            return
        waiting = [
            (scheduler, queue) for scheduler in schedulers for queue in scheduler.queues.values() if queue.waiting
        ]
        if not waiting and self._rollout.left > len(self._rollout.aside):
            raise_endless_wait(self._run)
        for scheduler, queue in waiting:
            scheduler.schedule_poll(queue, now + STALL_SECONDS)
        if waiting:
            message = (
                "nothing was under way or due although deployments wait, so all are looked at again: report this bug"
            )
            self._run.announce(e.Warned(at=self._run.wall(), message=message))

    def _is_too_late(self, now: float) -> str:
        """Why nothing more may be started: the deadline, by monotonic time, or the window, by the wall clock."""
        if now >= self._deadline:
            return f"the run's deadline of {self._run.settings.deadline:g} s has passed"
        return self._run.closed()

    def _is_over(self, now: float) -> bool:
        if self._rollout.left == 0:
            # The last wave's gate is still to be passed, or the run was halted by its very last outcome.
            return bool(self._run.halted or self._signal) or self._rollout.wave >= len(self._run.plan.waves)
        if now >= self._stop_at:
            return True
        if self._run.halted or self._signal:
            blind = self._run.halted is not None and self._run.halted.scope in {"auth", "limits"}
            watched = not blind and any(scheduler.under_way for scheduler in self._run.schedulers.values())
            return not watched
        return False

    def _apply_command(self, command: Command | Selection | None) -> None:
        run = self._run
        if isinstance(command, Selection):
            steer(run, command)
        elif command is Command.PAUSE and not self._paused:
            self._paused = True
            run.announce(e.Paused(at=run.wall()))
            self._hold(hold=True)
        elif command is Command.CONTINUE and self._paused:
            self._paused = False
            run.announce(e.Continued(at=run.wall()))
            self._hold(hold=False)
        elif command is Command.HALT:
            run.halt("operator", "an operator halted the run")

    def _hold(self, *, hold: bool) -> None:
        for scheduler in self._run.schedulers.values():
            scheduler.holding = hold or bool(self._run.halted or self._signal)

    def _measure(self) -> None:
        """Note the counters of every cloud."""
        run = self._run
        self._measured_at = run.now()
        for scheduler in self._busy_boards():
            peaks = {**scheduler.peaks, "writes": scheduler.writes.peak, "reads": scheduler.reads.peak}
            rates = {"writes": scheduler.writes.current_rate, "reads": scheduler.reads.current_rate}
            calls, answers = (
                dict(scheduler.kinds),
                {str(verdict): count for verdict, count in scheduler.verdicts.items()},
            )
            run.announce(
                e.Measured(
                    at=run.wall(), cloud=scheduler.cloud.name, calls=calls, answers=answers, peaks=peaks, rates=rates
                )
            )

    def _explain_deadline(self) -> None:
        """Give what is still under way at the run's deadline its outcome: nothing may stay unexplained."""
        if not self._deadline_missed:
            return
        for track in self._run.states.values():
            if track.phase in UNDER_WAY:
                last = track.status or "none seen"
                reason = f"{track.operation} still under way at the run's deadline ({track.phase}, last status {last})"
                outcome = Outcome.TIMED_OUT if track.deferral is None else Outcome.DEFERRED
                self._run.finish(track, outcome, reason, cause="" if track.deferral else "deadline")
