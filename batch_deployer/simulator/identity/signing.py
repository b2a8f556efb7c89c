"""Check the AK/SK signature of a request: both forms of section 5.3, written apart from the client's own code."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import msgspec

_HEADER = re.compile(
    r"SDK-HMAC-SHA256 (?P<form>Access|Credential)=(?P<who>[^,\s]+),\s*"
    r"SignedHeaders=(?P<headers>[a-z0-9;_-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
MAX_SKEW = 900.0
"""Seconds by which the date of a request may differ from the server's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """An Authorization header, taken apart."""

    access_key: str
    scope: str
    """`date/region/service/sdk_request` of the `Credential=` form, else empty."""
    headers: tuple[str, ...]
    signature: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came over the wire."""

    method: str
    target: str
    """Path and query, still percent-encoded."""
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes


def parse_authorization(text: str) -> Signed | None:
    """The parts of an Authorization header; None when it is none of the two forms."""
    found = _HEADER.fullmatch(text.strip())
    if found is None:
        return None
    access_key, _, scope = found["who"].partition("/")
    if (found["form"] == "Credential") != bool(scope):
        return None
    return Signed(
        access_key=access_key,
        scope=scope,
        headers=tuple(found["headers"].split(";")),
        signature=found["signature"],
    )


def fresh(received: Received, now: float) -> bool:
    """Whether the request's date is near enough to now (epoch seconds)."""
    try:
        date = datetime.strptime(received.headers.get("X-Sdk-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(date.timestamp() - now) <= MAX_SKEW


def genuine(received: Received, signed: Signed, secret: str) -> bool:
    """Whether the signature was made with this secret key over this very request."""
    if "x-sdk-date" not in signed.headers or any(name not in received.headers for name in signed.headers):
        return False
    date = received.headers["X-Sdk-Date"]
    digest = hashlib.sha256(_canonical(received, signed.headers).encode()).hexdigest()
    if signed.scope:
        key, text = _derived(secret, signed.scope), f"SDK-HMAC-SHA256\n{date}\n{signed.scope}\n{digest}"
    else:
        key, text = secret.encode(), f"SDK-HMAC-SHA256\n{date}\n{digest}"
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signed.signature)


def _derived(secret: str, scope: str) -> bytes:
    """The key chain of the `Credential=` form."""
    key = ("SDK" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical(received: Received, names: tuple[str, ...]) -> str:
    path, _, query = received.target.partition("?")
    segments = "/".join(quote(unquote(segment), safe="~") for segment in path.split("/"))
    given = received.headers.get("X-Sdk-Content-Sha256", "")
    payload = given if given == "UNSIGNED-PAYLOAD" else hashlib.sha256(received.body).hexdigest()
    return "\n".join(
        (
            received.method,
            segments if segments.endswith("/") else segments + "/",
            _canonical_query(query),
            *(f"{name}:{received.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            payload,
        )
    )


def _canonical_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    decoded = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in decoded)
