"""The API over HTTP: one attempt per call, every failure of network or server an Answer."""

import ssl
from collections.abc import Callable

from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.ports import Clock, Fence, HeldBack
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth.credential import Credential
from batch_deployer.transport.session import FAILURES, Attempt, RawResponse, Session, failure
from batch_deployer.transport.tls import checked
from batch_deployer.transport.wire.error_bodies import read_error
from batch_deployer.transport.wire.headers import http_date, request_id, retry_after
from batch_deployer.transport.wire.requests import encode
from batch_deployer.transport.wire.responses import decode
from batch_deployer.util.wire_text import clean

_SKEW = 60.0
"""Seconds by which clocks may differ before a refused signature is put down to it."""
_HTML = "the answer is an HTML page: not the API answered, but something before it, such as a proxy or a login page"


class HttpApi:
    """One cloud's API on kept connections. Satisfies `ports.Api`. Make it within a running event loop."""

    def __init__(
        self,
        endpoint: str,
        *,
        project_id: str,
        credential: Credential,
        wire: HttpSettings,
        connections: int,
        clock: Clock,
        fence: Fence | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises InputError unless `endpoint` is https, or http to this machine. `tls`: None verifies by aiohttp's default."""
        endpoint = checked(endpoint, "endpoint")
        self._project_id = project_id
        self._credential = credential
        self._wire = wire
        self._clock = clock
        self._fence = fence
        self._refusal = ""
        self._session = Session(endpoint, connections=connections, max_body=wire.max_body, tls=tls)

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """One attempt. Raises only InputError, for a call that cannot be put into a request."""
        request = encode(call, self._project_id, self._session.base_path)
        if self._credential.due():
            try:
                await self._credential.refresh()
            except CloudUnreachable as error:
                return Answer(sent=Sent.NO, message=str(error))
            except AuthFailed as error:
                return Answer(status=401, message=str(error), credential=self._credential.generation)
        attempt = Attempt(fence=self._fence if call.writes else None, on_sent=on_sent)
        generation = self._credential.generation
        headers = self._credential.headers(request, self._session.host)
        try:
            response = await self._session.send(
                request,
                headers,
                total=self._wire.write_timeout if call.writes else self._wire.read_timeout,
                connect=self._wire.connect,
                attempt=attempt,
            )
        except HeldBack as error:
            return Answer(sent=Sent.NO, message=str(error), credential=generation)
        except FAILURES as error:
            return failure(error, attempt).but(credential=generation)
        return self._answer(call, response, generation)

    async def renew(self, credential: int) -> None:
        """See `ports.Api`. Raises CloudUnreachable too, when the identity service does not answer."""
        await self._credential.renew(credential, self._refusal)

    async def close(self) -> None:
        """Release connections."""
        await self._session.close()

    def _answer(self, call: Call, response: RawResponse, generation: int) -> Answer:
        status, headers, problem = response.status, response.headers, response.error
        content = response.body
        server_time = http_date(headers.get("date"))
        if 200 <= status < 300:
            body = None if problem else decode(call, content, self._wire.max_depth)
            foreign = body is None and content.lstrip()[:1] == b"<"
            return Answer(
                status=status,
                body=body,
                message=_HTML
                if foreign
                else problem or ("" if body is not None or call.writes else "the answer cannot be read"),
                shape="G" if foreign else "",
                request_id=request_id(headers),
                server_time=server_time,
                credential=generation,
            )
        error = read_error(content)
        answer = Answer(
            status=status,
            code=error.code,
            other_code=error.other_code,
            message=self._explained(response, error.code, error.message or problem, server_time),
            request_id=request_id(headers) or error.request_id,
            retry_after=retry_after(headers.get("retry-after"), server_time or self._clock.wall()),
            server_time=server_time,
            credential=generation,
            shape=error.shape,
        )
        if status == 401:
            self._refusal = " ".join(part for part in (f"HTTP {status}", answer.code, answer.message) if part)
        return answer

    def _explained(self, response: RawResponse, code: str, message: str, server_time: float | None) -> str:
        """The server's text, and what it does not say: where a redirect leads, that our clock is wrong."""
        status = response.status
        if 300 <= status < 400:
            return f"a redirect to {clean(response.headers.get('location', 'nowhere'))} was not followed"
        skew = self._clock.wall() - server_time if server_time is not None else 0.0
        if status == 401 and abs(skew) > _SKEW and (code.endswith(".0303") or "expired" in message.lower()):
            which = "ahead of" if skew > 0 else "behind"
            return f"{message}; this machine's clock is {abs(skew):.0f} s {which} the server's, set it right"
        return message
