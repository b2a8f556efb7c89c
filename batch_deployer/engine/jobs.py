"""What a scheduler may hand out: each job is one attempt at one call. Retries are new jobs."""

from dataclasses import dataclass
from typing import TypeAlias

from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.model.deployment import Operation


@dataclass(slots=True, eq=False)
class _Job:
    slot: int = -1
    """Reserved in the bucket when the job is taken; -1 while it waits for its turn."""
    failing: bool = False
    """Whether it goes to a cluster that failed lately."""
    limited: bool = False
    """Whether a rate limit has refused the attempt."""


@dataclass(slots=True, eq=False, kw_only=True)
class WriteJob(_Job):
    """Send a deployment's next operation."""

    queue: ClusterWork
    track: DeploymentState
    operation: Operation


@dataclass(slots=True, eq=False, kw_only=True)
class PollJob(_Job):
    """List a cluster's releases."""

    queue: ClusterWork


@dataclass(slots=True, eq=False)
class ChartsJob(_Job):
    """Ask for the cloud's charts."""


@dataclass(slots=True, eq=False)
class ClustersJob(_Job):
    """Ask for the cloud's clusters and their phases."""


@dataclass(slots=True, eq=False, kw_only=True)
class PhaseJob(_Job):
    """Ask for one cluster's phase."""

    queue: ClusterWork
    awaited: bool = False
    """Whether it stands for a list of all clusters, which the cloud refuses."""


@dataclass(slots=True, eq=False)
class PhasesJob(_Job):
    """Ask for the phases of a cloud's clusters again."""


@dataclass(slots=True, eq=False, kw_only=True)
class HistoryJob(_Job):
    """Ask for the revisions of a release that is to be rolled back."""

    queue: ClusterWork
    track: DeploymentState
    failures: int = 0
    """Attempts in a row without a usable answer."""


@dataclass(slots=True, eq=False, kw_only=True)
class ReleaseJob(_Job):
    """Read one release at its own address."""

    queue: ClusterWork
    track: DeploymentState
    failures: int = 0
    """Attempts in a row without a usable answer."""


BootstrapQuery: TypeAlias = ChartsJob | ClustersJob
"""Questions that must be answered before a cloud is open for work."""
Query: TypeAlias = BootstrapQuery | PhaseJob | PhasesJob | HistoryJob
Job: TypeAlias = WriteJob | PollJob | ReleaseJob | Query
