"""The provider's API as values: calls that can be made, and answers that come back.

The calls say *what*; the HTTP path, field names and quirks are known to `transport.wire` alone.
Section numbers refer to the API reference card (docs/api.md).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import msgspec

from batch_deployer.model.deployment import Operation, Parameters


class Status(StrEnum):
    """Release status (section 3), already normalised."""

    DEPLOYED = "DEPLOYED"
    DELETED = "DELETED"
    FAILED = "FAILED"
    DELETING = "DELETING"
    PENDING_INSTALL = "PENDING_INSTALL"
    PENDING_UPGRADE = "PENDING_UPGRADE"
    PENDING_ROLLBACK = "PENDING_ROLLBACK"
    UNKNOWN = "UNKNOWN"
    SUPERSEDED = "SUPERSEDED"


PENDING = frozenset({Status.PENDING_INSTALL, Status.PENDING_UPGRADE, Status.PENDING_ROLLBACK})
_HELM3_WORDS = {"UNINSTALLED": Status.DELETED, "UNINSTALLING": Status.DELETING}


def normalise_status(text: str) -> str:
    """Helm 3 and console spellings to the API's upper-case words; an unknown word comes back as it is, in upper case."""
    word = text.upper().replace("-", "_")
    return _HELM3_WORDS.get(word, word)


class ReleaseState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A release as the cloud shows it (section 2.4)."""

    name: str
    namespace: str
    cluster_id: str = ""
    chart_name: str = ""
    chart_version: str = ""
    revision: int = 0
    """Helm revision, 1 after create. Wire name: `version` of an answer."""
    status: str = ""
    """A `Status` value, or an unknown word in upper case."""
    status_description: str = ""
    created_at: str = ""
    """RFC 3339 with offset, as sent."""
    updated_at: str = ""
    values_json: str = ""
    """JSON document as sent; empty when the cloud sent none."""


class ChartState(msgspec.Struct, frozen=True, kw_only=True):
    """A chart as the cloud shows it (section 2.5)."""

    id: str
    name: str
    version: str
    public: bool = False
    description: str = ""
    updated_at: str = ""
    """When it was uploaded last, as sent."""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as the cloud shows it (section 2.6)."""

    id: str
    name: str = ""
    alias: str = ""
    phase: str = ""
    reason: str = ""
    version: str = ""
    flavor: str = ""
    vpc: str = ""
    tags: dict[str, str] = {}


class ListReleases(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R1: all releases of one cluster, every namespace."""

    kind: ClassVar[str] = "list_releases"
    writes: ClassVar[bool] = False
    cluster_id: str
    chart_id: str = ""
    namespace: str = ""


class ShowRelease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R3."""

    kind: ClassVar[str] = "show_release"
    writes: ClassVar[bool] = False
    cluster_id: str
    namespace: str
    name: str


class ReleaseHistory(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R6: revisions of one release."""

    kind: ClassVar[str] = "release_history"
    writes: ClassVar[bool] = False
    cluster_id: str
    namespace: str
    name: str


class CreateRelease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R2."""

    kind: ClassVar[str] = "create_release"
    writes: ClassVar[bool] = True
    operation: ClassVar[Operation] = Operation.CREATE
    cluster_id: str
    namespace: str
    name: str
    chart_id: str
    version: str
    """Chart version."""
    values_json: str = "{}"
    """Values with secrets filled in: a JSON object as text."""
    parameters: Parameters = Parameters()
    description: str = ""


class UpdateRelease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R4: upgrade or rollback."""

    kind: ClassVar[str] = "update_release"
    writes: ClassVar[bool] = True
    cluster_id: str
    namespace: str
    name: str
    operation: Operation
    chart_id: str
    values_json: str = "{}"
    parameters: Parameters = Parameters()


class DeleteRelease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """R5."""

    kind: ClassVar[str] = "delete_release"
    writes: ClassVar[bool] = True
    operation: ClassVar[Operation] = Operation.DELETE
    cluster_id: str
    namespace: str
    name: str


class ListCharts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """C1: all charts of the project."""

    kind: ClassVar[str] = "list_charts"
    writes: ClassVar[bool] = False


class ShowChart(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """C2."""

    kind: ClassVar[str] = "show_chart"
    writes: ClassVar[bool] = False
    chart_id: str


class ListClusters(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """K1: all clusters of the project."""

    kind: ClassVar[str] = "list_clusters"
    writes: ClassVar[bool] = False


class ShowCluster(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """K2."""

    kind: ClassVar[str] = "show_cluster"
    writes: ClassVar[bool] = False
    cluster_id: str


class ClusterTags(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """K3: resource tags of one cluster; the answer's body is a mapping."""

    kind: ClassVar[str] = "cluster_tags"
    writes: ClassVar[bool] = False
    cluster_id: str


Write: TypeAlias = CreateRelease | UpdateRelease | DeleteRelease
Read: TypeAlias = (
    ListReleases | ShowRelease | ReleaseHistory | ListCharts | ShowChart | ListClusters | ShowCluster | ClusterTags
)
Call: TypeAlias = Write | Read

Body: TypeAlias = (
    list[ReleaseState]
    | ReleaseState
    | list[ChartState]
    | ChartState
    | list[ClusterState]
    | ClusterState
    | Mapping[str, str]
    | None
)


class Sent(StrEnum):
    """How far a request got, as far as the client can know."""

    YES = "yes"
    """An HTTP answer came back."""
    NO = "no"
    """It certainly did not reach the server: name, connect or TLS failure."""
    MAYBE = "maybe"
    """It left, and no answer came: timeout, reset, unreadable answer."""


UNTRUSTED = "TLS"
"""Code of an answer that did not come because the server's certificate is not trusted: waiting does not help."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came back from one attempt at one call. A transport returns this for every failure of network or server."""

    status: int = 0
    """HTTP status; 0 when none arrived."""
    sent: Sent = Sent.YES
    body: Body = None
    """Decoded body of a 2xx answer; None when the call has none or it could not be read."""
    code: str = ""
    """`errorCode` (`CCE.01409001`), or the only code there is (`APIGW.0308`, `IAM.0066`)."""
    other_code: str = ""
    """`error_code` when both were sent (`CCE_CM.0004`)."""
    message: str = ""
    """The server's text, already cleaned of control characters and cut to a bounded length."""
    request_id: str = ""
    retry_after: float | None = None
    """Seconds to wait as the server asked for (a date is already turned into seconds), if it did."""
    server_time: float | None = None
    """What the server's clock said (the `Date` header), seconds since the epoch; None when it did not say."""
    credential: int = 0
    """Generation of the credential that was used; pass it to `Api.renew`."""
    shape: str = ""
    """Error body shape `A`..`G` (section 4.1); empty on success or when there was no body."""

    def but(self, **changed: Any) -> "Answer":
        """The same with some fields changed."""
        return msgspec.structs.replace(self, **changed)
