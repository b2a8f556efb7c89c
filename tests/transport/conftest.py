"""Small servers and clocks for the HTTP side. Every server listens on a free loopback port."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from batch_deployer.plan.frozen import AuthSpec, CloudSpec
from batch_deployer.settings import WireSettings
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.connect import open_api
from batch_deployer.transport.http import HttpApi


@dataclass
class StillClock:
    """Wall time stands where it is put; sleeping moves it and is remembered."""

    now: float = field(default_factory=time.time)
    slept: list = field(default_factory=list)

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture
def serve():
    """`async with serve(handler) as url`: an aiohttp server that gives every request to one handler."""

    @contextlib.asynccontextmanager
    async def serving(handler):
        async def route(request):
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", route)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    return serving


@pytest.fixture
def serve_raw():
    """`async with serve_raw(talk) as url`: a TCP server whose `talk(reader, writer)` may break every rule of HTTP."""

    @contextlib.asynccontextmanager
    async def serving(talk):
        async def guarded(reader, writer):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            await server.wait_closed()

    return serving


@pytest.fixture
def api_at(clock):
    """`async with api_at(url) as api`: the HTTP side with a fixed token and the given bounds."""

    @contextlib.asynccontextmanager
    async def opened(url, *, credential=None, fence=None, project_id="p1", connections=8, **wire):
        api = HttpApi(
            url,
            project_id=project_id,
            credential=credential or FixedToken("cloud 'c'", "the-token"),
            wire=WireSettings(**wire),
            connections=connections,
            clock=clock,
            fence=fence,
        )
        try:
            yield api
        finally:
            await api.close()

    return opened


@pytest.fixture
def log_in(clock):
    """`async with log_in(method, options, endpoint=...) as api`: as compose does it."""

    @contextlib.asynccontextmanager
    async def opened(method, options, *, endpoint="", secrets=None, wire=None, **cloud):
        spec = CloudSpec(name="c", endpoint=endpoint, auth=AuthSpec(method=method, options=options), **cloud)
        api = await open_api(
            spec,
            wire=wire or WireSettings(),
            connections=4,
            secrets=secrets or (lambda name: f"<{name}>"),
            clock=clock,
        )
        try:
            yield api
        finally:
            await api.close()

    return opened


@pytest.fixture
def token_answer():
    """The identity service's 201 as aiohttp answer."""

    def answer(token="T1", *, issued="2030-01-01T00:00:00.000000Z", expires="2030-01-02T00:00:00.000000Z", **more):
        domain = {"id": "d1", "name": "D"}
        body = {
            "methods": ["password"],
            "issued_at": issued,
            "expires_at": expires,
            "project": {"id": "p-of-token", "name": "eu-de", "domain": domain},
            "user": {"id": "u1", "name": "U", "domain": domain},
            "catalog": [],
        }
        return web.json_response({"token": body | more}, status=201, headers={"X-Subject-Token": token})

    return answer


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    """No test sees credentials or proxies of whoever runs it, nor their clouds.yaml."""
    import os

    for name in list(os.environ):
        if name.startswith(("OS_", "S3_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
