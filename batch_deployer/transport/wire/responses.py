"""Bodies of successful answers as values (sections 2.4 to 2.6 of docs/api.md). Pure; anything at all can be read.

Releases, which are read by the thousand, go straight from bytes into structs. Whatever does not fit there
(nulls, numbers as text, another nesting: the provider's schema has drifted before) is read again by `loose`.
"""

import msgspec

from batch_deployer.model.api import (
    Body,
    Call,
    ClusterTags,
    CreateRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    ReleaseState,
    ShowChart,
    ShowCluster,
    ShowRelease,
    Status,
    UpdateRelease,
    normalise_status,
)
from batch_deployer.transport.wire import lenient
from batch_deployer.util.wire_text import MAX_TEXT, clean, deeper_than

_STATUSES = frozenset(status.value for status in Status)


class WireRelease(ReleaseState, frozen=True, kw_only=True, gc=False):
    """A ReleaseState under its field names on the wire; equal to one that holds the same."""

    # An answer's `version` is the Helm revision; a request's is the chart version.
    revision: int = msgspec.field(default=0, name="version")
    created_at: str = msgspec.field(default="", name="create_at")
    updated_at: str = msgspec.field(default="", name="update_at")
    values_json: str = msgspec.field(default="", name="values")

    def __eq__(self, other: object) -> bool:
        """Compare by fields, whichever of the two classes the other is."""
        if not isinstance(other, ReleaseState):
            return NotImplemented
        return msgspec.structs.astuple(self) == msgspec.structs.astuple(other)

    def __hash__(self) -> int:
        return hash(ReleaseState(**msgspec.structs.asdict(self)))


_one = msgspec.json.Decoder(WireRelease, strict=False).decode
_many = msgspec.json.Decoder(list[WireRelease], strict=False).decode


def decode(call: Call, body: bytes, max_depth: int = 64) -> Body:
    """The body of a 2xx answer to `call`; None when the call has none or it cannot be read. Never raises.

    A list is read whole or not at all: a release left out would look absent, and absent ones get created.
    The answer to a delete is never read, as its form differs between platforms.
    """
    match call:
        case ListReleases() | ReleaseHistory():
            return _release_list(call, body, max_depth)
        case ShowRelease() | CreateRelease() | UpdateRelease():
            return _release(call, body, max_depth)
        case ListCharts():
            return lenient.all_of(lenient.chart, lenient.members(lenient.document(body, max_depth), "charts"))
        case ShowChart():
            return lenient.chart(lenient.single(lenient.document(body, max_depth)))
        case ListClusters():
            return lenient.all_of(
                lenient.cluster, lenient.members(lenient.document(body, max_depth), "items", "clusters")
            )
        case ShowCluster():
            return lenient.cluster(lenient.single(lenient.document(body, max_depth)))
        case ClusterTags():
            return lenient.tags(lenient.document(body, max_depth))
        case _:
            return None


def _release_list(call: ListReleases | ReleaseHistory, body: bytes, max_depth: int) -> Body:
    cluster, namespace, name = call.cluster_id, call.namespace, getattr(call, "name", "")
    try:
        found: list[ReleaseState] | None = _many(body)  # type: ignore[assignment]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = lenient.members(lenient.document(body, max_depth), "items", "releases")
        found = lenient.all_of(lambda row: lenient.release(row, cluster, namespace, name), rows)
    return None if found is None else [_tidy(release, cluster, max_depth) for release in found]


def _release(call: ShowRelease | CreateRelease | UpdateRelease, body: bytes, max_depth: int) -> Body:
    try:
        found: ReleaseState | None = _one(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        row = lenient.single(lenient.document(body, max_depth))
        found = lenient.release(row, call.cluster_id, call.namespace, call.name)
    return None if found is None else _tidy(found, call.cluster_id, max_depth)


def _tidy(release: ReleaseState, cluster_id: str, max_depth: int) -> ReleaseState:
    """Known spelling of the status, no control characters, values of bounded depth, cluster id filled in.

    The checks are cheap and nearly always pass; only then is a new value made.
    """
    values, told = release.values_json, release.status_description
    shown = f"{release.name}{release.namespace}{release.chart_name}{release.chart_version}{release.cluster_id}"
    if (
        release.status in _STATUSES
        and release.cluster_id
        and f"{shown}{told}{release.created_at}{release.updated_at}".isprintable()
        and len(told) <= MAX_TEXT
        and (len(values) <= max_depth or not deeper_than(values, max_depth))
    ):
        return release
    return msgspec.structs.replace(
        release,
        name=clean(release.name),
        namespace=clean(release.namespace),
        cluster_id=clean(release.cluster_id) or cluster_id,
        chart_name=clean(release.chart_name),
        chart_version=clean(release.chart_version),
        status=normalise_status(clean(release.status)),
        status_description=clean(release.status_description),
        created_at=clean(release.created_at),
        updated_at=clean(release.updated_at),
        values_json="" if deeper_than(values, max_depth) else values,
    )
