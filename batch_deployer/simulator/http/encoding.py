"""Write replies as the API does: documented objects, the five error shapes, the gateway's headers."""

import json
from email.utils import formatdate
from typing import Any

import msgspec

from batch_deployer.simulator.http.decoding import Request
from batch_deployer.simulator.service.bodies import ClusterListBody
from batch_deployer.simulator.service.responses import Problem, SimResponse

_encode = msgspec.json.Encoder().encode
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
QUOTA = 200
"""Charts that a project may hold."""


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """Status, headers and bytes of an HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = msgspec.field(default_factory=dict)


def encode(reply: SimResponse, request: Request | None, *, now: float, dates: bool = False) -> Encoded:
    """The answer on the wire. `dates`: Retry-After is a date instead of seconds."""
    headers = {"X-Request-Id": reply.request_id} if reply.request_id else {}
    if reply.retry_after is not None:
        seconds = -int(-reply.retry_after // 1)
        headers["Retry-After"] = formatdate(int(now) + 1 + seconds, usegmt=True) if dates else str(max(1, seconds))
    problem = reply.problem
    if problem is None:
        shown = _encode(_view(reply.body, request))
        return Encoded(status=reply.status, body=shown, headers=headers)
    if problem.shape == "G":
        return Encoded(status=reply.status, body=_HTML, content_type="text/html", headers=headers)
    text = _encode(_problem(problem, reply))
    return Encoded(status=reply.status, body=text, headers=headers)


def _problem(problem: Problem, reply: SimResponse) -> dict[str, Any]:
    if problem.shape == "B":
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": reply.status,
            "errorCode": problem.code,
            "errorMessage": problem.reason,
            "error_code": problem.other_code,
            "error_msg": problem.reason,
            "message": problem.message,
            "reason": problem.reason,
        }
    body = {"error_code": problem.code, "error_msg": problem.message}
    return body | {"request_id": reply.request_id} if problem.shape == "C" else body


def _view(body: Any, request: Request | None) -> Any:
    """The body itself, or the other view on it that the path asked for."""
    shown_as = request.shown_as if request is not None else ""
    if shown_as == "values":
        return {"values": json.loads(body.values)}
    if shown_as == "quotas":
        return {"quotas": {"resources": [{"type": "Charts", "quota": QUOTA, "used": len(body)}]}}
    if shown_as == "project_tags":
        return {"tags": _project_tags(body)}
    if request is not None and request.call.kind == "cluster_tags":
        return {"tags": [{"key": key, "value": value} for key, value in body.items()], "sys_tags": []}
    return body


def _project_tags(body: ClusterListBody) -> list[dict[str, Any]]:
    """Every key once, with all its values."""
    values: dict[str, list[str]] = {}
    for cluster in body.items:
        for tag in cluster.spec["clusterTags"]:
            known = values.setdefault(tag["key"], [])
            if tag["value"] not in known:
                known.append(tag["value"])
    return [{"key": key, "values": found} for key, found in values.items()]
