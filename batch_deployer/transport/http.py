"""The API over HTTP: one attempt per call, every failure of network or server an Answer."""

import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from batch_deployer import __version__
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.ports import Clock, Fence
from batch_deployer.settings import WireSettings
from batch_deployer.transport.address import checked, proxy_for
from batch_deployer.transport.auth.credential import Credential
from batch_deployer.transport.receiving import ENCODINGS, hide, receive, without
from batch_deployer.transport.sending import Attempt, Disconnected, FenceLost, TrackedRequest
from batch_deployer.transport.wire.answers import decode
from batch_deployer.transport.wire.errors import read_error
from batch_deployer.transport.wire.headers import http_date, request_id, retry_after
from batch_deployer.transport.wire.requests import JSON, encode
from batch_deployer.transport.wire.text import clean

_KEPT = 55.0
"""Seconds for which an idle connection is kept; gateways commonly drop theirs at 60, and a write must not meet that moment."""
_NAMES_KEPT = 300
"""Seconds for which a looked-up address is used again."""
_SKEW = 60.0
"""Seconds by which clocks may differ before a refused signature is put down to it."""


class HttpApi:
    """One cloud's API on one aiohttp session. Satisfies `ports.Api`. Make it within a running event loop."""

    def __init__(
        self,
        endpoint: str,
        *,
        project_id: str,
        credential: Credential,
        wire: WireSettings,
        connections: int,
        clock: Clock,
        fence: Fence | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises BadInput unless `endpoint` is https, or http to this machine. `tls`: None verifies by aiohttp's default."""
        self._endpoint = checked(endpoint, "endpoint")
        self._host = URL(self._endpoint).host_port_subcomponent or urlsplit(self._endpoint).netloc
        # Looks ask for the same lists again and again.
        self._url = lru_cache(maxsize=8192)(lambda target: URL(self._endpoint + target, encoded=True))
        self._project_id = project_id
        self._credential = credential
        self._wire = wire
        self._clock = clock
        self._fence = fence
        self._refusal = ""
        # The environment's proxy is looked up once. aiohttp's trust_env would do so for every call, in a thread,
        # and read .netrc besides, which could put a foreign password onto our requests.
        self._proxy = proxy_for(self._endpoint) or None
        self._read_time = aiohttp.ClientTimeout(total=wire.read_timeout, sock_connect=wire.connect)
        self._write_time = aiohttp.ClientTimeout(total=wire.write_timeout, sock_connect=wire.connect)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                keepalive_timeout=_KEPT,
                ttl_dns_cache=_NAMES_KEPT,
                ssl=True if tls is None else tls,
            ),
            headers={
                "Accept": JSON,
                "Accept-Encoding": ENCODINGS,
                "User-Agent": f"batch-deployer/{__version__}",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=TrackedRequest,
            auto_decompress=False,
        )

    async def call(self, call: Call) -> Answer:
        """One attempt. Raises only BadInput, for a call that cannot be put into a request."""
        request = encode(call, self._project_id)
        if self._credential.due():
            await self._credential.refresh()
        attempt = Attempt(write=call.writes, fence=self._fence)
        generation = self._credential.generation
        shown = self._credential.headers(request, self._host)
        token = shown.get("X-Auth-Token", "")
        try:
            async with self._session.request(
                request.method,
                self._url(request.target),
                headers={"Content-Type": request.content_type, **shown},
                data=request.body or None,
                allow_redirects=False,
                timeout=self._write_time if call.writes else self._read_time,
                middlewares=(attempt,),
                proxy=self._proxy,
            ) as response:
                return await self._answer(call, response, generation, token)
        except FenceLost:
            return Answer(sent=Sent.NO, message="fence lost", credential=generation)
        except (aiohttp.ClientError, Disconnected, OSError) as error:
            sent = Sent.MAYBE if attempt.left else Sent.NO
            return Answer(sent=sent, message=_told(error, sent), credential=generation)

    async def renew(self, credential: int) -> None:
        """See `ports.Api`. Raises CloudUnreachable too, when the identity service does not answer."""
        await self._credential.renew(credential, self._refusal)

    async def close(self) -> None:
        """Release connections."""
        await self._session.close()

    async def _answer(self, call: Call, response: aiohttp.ClientResponse, generation: int, token: str) -> Answer:
        status, headers = response.status, response.headers
        received = without(token, await receive(response, self._wire.max_body))
        server_time = http_date(headers.get("Date"))
        if 200 <= status < 300:
            body = None if received.fault else decode(call, received.body, self._wire.max_depth)
            return Answer(
                status=status,
                body=body,
                message=received.fault or ("" if body is not None or call.writes else "the answer cannot be read"),
                request_id=request_id(headers),
                server_time=server_time,
                credential=generation,
            )
        error = read_error(received.body)
        answer = Answer(
            status=status,
            code=error.code,
            other_code=error.other_code,
            message=hide(
                token, self._explained(status, error.code, error.message or received.fault, response, server_time)
            ),
            request_id=request_id(headers) or error.request_id,
            retry_after=retry_after(headers.get("Retry-After"), server_time or self._clock.wall()),
            server_time=server_time,
            credential=generation,
            shape=error.shape,
        )
        if status == 401:
            self._refusal = " ".join(part for part in (f"HTTP {status}", answer.code, answer.message) if part)
        return answer

    def _explained(
        self, status: int, code: str, message: str, response: aiohttp.ClientResponse, server_time: float | None
    ) -> str:
        """The server's text, and what it does not say: where a redirect leads, that our clock is wrong."""
        if 300 <= status < 400:
            return f"a redirect to {clean(response.headers.get('Location', 'nowhere'), 200)} was not followed"
        skew = self._clock.wall() - server_time if server_time is not None else 0.0
        if status == 401 and abs(skew) > _SKEW and (code.endswith(".0303") or "expired" in message.lower()):
            which = "ahead of" if skew > 0 else "behind"
            return f"{message}; this machine's clock is {abs(skew):.0f} s {which} the server's, set it right"
        return message


def _told(error: Exception, sent: Sent) -> str:
    """One line about a failure of the network. Errors of aiohttp may quote requests, so their texts are not used."""
    if isinstance(error, TimeoutError):
        return "no answer in time" if sent is Sent.MAYBE else "no connection in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no such host: {error.host}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return (
            f"no TLS connection to {error.host}:{error.port}: its certificate cannot be verified, or it speaks no TLS"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port}: {clean(error.strerror or 'failed')}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused with HTTP {error.status}"
    if sent is Sent.NO:
        return f"not sent: {type(error).__name__}"
    return "the connection broke before an answer came"
