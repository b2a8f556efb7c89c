"""What the user wants: clusters, releases and the (cluster, release) pairs to bring about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What the plan will do to a deployment."""

    CREATE = "create"
    UPGRADE = "upgrade"
    ADOPT = "adopt"
    """It is being installed already, as wanted: only watch it."""
    UNCHANGED = "unchanged"
    REPLACE = "replace"
    """Delete, wait for absence, create."""
    BLOCKED = "blocked"
    """Nothing may be done; the reason says why."""
    ROLLBACK = "rollback"
    DELETE = "delete"


class Operation(StrEnum):
    """One kind of write to the API."""

    CREATE = "create"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    DELETE = "delete"


class Outcome(StrEnum):
    """How a deployment ended. Every deployment of a run has exactly one."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    DEFERRED = "deferred"
    """Set aside for as long as the run lasted (`Deferral` names why): neither a success nor a failure."""
    NOT_STARTED = "not_started"
    ROLLED_BACK = "rolled_back"

    @property
    def succeeded(self) -> bool:
        """Whether it counts as success: what was wanted is there."""
        return self in _GOOD


class Deferral(StrEnum):
    """Why a deployment is set aside."""

    CLUSTER = "cluster"
    """Its cluster hibernates or is on its way to being ready."""
    OPERATOR = "operator"
    """`control RUN skip` named it; only `control RUN retry` takes it up again."""
    NEEDS = "needs"
    """A release that it needs is deferred."""
    CLOUD = "cloud"
    """Its whole cloud does not answer. At the end of the run such a deployment is unreachable."""


_GOOD = (Outcome.DEPLOYED, Outcome.UNCHANGED)


class OnExisting(StrEnum):
    """What to do when the release exists and differs from what is wanted."""

    UPGRADE = "upgrade"
    SKIP = "skip"
    FAIL = "fail"
    REPLACE = "replace"


class OnFailure(StrEnum):
    """What to do when an upgrade ends FAILED."""

    LEAVE = "leave"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster of a cloud, as the manifest or the cloud names it."""

    id: str
    """CCE cluster id (`metadata.uid`)."""
    name: str
    cloud: str
    """Key into the plan's clouds."""
    tags: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    """Higher goes first within a wave."""
    phase: str = ""
    """`status.phase` when it is known (discovered), else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRef:
    """Which chart: by id, or by name to be looked up once per cloud; with both, the name must be the id's."""

    id: str = ""
    name: str = ""

    @property
    def learned_as(self) -> str:
        """The name under which this chart's install times are learned."""
        return self.name or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`parameters` of a create or update body (section 2.3 of the API card). None means: not sent."""

    dry_run: bool | None = None
    name_template: str | None = None
    no_hooks: bool | None = None
    replace: bool | None = None
    recreate: bool | None = None
    reset_values: bool | None = None
    release_version: int | None = None
    """Revision to roll back to."""
    include_hooks: bool | None = None

    def as_body(self) -> dict[str, bool | str | int]:
        """Only the fields that were set, by their wire names."""
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSpec:
    """A release as wanted on one cluster, everything merged. Shared by all deployments that want the same."""

    name: str
    namespace: str
    chart: ChartRef
    version: str
    """Chart version; never to be confused with a revision."""
    values_json: str = "{}"
    """Merged values, compact JSON with sorted keys; may hold `${secret:...}` markers (see model.values)."""
    parameters: Parameters = Parameters()
    description: str = ""
    timeout: float = 900.0
    """Seconds from the accepted write to a terminal status."""
    on_existing: OnExisting = OnExisting.UPGRADE
    on_failure: OnFailure = OnFailure.LEAVE
    allow_destructive: bool = False
    """Permit `replace: true` and `recreate: true` in parameters, and on_existing: replace."""
    needs: tuple[str, ...] = ()
    """Releases that must be deployed on the same cluster first: `namespace/name`, or a name of the same namespace."""
    priority: int = 0
    alias: str = ""
    """Name within the manifest where that is another; two releases of one name differ by it."""

    @property
    def label(self) -> str:
        """The release of the manifest that this is: its alias, else its name."""
        return self.alias or self.name

    @property
    def qualified_name(self) -> str:
        """`namespace/name`: the identity of a release within a cluster."""
        return f"{self.namespace}/{self.name}"

    def seen_from(self, namespace: str) -> str:
        """The shortest text that names it among releases of a namespace: its name there, elsewhere `namespace/name`."""
        return self.name if self.namespace == namespace else self.qualified_name

    @property
    def needed(self) -> tuple[str, ...]:
        """What it needs, each as `namespace/name`."""
        return tuple(need if "/" in need else f"{self.namespace}/{need}" for need in self.needs)


def is_protected(namespace: str, name: str) -> bool:
    """Whether a release belongs to the platform (kube-system, or an add-on) and must never be deleted by us."""
    return namespace == "kube-system" or name.startswith("cceaddon-")


def key_of(cluster_id: str, namespace: str, name: str) -> str:
    """Identity of a deployment within a run, and of a release within all clouds."""
    return f"{cluster_id}/{namespace}/{name}"


class ConfirmedState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A release as a poll showed it that confirmed our write. It is ours while it is shown so; `update_at` may move."""

    revision: int = 0
    created_at: str = ""
    chart_name: str = ""
    chart_version: str = ""
    values: str = ""
    """Keyed digest of the values that the cloud showed; empty when it showed none."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the last write to a release sent, and how the cloud showed the release once that write was confirmed."""

    confirmed: ConfirmedState
    sent: Mapping[str, str]
    """Keyed digest of each value that was sent, by its path; no values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackStep:
    """What `rollback RUN` is to do with one deployment, instead of bringing about its release spec."""

    action: Action
    """ROLLBACK or DELETE."""
    revision: int = 0
    """Revision to return to (rollback only)."""
    name: str = ""
    """Name that the cloud made from `name_template`; empty when the release has the plan's."""
    blocked: str = ""
    """Why it must be left alone, known from the undone run already; empty: it is decided by what the cloud shows."""
    expected: ConfirmedState = ConfirmedState()
    """What the undone run left behind: a release that is shown otherwise was changed by somebody else and is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One (cluster, release) pair of a plan."""

    key: str
    cluster: Cluster
    release: ReleaseSpec
    wave: int = 0
    """Index into the plan's waves."""
    undo: RollbackStep | None = None

    @property
    def priority(self) -> int:
        """Release and cluster priority added up; higher goes first."""
        return self.cluster.priority + self.release.priority

    def satisfied_by(self, outcome: Outcome) -> bool:
        """Whether the outcome is what was wanted: where a run is to be taken back, that is to be rolled back."""
        return outcome.succeeded or (self.undo is not None and outcome is Outcome.ROLLED_BACK)
