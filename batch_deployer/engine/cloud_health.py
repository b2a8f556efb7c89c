"""Whether one cloud answers and which of its clusters are not ready, and when to ask again. Times are monotonic seconds."""

import math
from collections.abc import Mapping, Sequence

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.jobs import PhaseJob, PhasesJob

PHASES_EVERY = 15.0
"""Seconds between two questions for the phases of a cloud's clusters, while one of them is not ready."""


PHASE_EVERY = 30.0
"""Seconds between two questions for the phase of one cluster that has trouble."""


class CloudHealth:
    """Plain bookkeeping; the answers are judged elsewhere."""

    def __init__(self) -> None:
        """The cloud answers and all clusters are ready."""
        self.opening_faults = 0
        self.failing_since: float | None = None
        """When the first of a cloud's first questions failed; None: none has."""
        self.dead = ""
        """Why nothing can be done in this cloud at all; empty while it can."""
        self.refused = -1
        """Newest generation of the credential that was refused."""
        self.refusals = 0
        """Generations refused in a row, none of which worked."""
        self.outage = ""
        """Why the cloud is paused: nothing of it answers; empty while something does."""
        self.answered_at = -math.inf
        """When a call of this cloud was last answered by its service, whatever the answer."""
        self.asleep: set[str] = set()
        """Ids of the clusters that are not ready and may become so."""
        self.is_listed = True
        """Whether one list answers for the phases of all clusters."""
        self.asked_at = -math.inf
        self.known_at = -math.inf
        """When the last questions were answered, or failed."""
        self.pending = 0
        """Questions under way."""

    @property
    def due_at(self) -> float:
        """When to ask again; infinity when nothing is to be asked, or an answer is awaited."""
        return self.asked_at + PHASES_EVERY if self.asleep and not self.pending else math.inf

    @staticmethod
    def question(queue: ClusterWork, now: float) -> Sequence[PhaseJob]:
        """The question for one cluster's phase; none when it was asked a moment ago."""
        if queue.asking_phase or now - queue.phase_asked_at < PHASE_EVERY:
            return ()
        queue.asking_phase = True
        queue.phase_asked_at = now
        return (PhaseJob(queue=queue),)

    def questions(self, queues: Mapping[str, ClusterWork], now: float) -> Sequence[PhaseJob | PhasesJob]:
        """The questions to ask now; none while answers are awaited."""
        if self.pending:
            return ()
        self.asked_at = now
        jobs: list[PhaseJob | PhasesJob] = [PhasesJob()] if self.is_listed and self.asleep else []
        for queue in () if self.is_listed else (queues[cluster_id] for cluster_id in sorted(self.asleep)):
            if not queue.asking_phase:
                queue.asking_phase = True
                jobs.append(PhaseJob(queue=queue, awaited=True))
        self.pending = len(jobs)
        return jobs

    def answered(self, now: float) -> None:
        """Note that a question is over."""
        self.pending -= 1
        if not self.pending:
            self.known_at = now

    def record_open(self, now: float) -> None:
        """Note that the cloud's first questions have told all phases."""
        self.asked_at = self.known_at = now
