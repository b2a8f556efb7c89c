"""What the fleet answers to one request, and every error that it knows, with the provider's real words (section 4)."""

from typing import Any

import msgspec

from batch_deployer.settings import Rate


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error body: shape B (service), C (gateway), E (identity) or G (HTML from a proxy)."""

    shape: str
    code: str = ""
    other_code: str = ""
    message: str = ""
    reason: str = ""


class SimResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or the absence of one."""

    status: int = 0
    """HTTP status; 0: the connection ends without an answer."""
    body: Any = None
    """A body of section 2, or a list of them."""
    problem: Problem | None = None
    delay: float = 0.0
    """Real seconds before the answer leaves, or before the connection is cut."""
    retry_after: float | None = None
    request_id: str = ""

    def after(self, delay: float) -> "SimResponse":
        """The same, later."""
        return msgspec.structs.replace(self, delay=self.delay + delay)


CUT = SimResponse()
_REASONS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 429: "TooManyRequests"}
_GENERAL = {
    400: ("CCE_CM.0004", "Invalid request."),
    403: ("CCE_CM.0001", "Access denied."),
    404: ("CCE_CM.0003", "Resource not found."),
    409: ("CCE_CM.0005", "The resource already exists."),
    429: ("CCE_CM.0006", "The resource is locked by other requests."),
    500: ("CCE_CM.0002", "Internal error."),
}


def service(status: int, code: str, message: str) -> SimResponse:
    """Shape B: the service itself refuses."""
    other = _GENERAL.get(status, ("", ""))[0]
    problem = Problem(
        shape="B", code=code, other_code=other, message=message, reason=_REASONS.get(status, "InternalError")
    )
    return SimResponse(status=status, problem=problem)


def gateway(status: int, code: str, message: str) -> SimResponse:
    """Shape C: the gateway before the service refuses, or gave up on it."""
    return SimResponse(status=status, problem=Problem(shape="C", code=code, message=message))


def identity(status: int, code: str, message: str) -> SimResponse:
    """Shape E: the identity service refuses."""
    return SimResponse(status=status, problem=Problem(shape="E", code=code, message=message))


def html(status: int) -> SimResponse:
    """Shape G: some proxy answers."""
    return SimResponse(status=status, problem=Problem(shape="G"))


def invalid(message: str) -> SimResponse:
    """400: same request, same answer."""
    return service(400, "CCE.01400001", message)


def not_found(what: str) -> SimResponse:
    """404 of the service: the thing really is not there."""
    return service(404, "CCE.01404001", f"{what} not found")


def refused(status: int, message: str) -> SimResponse:
    """A request that the simulator itself refuses, whatever the provider would do."""
    return SimResponse(status=status, problem=Problem(shape="D", code="", message=message))


def no_such_api() -> SimResponse:
    """404 of the gateway: wrong path, never an absent release."""
    return gateway(404, "APIGW.0101", "The API does not exist or has not been published in the environment")


def exists(name: str) -> SimResponse:
    """409: Helm's words for a name in use."""
    return service(
        409, "CCE.01409001", f"cannot re-use a name that is still in use: The release name {name} is already exist"
    )


def resource_exists(name: str) -> SimResponse:
    """409: a resource of the chart exists, and no release owns it."""
    return service(409, "CCE.01409001", f'rendered manifests contain a resource that already exists: Service "{name}"')


def locked() -> SimResponse:
    """429: one release is being written by another request."""
    return service(429, "CCE.01429002", "Update release is forbidden")


def throttled(rate: Rate, retry_after: float | None) -> SimResponse:
    """429 of the gateway, in its own words."""
    units = {1.0: "1 second", 60.0: "1 minute", 3600.0: "1 hour"}
    window = units.get(rate.period) or f"{rate.period:g} second"
    text = f"Request throttled: policy user over ratelimit,limit:{rate.count},time:{window}"
    return SimResponse(status=429, problem=Problem(shape="C", code="APIGW.0308", message=text), retry_after=retry_after)


def forbidden(what: str) -> SimResponse:
    """403: no permission."""
    return service(403, "CCE.01403001", f"Access denied: {what}")


def phase_forbids(cluster: str, phase: str) -> SimResponse:
    """403: the state of the cluster forbids it."""
    return service(403, "CCE.01403002", f"cluster {cluster} is {phase}, the operation is not allowed in this state")


def unreachable(cluster: str) -> SimResponse:
    """500: the service cannot reach the API server of the cluster."""
    text = f"Kubernetes cluster unreachable: cluster {cluster}: dial tcp 10.0.0.1:5443: i/o timeout"
    return service(500, "CCE.01500001", text)


def token_expired() -> SimResponse:
    """401: the token ended before its time."""
    return gateway(401, "APIGW.0307", "The token must be updated")


def token_foreign() -> SimResponse:
    """401: no such token."""
    return gateway(401, "APIGW.0301", "Incorrect IAM authentication information: decrypt token fail")


def server_error(status: int) -> SimResponse:
    """5xx in the words of whoever sends it."""
    if status == 500:
        return service(500, "CCE.01500001", "Internal error.")
    if status == 504:
        return gateway(504, "APIGW.0201", "Backend timeout")
    if status == 502:
        return gateway(502, "APIGW.0201", "Backend unavailable")
    return gateway(503, "APIGW.0613", "The service is unavailable, please try again later")
