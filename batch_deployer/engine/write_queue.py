"""Clusters of one cloud that have a write to offer, in line by rank. Plain bookkeeping; when to write the board decides."""

import heapq
from itertools import count

from batch_deployer.engine.cluster_work import ClusterQueue
from batch_deployer.engine.deployment_state import Track
from batch_deployer.rules.write_priority import Rank

LEAST_REFRESHED = 4
"""Clusters that are looked at anew at once so that they may write; more where more writes may leave at once."""
PATIENCE = 2.0
"""Seconds for which the line waits for such a look before others may have theirs."""


class Line:
    """Who goes first is decided when a cluster joins, and once more when its turn comes: meanwhile its work may have shrunk.

    A cluster whose observation has grown old steps out, is looked at, and joins again. Only as many are out at once as may
    write soon: of those who wait for long, all others would have to be looked at once more.
    """

    def __init__(self, writes: int) -> None:
        """`writes`: how many may leave at once."""
        self._heap: list[tuple[Rank, int, ClusterQueue]] = []
        self._seq = count()
        self._most_refreshed = max(LEAST_REFRESHED, writes)
        self._refreshed: dict[str, float] = {}
        """Clusters that are looked at anew, by id, and until when the line waits for them; the first to be due first."""

    def __bool__(self) -> bool:
        """Whether anybody may be in line."""
        return bool(self._heap)

    def __len__(self) -> int:
        """How many clusters are in line, at most."""
        return len(self._heap)

    @property
    def rounds(self) -> int:
        """Rounds left of the cluster in front, refusals taken off; 0 when there is none."""
        return -self._heap[0][0][2] if self._heap else 0

    def join(self, queue: ClusterQueue, track: Track) -> None:
        """Put a cluster in line with the deployment that it would start."""
        if queue.arrived < 0:
            queue.arrived = next(self._seq)
        rank = queue.rank(track)
        if queue.offered is None or rank < queue.offered:  # whoever moves down is put right when its turn comes
            self._stand(queue, rank)

    def refresh(self, queue: ClusterQueue, now: float) -> None:
        """Let a cluster step out until it has been looked at."""
        self._refreshed[queue.cluster.id] = now + PATIENCE

    def refreshed(self, queue: ClusterQueue) -> None:
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

    def next(self, now: float) -> tuple[ClusterQueue, Track] | None:
        """Take the first that may start something out of the line, with what it would start."""
        while self._heap and self.open_at(now) <= now:
            rank, _, queue = heapq.heappop(self._heap)
            if queue.offered != rank:
                continue  # an entry that a better one has replaced
            queue.offered = None
            track = queue.first_ready()
            if track is None or not queue.may_start():
                continue
            if (present := queue.rank(track)) > rank:
                self._stand(queue, present)
                continue
            return queue, track
        return None

    def _stand(self, queue: ClusterQueue, rank: Rank) -> None:
        queue.offered = rank
        heapq.heappush(self._heap, (rank, next(self._seq), queue))
