"""One cluster's share of the work: who waits, who is under way, when to look next. Plain bookkeeping, no decisions."""

import heapq
import math
from collections.abc import Iterator

from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.model.deployment import Cluster
from batch_deployer.rules.retry import Breaker
from batch_deployer.rules.write_priority import Rank, batches_left, write_priority


class ClusterWork:
    """The deployments of one cluster that may be started or are under way. Times are monotonic seconds."""

    __slots__ = (
        "_ready",
        "answered_at",
        "arrived",
        "aside",
        "asking_phase",
        "breaker",
        "cap",
        "cluster",
        "contradiction",
        "deferred",
        "left",
        "looking",
        "next_poll_at",
        "observed_at",
        "observed_before",
        "offered",
        "phase",
        "phase_asked_at",
        "phase_reason",
        "refused",
        "successor",
        "total",
        "under_way",
        "waiting",
        "watching",
    )  # fmt: skip

    def __init__(self, cluster: Cluster) -> None:
        """Start empty; `total` and `cap` are filled in as the plan is read."""
        self.cluster = cluster
        self.total = 0
        """Deployments of the plan on this cluster."""
        self.left = 0
        """Those of them that have not ended; set when the caps are."""
        self.cap = 1
        """Deployments that may be under way at once."""
        self.waiting: dict[str, DeploymentState] = {}
        """Released by the rollout, nothing under way, by key."""
        self.watching: dict[str, DeploymentState] = {}
        """Under way and to be looked at: accepted or of unknown fate."""
        self.aside: dict[str, DeploymentState] = {}
        """Deferred, by key."""
        self.under_way = 0
        self.refused = 0
        """Writes that were refused and told to wait since the last one that was accepted."""
        self.arrived = -1
        """Its place among the clusters of the cloud in the order in which they first had something to write; -1: not yet."""
        self.offered: Rank | None = None
        """The rank with which it stands among the clusters that offer a write; None: it does not."""
        self.looking = False
        """Whether a look is under way; there is never more than one."""
        self.next_poll_at = math.inf
        """When the next look is due; infinity: none."""
        self.observed_at = -math.inf
        """When the last good look left."""
        self.answered_at = -math.inf
        """When its answer was judged."""
        self.observed_before = -math.inf
        """When the one before it left."""
        self.breaker = Breaker()
        self.phase = ""
        """`status.phase` of the cluster as far as known."""
        self.phase_reason = ""
        self.contradiction = ""
        """How the cluster's id and name mean two clusters of the cloud; empty when they do not."""
        self.successor = ""
        """Advice when another cluster of the cloud has this one's name and its id is gone."""
        self.phase_asked_at = -math.inf
        self.asking_phase = False
        self.deferred = False
        """Whether starts are held back because of the phase."""
        self._ready: list[tuple[tuple[int, int, int, int], DeploymentState]] = []

    def may_start(self) -> bool:
        """Whether the cluster is fit for one more deployment under way."""
        return not self.deferred and not self.breaker.is_open and self.under_way < self.cap

    def priority(self, track: DeploymentState) -> Rank:
        """Its rank as it is now, for the deployment that it would start."""
        return write_priority(
            track.deployment.wave, track.deployment.priority, batches_left=self.batches_left(), refused=self.refused,
            begun=self.under_way > 0, arrived=self.arrived,
        )  # fmt: skip

    def batches_left(self) -> int:
        """How many times the cluster still has to be filled up."""
        return batches_left(self.left, self.cap)

    def make_ready(self, track: DeploymentState) -> None:
        """Line a decided deployment up for its write: by wave, then priority, then how often refused, then plan order."""
        if not track.queued:
            track.queued = True
            deployment = track.deployment
            place = (deployment.wave, -deployment.priority, track.refused, track.ordinal)
            heapq.heappush(self._ready, (place, track))

    def first_ready(self) -> DeploymentState | None:
        """Give the deployment whose write comes next, leaving it there."""
        ready = self._ready
        while ready:
            track = ready[0][1]
            if track.queued and track.key in self.waiting and track.next_operation() is not None:
                return track
            heapq.heappop(ready)
            track.queued = False
        return None

    def take_ready(self) -> DeploymentState:
        """Remove the deployment that `first_ready` gave."""
        track = heapq.heappop(self._ready)[1]
        track.queued = False
        del self.waiting[track.key]
        return track

    def withdraw(self, track: DeploymentState) -> None:
        """Take a deployment out of the ready heap, lazily."""
        track.queued = False

    def next_poll(self) -> float:
        """When the soonest of those under way wants to be looked at; infinity when there is none."""
        return min((track.next_poll_at for track in self.watching.values()), default=math.inf)

    def states(self) -> Iterator[DeploymentState]:
        """All that wait or are watched."""
        yield from list(self.watching.values())
        yield from list(self.waiting.values())
