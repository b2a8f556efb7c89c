"""The fleet behind real HTTP on a loopback address: identity service, gateway and container service in one."""

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from batch_deployer.errors import InputError
from batch_deployer.simulator.http.admin import ADMIN_HEADER, Admin
from batch_deployer.simulator.http.decoding import MAX_BODY, Unreadable, read
from batch_deployer.simulator.http.encoding import Encoded, encode
from batch_deployer.simulator.identity.accounts import Accounts
from batch_deployer.simulator.identity.iam import Iam
from batch_deployer.simulator.identity.signing import Received
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.ledger import Entry, Ledger
from batch_deployer.simulator.service.responses import SimResponse

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 seconds: closing sends RST instead of FIN."""


async def serve(
    fleet: SimulatedProvider,
    *,
    admin_token: str,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    ready: Callable[[str], None] | None = None,
    ledger_file: Path | None = None,
) -> None:
    """Serve until cancelled, or until `POST /_sim/stop`.

    `ready` hears the URL once connections are taken. `speed`: simulated seconds a real second; the gateway's limits
    and the lifetime of tokens stay in real time. `/_sim/` wants `admin_token` in the header of that name. `ledger_file` gets every entry of the ledger as a JSON line.
    InputError for an address that is not loopback, or that is in use.
    """
    address = _loopback(host)
    fleet.start(time.time(), speed=speed)
    stopped = asyncio.Event()
    service = _Service(fleet, Admin(fleet, admin_token, stopped.set))
    server = _Counting(service, fleet.ledger)
    with _appending(fleet.ledger, ledger_file):
        try:
            listening = await asyncio.get_running_loop().create_server(server, address, port, backlog=1024)
        except OSError as error:
            raise InputError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        try:
            bound = listening.sockets[0].getsockname()
            service.base = f"http://{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}"
            if ready is not None:
                ready(service.base)
            await stopped.wait()
        finally:
            listening.close()
            server.pre_shutdown()
            await server.shutdown(1.0)


def _is_local(headers: Mapping[str, str]) -> bool:
    """Whether a request names this machine and does not come from a web page.

    A page on any site can send requests to loopback, and by a name of its own that resolves to loopback read the answers.
    """
    if "Origin" in headers:
        return False
    try:
        host = urlsplit(f"//{headers.get('Host', '')}").hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback(host: str) -> str:
    """The address to bind, or InputError: a service with known passwords belongs on this machine only."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise InputError(f"the simulator listens on loopback only, and {host!r} is not; use 127.0.0.1, ::1 or localhost")


@contextmanager
def _appending(ledger: Ledger, path: Path | None) -> Iterator[None]:
    """Write every entry of the ledger to a file as it happens."""
    if path is None:
        yield
        return
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise InputError(f"cannot write the ledger {path}: {error.strerror}") from error
    with file:

        def append(entry: Entry) -> None:
            file.write(msgspec.json.encode(entry) + b"\n")

        ledger.listener = append
        yield
        ledger.listener = None


class _Counting(web.Server):
    """The HTTP server, telling the ledger about connections."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], ledger: Ledger) -> None:
        super().__init__(
            handler, request_factory=self._request, handler_cancellation=True, access_log=None, keepalive_timeout=75.0
        )
        self._ledger = ledger

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = self._loop
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY + 1)

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        self._ledger.connected()
        super().connection_made(handler, transport)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._ledger.disconnected()
        super().connection_lost(handler, exc)


class _Service:
    """One request in, one response out, or a reset connection."""

    def __init__(self, fleet: SimulatedProvider, admin: Admin) -> None:
        self.base = ""
        self._fleet = fleet
        self._dates = fleet.world.retry_after == "date"
        self._accounts = Accounts(fleet.world, fleet.tokens)
        self._iam = Iam(fleet.world.account, fleet.world.clouds, self._accounts, fleet.tokens)
        self._admin = admin

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        now = time.time()
        target = request.raw_path
        if not _is_local(request.headers):
            return _response(
                encode(
                    responses.refused(
                        403, "the simulator answers requests that name a loopback host and have no Origin"
                    ),
                    None,
                    now=now,
                )
            )
        if (request.content_length or 0) > MAX_BODY:
            refused = encode(responses.gateway(413, "APIGW.0201", "Request entity too large"), None, now=now)
            response = _response(refused)
            response.force_close()
            return response
        try:
            body = await request.read() if request.body_exists else b""
        except web.HTTPRequestEntityTooLarge:
            body = b"x" * (MAX_BODY + 1)
        if target.startswith(("/cce/", "/v2/", "/api/")):
            return await self._api(request, target, body, now)
        if target.startswith("/_sim/"):
            token = request.headers.get(ADMIN_HEADER, "")
            return _response(encode(self._admin.answer(request.method, target, body, now, token=token), None, now=now))
        answer = self._iam.answer(request.method, target, request.headers, body, now=now, base=self.base)
        return _response(encode(answer.reply, None, now=now), dict(answer.headers))

    async def _api(self, request: web.BaseRequest, target: str, body: bytes, now: float) -> web.StreamResponse:
        received = Received(method=request.method, target=target, headers=request.headers, body=body)
        caller = self._accounts.admit(received, now)
        asked = read(request.method, target, request.headers.get("Content-Type", ""), body)
        if isinstance(caller, SimResponse):
            return _response(encode(caller, None, now=now))
        if isinstance(asked, Unreadable):
            reply = self._fleet.refuse(caller.cloud.name, asked.kind, asked.reply, now, writes=asked.writes)
            return _response(encode(reply, None, now=now, dates=self._dates))
        if asked.project_id and asked.project_id != caller.cloud.project_id:
            foreign = responses.forbidden(f"project {asked.project_id[:40]}")
            reply = self._fleet.refuse(caller.cloud.name, asked.call.kind, foreign, now, writes=asked.call.writes)
        else:
            reply = self._fleet.handle(caller.cloud.name, asked.call, now, token=caller.token)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if not reply.status:
            return _reset(request)
        return _response(encode(reply, asked, now=now, dates=self._dates))


def _response(encoded: Encoded, more: dict[str, str] | None = None) -> web.Response:
    headers = encoded.headers if more is None else encoded.headers | more
    return web.Response(status=encoded.status, body=encoded.body, content_type=encoded.content_type, headers=headers)


def _reset(request: web.BaseRequest) -> web.Response:
    """Cut the connection as a broken network does; the response goes nowhere."""
    transport = request.transport
    if transport is not None:
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response(status=500)
