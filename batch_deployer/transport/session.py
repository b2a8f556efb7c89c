"""HTTP exchanges with one endpoint: a public `aiohttp.ClientSession` with every bound set and nothing implicit.

No cookies, no `.netrc`, no redirects, nothing sent twice. aiohttp by itself repeats a GET, PUT or DELETE whose kept
connection drops; the second connection is refused here, so that a write of unknown fate is read back, and a read is
repeated by the engine, through its rate limiter.
"""

import io
import math
import re
import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import aiohttp
import msgspec
from yarl import URL

from batch_deployer import __version__
from batch_deployer.errors import InputError
from batch_deployer.model.api import UNTRUSTED, Answer, Sent
from batch_deployer.ports import Fence, HeldBack
from batch_deployer.transport.response_body import read_body
from batch_deployer.transport.tls import proxy_for, tls_reason
from batch_deployer.transport.wire.requests import JSON, Request
from batch_deployer.util.wire_text import clean

FAILURES = (aiohttp.ClientError, OSError)
"""All that `Session.send` raises when no answer came, TimeoutError (an OSError) included."""
_MAX_HEADER_BYTES = 64 * 1024
"""Bytes of one header line, and of all headers of a response together."""
_MAX_IDLE_SECONDS = 55.0
"""Gateways commonly close idle connections at 60 s, and a write must not meet that moment."""
_DNS_TTL_SECONDS = 300
_MAX_LENGTH_DIGITS = 20
"""Digits of an announced length that are read: the parser admits 64 bits."""
_PIECE_BYTES = 64 * 1024
"""Larger bodies are sent piece by piece: what a cancelled write has not sent yet is then never sent."""
# A line break in a value would begin a header, or a request, of its own.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class RawResponse(msgspec.Struct, frozen=True, gc=False):
    """A response whose status arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; the first value of a repeated one."""
    body: bytes
    error: str = ""
    """Why the body is not complete; empty when it is."""


class SecondConnection(aiohttp.ClientError):
    """The connection was lost while the request was sent or its response awaited. It was not sent again."""


class Attempt:
    """One attempt at one call: the last check before its bytes leave, and how far it got."""

    __slots__ = ("_fence", "_on_sent", "reused", "sent")

    def __init__(self, *, fence: Fence | None = None, on_sent: Callable[[], None] | None = None) -> None:
        """`fence`: None for a read. `on_sent` is called once, right before the request leaves."""
        self._fence = fence
        self._on_sent = on_sent
        self.sent = False
        """Whether bytes may have reached the server."""
        self.reused = False
        """Whether the request went over a connection that had been idle."""

    def leave(self) -> None:
        """The request leaves next. Raises HeldBack, or SecondConnection for a repetition."""
        if self.sent:
            raise SecondConnection
        if self._fence is not None and not self._fence.may_write():
            raise HeldBack("fence lost")
        if self._on_sent is not None:
            self._on_sent()
        self.sent = True


class _Pool:
    """A client and its connections, and how many calls use them."""

    def __init__(self, client: aiohttp.ClientSession, connector: aiohttp.TCPConnector) -> None:
        self.client = client
        self.connector = connector
        self.calls = 0


class Session:
    """The connections to one endpoint. Make it within a running event loop."""

    def __init__(self, endpoint: str, *, connections: int, max_body: int, tls: ssl.SSLContext | None) -> None:
        """`connections`: at once. `max_body`: bytes, packed and unpacked. `tls`: None verifies by aiohttp's default."""
        url = URL(endpoint)
        self.base_path = "" if url.raw_path == "/" else url.raw_path
        self.host = url.host_port_subcomponent or ""
        """As the Host header names it."""
        self._origin = url.origin()
        # The environment's proxy is looked up once. aiohttp's trust_env would do so for every call, in a thread,
        # and read .netrc besides, which could add a foreign password to our requests.
        self._proxy = proxy_for(endpoint) or None
        self._connections = connections
        self._max_body = max_body
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._pool = self._new_pool()

    async def send(
        self, request: Request, headers: Mapping[str, str], *, total: float, connect: float, attempt: Attempt
    ) -> RawResponse:
        """Send one request and read its response; an incomplete body is a fault of the response.

        `total`, `connect`: seconds, for everything and for a connection. Raises HeldBack, InputError for a header that
        cannot be sent, or one of FAILURES; `attempt.sent` says how far it got.
        """
        headers = self._headers(request, headers)
        # A ceil_threshold rounds longer timeouts up to whole seconds, beyond what the fence reckons with.
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=connect, ceil_threshold=math.inf)
        body = request.body if len(request.body) <= _PIECE_BYTES else io.BytesIO(request.body)
        pool = self._pool
        pool.calls += 1
        try:
            async with pool.client.request(
                request.method,
                self._origin.join(URL(request.target, encoded=True)),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=timeout,
                trace_request_ctx=attempt,
            ) as response:
                return await self._read(response)
        except aiohttp.ClientConnectorError:
            # The address of the name may have changed.
            pool.connector.clear_dns_cache()
            raise
        except TimeoutError:
            if not attempt.sent:
                pool.connector.clear_dns_cache()
            # A NAT may have dropped the flows of all idle connections: the next calls use new ones.
            if attempt.reused and pool is self._pool:
                self._pool = self._new_pool()
            raise
        finally:
            pool.calls -= 1
            if pool is not self._pool and not pool.calls:
                await pool.client.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.client.close()

    def _new_pool(self) -> "_Pool":
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            ttl_dns_cache=_DNS_TTL_SECONDS,
            keepalive_timeout=_MAX_IDLE_SECONDS,
            ssl=self._tls,
        )
        client = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            trace_configs=[_attempt_hooks()],
        )
        return _Pool(client, connector)

    def _headers(self, request: Request, credential: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "Accept": JSON,
            "Accept-Encoding": "gzip",
            "User-Agent": f"batch-deployer/{__version__}",
            "Content-Type": request.content_type,
            **credential,
        }
        for name, text in headers.items():
            if _CONTROL.search(text):
                raise InputError(f"the header {name} would hold control characters; check where its value comes from")
            if not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError:
                    raise InputError(
                        "a header would hold text that is no valid Unicode; check the token or key"
                    ) from None
        return headers

    async def _read(self, response: aiohttp.ClientResponse) -> RawResponse:
        """The response with its body, bounded. What exceeds the bound closes the connection."""
        headers: dict[str, str] = {}
        for name, text in response.headers.items():
            headers.setdefault(name.lower(), text)
        length = headers.get("content-length", "")
        body, error = b"", ""
        if sum(len(name) + len(text) for name, text in response.headers.items()) > _MAX_HEADER_BYTES:
            error = f"the answer has more than {_MAX_HEADER_BYTES} bytes of headers"
        elif length.isdecimal() and len(length) < _MAX_LENGTH_DIGITS and int(length) > self._max_body:
            error = f"the answer of {length} bytes is larger than the {self._max_body} allowed"
        else:
            coding = headers.get("content-encoding", "").strip().lower()
            try:
                body, error = await read_body(response, coding, self._max_body)
            except TimeoutError:
                error = "the answer did not end in time"
            except FAILURES:
                error = "the answer broke off before its end"
        if error:
            response.close()
        return RawResponse(response.status, headers, b"" if error else body, error)


def failure(error: Exception, attempt: Attempt) -> Answer:
    """What is known when no response came. Errors of aiohttp may quote requests, so their texts are not used."""
    sent = Sent.MAYBE if attempt.sent else Sent.NO
    if isinstance(error, aiohttp.ClientHttpProxyError):
        if error.status == 407:
            return Answer(
                sent=sent, status=407, message="the proxy refused its user or password; correct them in HTTPS_PROXY"
            )
        return Answer(sent=sent, message=f"the proxy refused with HTTP {error.status}")
    if isinstance(error, TimeoutError):
        return Answer(sent=sent, message="no answer in time" if attempt.sent else "no connection in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
        return Answer(sent=sent, code=UNTRUSTED if untrusted else "", message=_connection_failure(error))
    if attempt.sent:
        return Answer(sent=sent, message="the connection broke before an answer came")
    return Answer(sent=sent, message=f"not sent: {type(error).__name__}")


def _connection_failure(error: aiohttp.ClientConnectorError) -> str:
    """One line on why there is no connection."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no such host: {error.host}"
    where = f"{error.host}:{error.port}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"no TLS connection to {where}: {tls_reason(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"no TLS connection to {where}: {tls_reason(error.os_error)}"
    return f"no connection to {where}: {clean(error.strerror or 'failed')}"


def _attempt_hooks() -> aiohttp.TraceConfig:
    """Calls `Attempt.leave` right before the bytes of a request leave.

    `on_request_headers_sent` is called before the headers are written, despite its name, and closes the connection if it
    raises. The hooks of the connection must not raise: aiohttp then forgets it without closing it.
    """
    hooks = aiohttp.TraceConfig()

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.reused = True

    async def leaves(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.leave()

    hooks.on_connection_reuseconn.append(reused)
    hooks.on_request_headers_sent.append(leaves)
    return hooks
