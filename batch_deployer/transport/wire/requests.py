"""Calls as HTTP requests (section 2 of docs/api.md). Pure."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.model.api import (
    Call,
    ClusterTags,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    ShowChart,
    ShowCluster,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation

JSON = "application/json"
_ACTIONS = {Operation.UPGRADE: "upgrade", Operation.ROLLBACK: "rollback"}


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request to the cloud's endpoint."""

    method: str
    path: str
    """Percent-encoded, starts with `/`, never ends with one: the gateway answers 404 to a trailing slash."""
    query: tuple[tuple[str, str], ...] = ()
    """Plain, not yet encoded; in the order sent."""
    body: bytes = b""
    content_type: str = JSON
    """Sent on every call: documented as mandatory, and part of a signature."""

    @property
    def target(self) -> str:
        """Path and query as they go on the wire."""
        if not self.query:
            return self.path
        return self.path + "?" + "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in self.query)


class _Create(msgspec.Struct, omit_defaults=True):
    """Body of R2 (section 2.1)."""

    chart_id: str
    name: str
    namespace: str
    version: str
    values: msgspec.Raw
    description: str = ""
    parameters: dict[str, bool | str | int] = {}


class _Update(msgspec.Struct):
    """Body of R4 (section 2.2): all four are mandatory, even for a rollback."""

    chart_id: str
    action: str
    parameters: dict[str, bool | str | int]
    values: msgspec.Raw


_encode = msgspec.json.Encoder().encode


def encode(call: Call, project_id: str = "", base_path: str = "") -> Request:
    """The request for a call, its path below that of the endpoint.

    Raises InputError for an identifier that cannot be a path segment, and for a cluster call without a project id.
    """
    request = _REQUESTS[type(call)](call, project_id)
    return msgspec.structs.replace(request, path=base_path + request.path) if base_path else request


@lru_cache(maxsize=8192)  # a run names the same few clusters and releases again and again
def _segment(text: str) -> str:
    """One path segment. An empty one would address the list instead of its member, and dots would climb the path."""
    if text in {"", ".", ".."}:
        raise InputError(f"{text!r} cannot be part of an API path: give the cluster id, namespace, name or chart id")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{text!a} cannot be part of an API path: it is no valid Unicode text") from None


def _project(project_id: str) -> str:
    if not project_id:
        raise InputError("clusters are listed by project: give `project_id` for this cloud")
    return _segment(project_id)


def _releases(cluster_id: str) -> str:
    return f"/cce/cam/v3/clusters/{_segment(cluster_id)}/releases"


def _release(call: ShowRelease | ReleaseHistory | UpdateRelease | DeleteRelease) -> str:
    # `namespace` is a literal word of the path, in the singular.
    cluster, namespace, name = _segment(call.cluster_id), _segment(call.namespace), _segment(call.name)
    return f"/cce/cam/v3/clusters/{cluster}/namespace/{namespace}/releases/{name}"


def _values(text: str) -> msgspec.Raw:
    """Values go into the body as they are, without being decoded: they were checked when the plan was made."""
    stripped = text.strip() or "{}"
    if not (stripped.startswith("{") and stripped.endswith("}")):
        raise ValueError("values must be a JSON object")
    return msgspec.Raw(stripped.encode())


def _list_releases(call: ListReleases, _: str) -> Request:
    filters = (("chart_id", call.chart_id), ("namespace", call.namespace))
    return Request("GET", _releases(call.cluster_id), tuple(pair for pair in filters if pair[1]))


def _create(call: CreateRelease, _: str) -> Request:
    body = _Create(
        chart_id=call.chart_id,
        name=call.name,
        namespace=call.namespace,
        version=call.version,
        values=_values(call.values_json),
        description=call.description,
        parameters=call.parameters.as_body(),
    )
    return Request("POST", _releases(call.cluster_id), body=_encode(body))


def _update(call: UpdateRelease, _: str) -> Request:
    body = _Update(
        chart_id=call.chart_id,
        action=_ACTIONS[call.operation],
        parameters=call.parameters.as_body(),
        values=_values(call.values_json),
    )
    return Request("PUT", _release(call), body=_encode(body))


def _show_cluster(call: ShowCluster, project_id: str) -> Request:
    return Request("GET", f"/api/v3/projects/{_project(project_id)}/clusters/{_segment(call.cluster_id)}")


def _cluster_tags(call: ClusterTags, project_id: str) -> Request:
    return Request("GET", f"/cce/v1/{_project(project_id)}/cce-cluster/{_segment(call.cluster_id)}/tags")


_REQUESTS: dict[type[Call], Callable[[Any, str], Request]] = {
    ListReleases: _list_releases,
    CreateRelease: _create,
    ShowRelease: lambda call, _: Request("GET", _release(call)),
    UpdateRelease: _update,
    DeleteRelease: lambda call, _: Request("DELETE", _release(call)),
    ReleaseHistory: lambda call, _: Request("GET", _release(call) + "/history"),
    ListCharts: lambda _call, _: Request("GET", "/v2/charts"),
    ShowChart: lambda call, _: Request("GET", f"/v2/charts/{_segment(call.chart_id)}"),
    ListClusters: lambda _call, project_id: Request("GET", f"/api/v3/projects/{_project(project_id)}/clusters"),
    ShowCluster: _show_cluster,
    ClusterTags: _cluster_tags,
}
