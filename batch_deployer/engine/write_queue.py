"""Clusters of one cloud that have a write to offer, in line by priority. Plain bookkeeping; the scheduler decides when to write."""

import heapq
from itertools import count

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.rules.write_priority import Rank

MIN_REFRESHED = 4
"""Clusters that are looked at anew at once so that they may write; more where more writes may leave at once."""
REFRESH_TIMEOUT_SECONDS = 2.0
"""Seconds for which the line waits for such a look before others may have theirs."""


class WriteQueue:
    """Who goes first is decided when a cluster joins, and once more when its turn comes: meanwhile its work may have shrunk.

    A cluster whose observation has grown old steps out, is looked at, and joins again. Only as many are out at once as may
    write soon: of those who wait for long, all others would have to be looked at once more.
    """

    def __init__(self, writes: int) -> None:
        """`writes`: how many may leave at once."""
        self._heap: list[tuple[Rank, int, ClusterWork]] = []
        self._seq = count()
        self._most_refreshed = max(MIN_REFRESHED, writes)
        self._refreshed: dict[str, float] = {}
        """Clusters that are looked at anew, by id, and until when the line waits for them; the first to be due first."""

    def __bool__(self) -> bool:
        """Whether anybody may be in line."""
        return bool(self._heap)

    def __len__(self) -> int:
        """How many clusters are in line, at most."""
        return len(self._heap)

    @property
    def batches_left(self) -> int:
        """Rounds left of the cluster in front, refusals taken off; 0 when there is none."""
        return -self._heap[0][0][2] if self._heap else 0

    def push(self, queue: ClusterWork, track: DeploymentState) -> None:
        """Put a cluster in line with the deployment that it would start."""
        if queue.arrived < 0:
            queue.arrived = next(self._seq)
        priority = queue.priority(track)
        if queue.offered is None or priority < queue.offered:  # whoever moves down is put right when its turn comes
            self._push(queue, priority)

    def defer(self, queue: ClusterWork, now: float) -> None:
        """Let a cluster step out until it has been looked at."""
        self._refreshed[queue.cluster.id] = now + REFRESH_TIMEOUT_SECONDS

    def refreshed(self, queue: ClusterWork) -> None:
        """Note that a cluster has been looked at, whether or not it has anything to write still."""
        self._refreshed.pop(queue.cluster.id, None)

    def open_at(self, now: float) -> float:
        """When the next in line may have its turn: not while as many are looked at anew as may write soon."""
        until = now
        while self._refreshed:
            first, until = next(iter(self._refreshed.items()))
            if until > now:
                break
            del self._refreshed[first]
        return until if len(self._refreshed) >= self._most_refreshed else now

    def next(self, now: float) -> tuple[ClusterWork, DeploymentState] | None:
        """Take the first that may start something out of the line, with what it would start."""
        while self._heap and self.open_at(now) <= now:
            priority, _, queue = heapq.heappop(self._heap)
            if queue.offered != priority:
                continue  # an entry that a better one has replaced
            queue.offered = None
            track = queue.first_ready()
            if track is None or not queue.may_start():
                continue
            if (present := queue.priority(track)) > priority:
                self._push(queue, present)
                continue
            return queue, track
        return None

    def _push(self, queue: ClusterWork, priority: Rank) -> None:
        queue.offered = priority
        heapq.heappush(self._heap, (priority, next(self._seq), queue))
