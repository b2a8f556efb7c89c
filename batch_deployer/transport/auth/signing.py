"""AK/SK request signing (section 5.3 of docs/api.md). Pure: the date is an argument, nothing is sent.

Two forms of one idea. Both sign the same canonical request; they differ in the key and in what they call it:

    access  `Access=<AK>`                      key = the secret itself       Huawei Cloud's SDK
    legacy  `Credential=<AK>/<scope>`          key = HMAC chain over a scope proven against OTC by its Go client
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY = hashlib.sha256(b"").hexdigest()
_SIGNED_TYPES = ("application/json", "application/bson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key. The secrets are kept out of its repr."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Security token of a temporary key, else empty."""
    form: str = "access"
    """`access` or `legacy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A request as it will go on the wire."""

    method: str
    host: str
    """With the port unless it is the scheme's own."""
    path: str
    """Percent-encoded."""
    query: Sequence[tuple[str, str]] = ()
    """Plain, not encoded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def sign(request: Unsigned, key: Key, *, date: str, project_id: str = "") -> dict[str, str]:
    """All headers to send: the request's own, those that signing adds, and `Authorization`.

    `date`: UTC as `20260102T030405Z`. The server refuses one more than 15 minutes off, so sign again for every attempt.
    """
    headers = {"X-Sdk-Date": date, **request.headers}
    if project_id:
        headers["X-Project-Id"] = project_id
    if key.token:
        headers["X-Security-Token"] = key.token
    headers["Host"] = request.host
    content_type = next((text for name, text in headers.items() if name.lower() == "content-type"), "")
    digest = hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY
    if content_type and not content_type.startswith(_SIGNED_TYPES):
        headers["X-Sdk-Content-Sha256"] = UNSIGNED
        digest = UNSIGNED if request.body else _EMPTY
    canonical, signed = canonical_request(request, headers, digest)
    headers["Authorization"] = _authorization(key, canonical, signed, date)
    return headers


def canonical_request(request: Unsigned, headers: Mapping[str, str], digest: str) -> tuple[str, str]:
    """The text that is hashed, and the list of signed headers.

    Names with an underscore are left out, as proxies drop them. The path gets a final slash here, though not on the wire.
    """
    path = quote(unquote(request.path), safe="/~")
    if not path.endswith("/"):
        path += "/"
    pairs = sorted((quote(name, safe="~"), quote(text, safe="~")) for name, text in request.query)
    query = "&".join(f"{name}={text}" for name, text in pairs)
    lowered = sorted((name.lower(), text.strip()) for name, text in headers.items() if "_" not in name)
    signed = ";".join(name for name, _ in lowered)
    lines = "".join(f"{name}:{text}\n" for name, text in lowered)
    return f"{request.method.upper()}\n{path}\n{query}\n{lines}\n{signed}\n{digest}", signed


def _authorization(key: Key, canonical: str, signed: str, date: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    owner, scope, secret = f"Access={key.access}", "", key.secret.encode()
    if key.form == "legacy":
        # Between the slashes stand region and service; the provider's Go client leaves both empty.
        scope = f"{date[:8]}///sdk_request"
        owner, secret = f"Credential={key.access}/{scope}", _chained(key, date[:8])
    text = "\n".join(part for part in (ALGORITHM, date, scope, digest) if part)
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} {owner}, SignedHeaders={signed}, Signature={signature}"


@lru_cache(maxsize=8)
def _chained(key: Key, day: str) -> bytes:
    """Key of the legacy form, the same for a whole day."""
    secret = b"SDK" + key.secret.encode()
    for part in (day, "", "", "sdk_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return secret
