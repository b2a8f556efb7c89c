"""The API over HTTP: one attempt per call, every failure of network or server an Answer."""

import ssl
from collections.abc import Callable

import aiohttp

from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.ports import Clock, Fence, unheard
from batch_deployer.settings import WireSettings
from batch_deployer.transport.address import checked
from batch_deployer.transport.auth.credential import Credential
from batch_deployer.transport.channel import Reply
from batch_deployer.transport.exchange import FAILURES, UNVERIFIED, Exchange
from batch_deployer.transport.receiving import hide, without
from batch_deployer.transport.sending import Attempt, FenceLost, whole
from batch_deployer.transport.wire.answers import decode
from batch_deployer.transport.wire.errors import read_error
from batch_deployer.transport.wire.headers import http_date, request_id, retry_after
from batch_deployer.transport.wire.requests import Request, encode
from batch_deployer.transport.wire.text import clean

_SKEW = 60.0
"""Seconds by which clocks may differ before a refused signature is put down to it."""


class HttpApi:
    """One cloud's API on kept connections. Satisfies `ports.Api`. Make it within a running event loop."""

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
        endpoint = checked(endpoint, "endpoint")
        self._project_id = project_id
        self._credential = credential
        self._wire = wire
        self._clock = clock
        self._fence = fence
        self._refusal = ""
        self._kept = (-1, "", b"", "")
        """Generation, content type, header lines and token of the last request that was not signed."""
        self._exchange = Exchange(endpoint, connections=connections, most=wire.max_body, tls=tls)

    async def call(self, call: Call, leaving: Callable[[], None] = unheard) -> Answer:
        """One attempt. Raises only BadInput, for a call that cannot be put into a request."""
        request = encode(call, self._project_id)
        if self._credential.due():
            try:
                await self._credential.refresh()
            except CloudUnreachable as error:
                return Answer(sent=Sent.NO, message=str(error))
            except AuthFailed as error:
                return Answer(status=401, message=str(error), credential=self._credential.generation)
        attempt = Attempt(write=call.writes, fence=self._fence, leaving=leaving)
        generation = self._credential.generation
        lines, token = self._headers(request, generation)
        try:
            reply = await self._exchange.perform(
                whole(request, self._exchange.base, lines),
                total=self._wire.write_timeout if call.writes else self._wire.read_timeout,
                connect=self._wire.connect,
                attempt=attempt,
            )
        except FenceLost:
            return Answer(sent=Sent.NO, message="fence lost", credential=generation)
        except FAILURES as error:
            sent = Sent.MAYBE if attempt.left else Sent.NO
            return Answer(sent=sent, message=_told(error, sent), credential=generation)
        return self._answer(call, reply, generation, token)

    async def renew(self, credential: int) -> None:
        """See `ports.Api`. Raises CloudUnreachable too, when the identity service does not answer."""
        await self._credential.renew(credential, self._refusal)

    async def close(self) -> None:
        """Release connections."""
        await self._exchange.close()

    def _headers(self, request: Request, generation: int) -> tuple[bytes, str]:
        """All headers but the length, and the token among them. A token's are written once, a signature's each time."""
        known, content_type, lines, token = self._kept
        if known == generation and content_type == request.content_type:
            return lines, token
        shown = self._credential.headers(request, self._exchange.host)
        lines = self._exchange.header_lines(request.content_type, shown)
        token = shown.get("X-Auth-Token", "")
        if not self._credential.signs:
            self._kept = generation, request.content_type, lines, token
        return lines, token

    def _answer(self, call: Call, reply: Reply, generation: int, token: str) -> Answer:
        status, headers, fault = reply.status, reply.headers, reply.fault
        content = without(token, reply.body)
        server_time = http_date(headers.get("date"))
        if 200 <= status < 300:
            body = None if fault else decode(call, content, self._wire.max_depth)
            return Answer(
                status=status,
                body=body,
                message=fault or ("" if body is not None or call.writes else "the answer cannot be read"),
                request_id=request_id(headers),
                server_time=server_time,
                credential=generation,
            )
        error = read_error(content)
        answer = Answer(
            status=status,
            code=error.code,
            other_code=error.other_code,
            message=hide(token, self._explained(reply, error.code, error.message or fault, server_time)),
            request_id=request_id(headers) or error.request_id,
            retry_after=retry_after(headers.get("retry-after"), server_time or self._clock.wall()),
            server_time=server_time,
            credential=generation,
            shape=error.shape,
        )
        if status == 401:
            self._refusal = " ".join(part for part in (f"HTTP {status}", answer.code, answer.message) if part)
        return answer

    def _explained(self, reply: Reply, code: str, message: str, server_time: float | None) -> str:
        """The server's text, and what it does not say: where a redirect leads, that our clock is wrong."""
        status = reply.status
        if 300 <= status < 400:
            return f"a redirect to {clean(reply.headers.get('location', 'nowhere'), 200)} was not followed"
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
    if isinstance(error, UNVERIFIED):
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
