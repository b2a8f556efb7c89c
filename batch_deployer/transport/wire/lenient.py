"""The patient way of reading an answer: field by field, tolerating whatever can be understood. Pure, never raises.

A value that is None has not been understood.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from batch_deployer.model.api import ChartState, ClusterState, ReleaseState
from batch_deployer.util.wire_text import clean, deeper_than

_T = TypeVar("_T")


def document(body: bytes, max_depth: int) -> Any:
    """JSON of any kind with bad UTF-8 replaced; `...` when it is no JSON or nests too deep (None is JSON's null)."""
    text = body.decode("utf-8-sig", errors="replace")
    if deeper_than(text, max_depth):
        return ...
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return ...


def members(found: Any, *wrappers: str) -> Sequence[Any] | None:
    """The elements of a list that came bare, as null, or as the named field of an object."""
    if isinstance(found, dict):
        named = [found[wrapper] for wrapper in wrappers if wrapper in found]
        # A bare object is a list of one that lost its brackets, unless it is an error with a good status.
        found = named[0] if named else [found]
    if found is None:
        return []
    return [row for row in found if row is not None] if isinstance(found, list) else None


def single(found: Any) -> Any:
    """An object that came bare or as a list of one."""
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def all_of(read: Callable[[Any], _T | None], rows: Sequence[Any] | None) -> list[_T] | None:
    """Every row as a value; None as soon as one cannot be understood."""
    if rows is None:
        return None
    values = []
    for row in rows:
        if (value := read(row)) is None:
            return None
        values.append(value)
    return values


def release(row: Any, cluster_id: str, namespace: str = "", name: str = "") -> ReleaseState | None:
    """A release (section 2.4). What it lacks is taken from the call; without name and namespace it is none.

    Something that has nothing of a release about it (an error body, say) is none either.
    """
    if not isinstance(row, dict) or not (row.keys() & {"name", "version", "chart_name"}):
        return None
    name, namespace = text(row, "name") or name, text(row, "namespace") or namespace
    if not name or not namespace:
        return None
    return ReleaseState(
        name=name,
        namespace=namespace,
        cluster_id=text(row, "cluster_id") or cluster_id,
        chart_name=text(row, "chart_name"),
        chart_version=text(row, "chart_version"),
        revision=whole(row.get("version")),
        status=text(row, "status"),
        status_description=text(row, "status_description"),
        created_at=text(row, "create_at"),
        updated_at=text(row, "update_at"),
        values_json=_json_text(row.get("values")),
    )


def chart(row: Any) -> ChartState | None:
    """A chart (section 2.5); without an id it is none."""
    if not isinstance(row, dict) or not text(row, "id"):
        return None
    return ChartState(
        id=clean(text(row, "id")),
        name=clean(text(row, "name")),
        version=clean(text(row, "version")),
        public=row.get("public") in (True, "true", "True"),
        description=clean(text(row, "description")),
        updated_at=clean(text(row, "update_at"), 64),
    )


def cluster(row: Any) -> ClusterState | None:
    """A cluster (section 2.6); without a uid it is none. `status.endpoints` and `conditions` drift and are not read."""
    if not isinstance(row, dict):
        return None
    metadata, spec, status = (_part(row, name) for name in ("metadata", "spec", "status"))
    if not text(metadata, "uid"):
        return None
    return ClusterState(
        id=clean(text(metadata, "uid")).lower(),  # manifests and keys name it in lower case
        name=clean(text(metadata, "name")),
        alias=clean(text(metadata, "alias")),
        phase=clean(text(status, "phase")),
        reason=clean(text(status, "reason", "message")),
        version=clean(text(spec, "version")),
        flavor=clean(text(spec, "flavor")),
        vpc=clean(text(_part(spec, "hostNetwork"), "vpc")),
        tags=_pairs(spec.get("clusterTags")) or {},
    )


def tags(found: Any) -> dict[str, str] | None:
    """The user's tags of one cluster (call K3); the system's own are left out."""
    if not isinstance(found, dict) or "tags" not in found:
        return None
    return {} if found["tags"] is None else _pairs(found["tags"])


def text(row: Mapping[str, Any], *names: str) -> str:
    """The first of the fields that holds something, as text; empty when none does."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def whole(value: Any) -> int:
    """A whole number that may have come as text or float; 0 when it is none."""
    try:
        return int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = single(row.get(name))
    return value if isinstance(value, dict) else {}


def _pairs(found: Any) -> dict[str, str] | None:
    """Tags, be they a list of `{key, value}` or one object."""
    if isinstance(found, dict):
        return {clean(key): clean(text(found, key)) for key in found}
    if not isinstance(found, list):
        return None
    rows = [row for row in found if isinstance(row, dict) and text(row, "key")]
    return {clean(text(row, "key")): clean(text(row, "value")) for row in rows}


def _json_text(value: Any) -> str:
    """JSON within a string, as documented; or an object in its place, put back into a text."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
