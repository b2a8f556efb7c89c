"""Read HTTP requests as strictly as the API does: exact paths, documented mandatory fields, right types."""

from typing import Any, Literal
from urllib.parse import unquote

import msgspec

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
from batch_deployer.model.deployment import Operation, Parameters
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.responses import SimResponse

MAX_BODY = 12 * 1024 * 1024
"""Bytes that the gateway takes."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that can be handed to the fleet."""

    call: Call
    project_id: str = ""
    """Project named in the path, if the path has one."""
    shown_as: Literal["", "values", "quotas", "project_tags"] = ""
    """The answer is another view on what the call brings."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is refused before the fleet sees it."""

    kind: str
    writes: bool
    reply: SimResponse


class ParametersBody(msgspec.Struct):
    """Section 2.3; unknown fields are ignored, as a Go server does."""

    dry_run: bool | None = None
    name_template: str | None = None
    no_hooks: bool | None = None
    replace: bool | None = None
    recreate: bool | None = None
    reset_values: bool | None = None
    release_version: int | None = None
    include_hooks: bool | None = None


class CreateBody(msgspec.Struct):
    """Section 2.1; what has no default is mandatory."""

    chart_id: str
    name: str
    namespace: str
    version: str
    values: dict[str, Any]
    parameters: ParametersBody | None = None
    description: str | None = None


class UpdateBody(msgspec.Struct):
    """Section 2.2."""

    chart_id: str
    action: Literal["upgrade", "rollback"]
    parameters: ParametersBody
    values: dict[str, Any]


_create = msgspec.json.Decoder(CreateBody)
_update = msgspec.json.Decoder(UpdateBody)


def read(method: str, target: str, content_type: str, body: bytes) -> Request | Unreadable:
    """The call behind a request line and a body."""
    path, _, query = target.partition("?")
    parts = [unquote(part) for part in path.split("/")]
    match method, parts[1:]:
        case _, [*_, ""]:
            return _unknown()
        case "GET", ["cce", "cam", "v3", "clusters", cluster, "releases"]:
            given = dict(part.partition("=")[::2] for part in query.split("&"))
            chart, namespace = unquote(given.get("chart_id", "")), unquote(given.get("namespace", ""))
            return Request(call=ListReleases(cluster_id=cluster, chart_id=chart, namespace=namespace))
        case "POST", ["cce", "cam", "v3", "clusters", cluster, "releases"]:
            return _body(CreateRelease.kind, content_type, body, lambda: _read_create(cluster, body))
        case _, ["cce", "cam", "v3", "clusters", cluster, "namespace", namespace, "releases", name, *rest]:
            return _one_release(method, (cluster, namespace, name), rest, content_type, body)
        case "GET", ["v2", "charts"]:
            return Request(call=ListCharts())
        case "GET", ["v2", "charts", chart]:
            return Request(call=ShowChart(chart_id=chart))
        case "GET", ["v2", "charts", chart, "values"]:
            return Request(call=ShowChart(chart_id=chart), shown_as="values")
        case "GET", ["v2", "charts", project, "quotas"]:
            return Request(call=ListCharts(), project_id=project, shown_as="quotas")
        case "GET", ["api", "v3", "projects", project, "clusters"]:
            return Request(call=ListClusters(), project_id=project)
        case "GET", ["api", "v3", "projects", project, "clusters", cluster]:
            return Request(call=ShowCluster(cluster_id=cluster), project_id=project)
        case "GET", ["cce", "v1", project, "cce-cluster", "tags"]:
            return Request(call=ListClusters(), project_id=project, shown_as="project_tags")
        case "GET", ["cce", "v1", project, "cce-cluster", cluster, "tags"]:
            return Request(call=ClusterTags(cluster_id=cluster), project_id=project)
        case _:
            return _unknown()


def _one_release(
    method: str, where: tuple[str, str, str], rest: list[str], content_type: str, body: bytes
) -> Request | Unreadable:
    cluster, namespace, name = where
    match method, rest:
        case "GET", []:
            return Request(call=ShowRelease(cluster_id=cluster, namespace=namespace, name=name))
        case "GET", ["history"]:
            return Request(call=ReleaseHistory(cluster_id=cluster, namespace=namespace, name=name))
        case "DELETE", []:
            return Request(call=DeleteRelease(cluster_id=cluster, namespace=namespace, name=name))
        case "PUT", []:
            return _body("update_release", content_type, body, lambda: _read_update(where, body))
        case _:
            return _unknown()


def _unknown() -> Unreadable:
    return Unreadable(kind="unknown_api", writes=False, reply=responses.no_such_api())


def _body(kind: str, content_type: str, body: bytes, make: Any) -> Request | Unreadable:
    if len(body) > MAX_BODY:
        too_large = responses.gateway(413, "APIGW.0201", "Request entity too large")
        return Unreadable(kind=kind, writes=True, reply=too_large)
    if content_type.partition(";")[0].strip().lower() != "application/json":
        refusal = responses.service(400, "CCE.01400006", f"content type {content_type[:80]!r} is not supported")
        return Unreadable(kind=kind, writes=True, reply=refusal)
    try:
        return Request(call=make())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(kind=kind, writes=True, reply=responses.invalid(f"Request is invalid: {error}"))


def _read_create(cluster: str, body: bytes) -> CreateRelease:
    given = _create.decode(body)
    return CreateRelease(
        cluster_id=cluster,
        namespace=given.namespace,
        name=given.name,
        chart_id=given.chart_id,
        version=given.version,
        values_json=_text(given.values),
        parameters=_parameters(given.parameters),
        description=given.description or "",
    )


def _read_update(where: tuple[str, str, str], body: bytes) -> UpdateRelease:
    given = _update.decode(body)
    return UpdateRelease(
        cluster_id=where[0],
        namespace=where[1],
        name=where[2],
        operation=Operation(given.action),
        chart_id=given.chart_id,
        values_json=_text(given.values),
        parameters=_parameters(given.parameters),
    )


def _text(values: dict[str, Any]) -> str:
    return msgspec.json.encode(values).decode()


def _parameters(given: ParametersBody | None) -> Parameters:
    return Parameters(**msgspec.structs.asdict(given)) if given is not None else Parameters()
