"""One cloud's work: which call may leave next, and when to ask again. Decides without awaiting; the pool does.

A job is one attempt at one call. Retries are new jobs, so the limits count attempts, and nothing sleeps inside a call.
"""

import heapq
import math
from collections import Counter, deque
from itertools import count

from batch_deployer.engine.cloud_health import CloudHealth
from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import (
    ChartsJob,
    ClustersJob,
    Job,
    PollJob,
    Query,
    ReleaseJob,
    WriteJob,
)
from batch_deployer.engine.write_queue import WriteQueue
from batch_deployer.model.deployment import Operation
from batch_deployer.plan.plan import CloudSpec
from batch_deployer.rules.adaptive_limit import AdaptiveLimit
from batch_deployer.rules.overload import OverloadDetector
from batch_deployer.rules.poll_schedule import PollAligner, Urgency, min_affordable_interval
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.retry import RetryBudget
from batch_deployer.rules.shared_limit import AHEAD_SECONDS
from batch_deployer.settings import Settings

MAX_FAILING_SHARE = 4
"""At most one in this many calls under way may go to clusters that fail: the ill must not hold up the healthy."""
FRESH_TO_UNDO_SECONDS = 2.0
"""Age of a poll, since its answer was judged, at which it is too old to roll back, to delete, or to go on with an action."""
OBSERVE_EVERY = 5
"""One read in this many goes to clusters not yet observed, even while looks are due."""


class CloudScheduler:
    """Buckets, caps and queues of one cloud. Times are monotonic seconds."""

    def __init__(self, cloud: CloudSpec, settings: Settings, *, writes: RateLimiter, reads: RateLimiter) -> None:
        """The queues are added by `add`, then `seal` fixes the caps."""
        self.cloud = cloud
        self.settings = settings
        self.writes = writes
        self.reads = reads
        self.concurrency = AdaptiveLimit(cloud.limits.connections)
        self.budget = RetryBudget(settings.retry)
        self.overload = OverloadDetector()
        self.queues: dict[str, ClusterWork] = {}
        self.cap = 0
        """Deployments that may be under way at once."""
        self.under_way = 0
        self.calls = 0
        self.failing_calls = 0
        self.unanswered: set[type[Query]] = {ChartsJob, ClustersJob}
        self.open = False
        """Whether the first questions (charts, clusters) are answered."""
        self.holding = False
        """No new writes: paused, halted or stopping."""
        self.writable_from = -math.inf
        """Earliest time of a write, and of the read that it rests on."""
        self.health = CloudHealth()
        self.ahead: float | None = None
        """Wall seconds of the cloud's clock at monotonic zero of ours; None while it has not told its time."""
        self.kinds: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self._seq = count()
        self._write_queue = WriteQueue(writes.rate.count)
        self._polls: list[tuple[float, int, ClusterWork]] = []
        self._unobserved: list[tuple[int, int, int, ClusterWork]] = []
        self._in_unobserved: set[str] = set()
        self._asks: deque[Query | ReleaseJob] = deque()
        self._later: list[tuple[float, int, Query | ReleaseJob | DeploymentState]] = []
        self._reads_sent = 0
        self._aligner = PollAligner()

    def seal(self) -> None:
        """Fix the caps once all queues are known."""
        limits = self.cloud.limits
        self.cap = max(1, limits.in_flight.of(sum(queue.total for queue in self.queues.values())))
        for queue in self.queues.values():
            queue.cap = max(1, limits.per_cluster.of(queue.total))
            queue.left = queue.total

    # -- called by the steps -------------------------------------------------------------------------------------------

    def release(self, track: DeploymentState, now: float) -> None:
        """Let a deployment be started: it waits for a look at its cluster."""
        queue = self.queues[track.deployment.cluster.id]
        queue.waiting[track.key] = track
        if queue.observed_at > -math.inf:
            self.schedule_poll(queue, now)
        elif queue.cluster.id not in self._in_unobserved:
            self._in_unobserved.add(queue.cluster.id)
            deployment = track.deployment
            heapq.heappush(self._unobserved, (deployment.wave, -deployment.priority, next(self._seq), queue))

    def schedule_poll(self, queue: ClusterWork, at: float) -> None:
        """Have the cluster looked at as soon as it is `at`, or sooner if that was planned already."""
        at = self._aligner.after(max(at, queue.breaker.open_until))
        if at < queue.next_poll_at:
            queue.next_poll_at = at
            heapq.heappush(self._polls, (at, next(self._seq), queue))

    def ask(self, *questions: Query | ReleaseJob) -> None:
        """Put questions in line."""
        self._asks.extend(questions)

    def later(self, at: float, what: Query | ReleaseJob | DeploymentState) -> None:
        """Come back to a question, or to a deployment's write, at a time."""
        heapq.heappush(self._later, (at, next(self._seq), what))

    def offer(self, queue: ClusterWork) -> None:
        """Let a cluster stand in line for a write, if it has one that may start."""
        self._write_queue.refreshed(queue)
        if queue.deferred or queue.breaker.is_open or queue.under_way >= queue.cap:
            return
        track = queue.first_ready()
        if track is not None:
            self._write_queue.push(queue, track)

    def begin(self, queue: ClusterWork) -> None:
        """Count a deployment as under way."""
        queue.under_way += 1
        self.under_way += 1
        self.peaks["per_cluster"] = max(self.peaks["per_cluster"], queue.under_way)
        self.peaks["in_flight"] = max(self.peaks["in_flight"], self.under_way)

    def end(self, queue: ClusterWork) -> None:
        """Count a deployment as no longer under way."""
        queue.under_way -= 1
        self.under_way -= 1
        self.offer(queue)

    def cloud_time(self, now: float) -> float:
        """Wall seconds by the cloud's clock; 0 when that is not known."""
        return now + self.ahead if self.ahead is not None else 0.0

    def min_affordable_interval(self) -> float:
        """Shortest gap between looks at one cluster that the read budget affords now."""
        return min_affordable_interval(len(self._polls), self.reads.current_rate, self.settings.poll)

    def urgency(self, queue: ClusterWork) -> Urgency:
        """Say who waits for an end on this cluster: nobody, its own next or the cloud's cap, or the wave's gate."""
        if self.under_way >= self.cap:
            return Urgency.NEXT
        if self._write_queue or self._unobserved:
            # The writes are what limits, and they find work elsewhere; unless what waits here would go before that.
            full = bool(self._write_queue and queue.waiting) and queue.under_way >= queue.cap
            return Urgency.NEXT if full and queue.batches_left() > self._write_queue.batches_left else Urgency.NONE
        return Urgency.NEXT if queue.waiting else Urgency.GATE

    # -- called by the worker pool -------------------------------------------------------------------------------------

    def take(self, now: float) -> Job | None:
        """Give the next call that may leave now, its slot reserved; None when there is none."""
        if self.calls >= int(self.concurrency.limit):
            return None
        self._bring_back(now)
        job = self._take_write(now) or self._take_read(now)
        if job is not None:
            self.calls += 1
            self.failing_calls += job.failing
            self.peaks["connections"] = max(self.peaks["connections"], self.calls)
        return job

    def give_back(self, job: Job) -> None:
        """Note that the call is over."""
        self.calls -= 1
        self.failing_calls -= job.failing

    def has_work(self) -> bool:
        """Whether any call is wanted, now or later."""
        return bool(self._write_queue or self._asks or self._unobserved or self._polls or self._later)

    def demand(self, bucket: str, now: float) -> int:
        """Calls that could leave now or within a moment if there was no rate limit."""
        if bucket == "writes":
            may_write = self._may_write() and now >= self.writable_from
            return min(len(self._write_queue), self.cap - self.under_way) if may_write else 0
        polls = len(self._polls) if self._polls and self._polls[0][0] <= now + AHEAD_SECONDS else 0
        return len(self._asks) + (polls + len(self._unobserved) if self.open else 0)

    def wake_at(self, now: float) -> float:
        """When `take` may have something; infinity when only the end of a call under way can change that."""
        if self.calls >= int(self.concurrency.limit):
            return math.inf
        at = self._later[0][0] if self._later else math.inf
        if self._write_queue and self._may_write():
            at = min(at, max(self.writes.due(now), self._write_queue.open_at(now), self.writable_from))
        due = math.inf
        if self._asks or (self.open and self._unobserved):
            due = now
        elif self.open and self._polls:
            due = self._polls[0][0]
        if due < at:
            at = min(at, max(due, self.reads.due(now)))
        return at

    def _may_write(self) -> bool:
        return self.open and not self.holding and self.under_way < self.cap

    def _bring_back(self, now: float) -> None:
        """Put what was set aside until now back in its line."""
        while self._later and self._later[0][0] <= now:
            what = heapq.heappop(self._later)[2]
            if not isinstance(what, DeploymentState):
                self._asks.append(what)
                continue
            queue = self.queues[what.deployment.cluster.id]
            if what.key in queue.waiting:
                queue.make_ready(what)
            self.offer(queue)

    def _take_write(self, now: float) -> Job | None:
        if not self._may_write() or now < self.writable_from or self.writes.earliest(now) > now:
            return None
        while (found := self._write_queue.next(now)) is not None:
            queue, track = found
            operation = track.next_operation()
            if operation is None:
                continue
            if track.reading:
                continue  # offered again once its own address has been read
            if not self._is_fresh(queue, track, now):
                self._write_queue.defer(queue, now)
                self.schedule_poll(queue, now)  # offered again once it has been looked at
                continue
            queue.take_ready()
            self.begin(queue)
            self.offer(queue)
            return WriteJob(self.writes.take(now), queue=queue, track=track, operation=operation)
        return None

    def _is_fresh(self, queue: ClusterWork, track: DeploymentState, now: float) -> bool:
        """Whether the last poll is good enough to write on. What takes back must see what others have just done."""
        if now - queue.observed_at > self.settings.reconcile.max_staleness or queue.observed_at < self.writable_from:
            return False
        takes_back = track.next_operation() in (Operation.ROLLBACK, Operation.DELETE)
        if not takes_back and not track.completed_steps and not track.attempts:
            return True
        # From its answer, so that a slow cluster does not make every poll too old at once.
        return now - queue.answered_at <= FRESH_TO_UNDO_SECONDS

    def _take_read(self, now: float) -> Job | None:
        if self.reads.earliest(now) > now:
            return None
        if self._asks:
            question = self._asks.popleft()
            question.slot = self.reads.take(now)
            return question
        if not self.open:
            return None
        starving = not self._write_queue and not self.holding
        queue = None
        if self._unobserved and (starving or self._reads_sent % OBSERVE_EVERY == 0):
            queue = self._first()
        queue = queue or self._due(now) or self._first()
        if queue is None:
            return None
        self._reads_sent += 1
        self._aligner.polled(now)
        queue.looking = True
        queue.next_poll_at = math.inf
        return PollJob(self.reads.take(now), queue.breaker.failures > 0, queue=queue)

    def _first(self) -> ClusterWork | None:
        """Give the next cluster that was never looked at."""
        while self._unobserved:
            queue = heapq.heappop(self._unobserved)[3]
            self._in_unobserved.discard(queue.cluster.id)
            if queue.deferred or not queue.waiting:
                continue
            if not queue.looking and queue.observed_at == -math.inf and queue.next_poll_at == math.inf:
                return queue
        return None

    def _due(self, now: float) -> ClusterWork | None:
        """Give the cluster whose look is most overdue, passing over the ill when enough of them are being asked."""
        passed_over = []
        found = None
        while self._polls and self._polls[0][0] <= now:
            at, _, queue = heapq.heappop(self._polls)
            if queue.next_poll_at != at or queue.looking:
                continue  # an entry that a sooner one has replaced
            if queue.breaker.failures and self.failing_calls * MAX_FAILING_SHARE >= self.concurrency.limit:
                passed_over.append(queue)
                continue
            found = queue
            break
        for queue in passed_over:
            queue.next_poll_at = math.inf
            self.schedule_poll(queue, now + 1.0)
        return found
