"""Small servers and clocks for the HTTP side. Every server listens on a free loopback port."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import time
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from batch_deployer.clock.system import SystemClock
from batch_deployer.model.permissions import Permissions
from batch_deployer.plan.plan import AuthSpec, CloudSpec
from batch_deployer.settings import HttpSettings
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.http.server import serve as serve_fleet
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import Account, SimChart, SimCloud, SimCluster
from batch_deployer.simulator.world.world import World
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.connect import open_cloud
from batch_deployer.transport.http_api import HttpApi


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
            wire=HttpSettings(**wire),
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
def answer_of(serve, api_at):
    """`answer_of(response, call)`: what a call gets from a server that answers everything with `response()`."""

    def asked(response, call, **wire):
        async def handler(_request):
            return response()

        async def scenario():
            async with serve(handler) as url, api_at(url, **wire) as api:
                return await api.call(call)

        return asyncio.run(scenario())

    return asked


@pytest.fixture
def log_in(clock):
    """`async with log_in(method, options, endpoint=...) as api`: as `app` does it."""

    @contextlib.asynccontextmanager
    async def opened(method, options, *, endpoint="", secrets=None, wire=None, **cloud):
        if endpoint and method in {"password", "agency"}:
            options = {"auth_url": f"{endpoint}/v3"} | options
        spec = CloudSpec(name="c", endpoint=endpoint, auth=AuthSpec(method=method, options=options), **cloud)
        api = (
            await open_cloud(
                spec,
                wire=wire or HttpSettings(),
                connections=4,
                secrets=secrets or (lambda name: f"<{name}>"),
                clock=clock,
                permissions=Permissions(hosts=("*",)),
            )
        ).api
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
        if name.startswith(("OS_", "S3_", "SSL_CERT_")) or name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def a_fleet():
    """A simulated cloud `north` with one cluster and one chart, and fault rules."""

    def made(*rules, **more):
        world = World(
            clouds=(SimCloud(name="north", project_id="a" * 32, writes="1000/s", reads="1000/s"),),
            clusters=(
                SimCluster(
                    id="00000000-0000-4000-8000-000000000001", name="alpha", cloud="north", tags={"env": "prod"}
                ),
            ),
            charts=(
                SimChart(
                    id="00000000-0000-4000-8000-0000000000c1",
                    name="web-chart",
                    versions=("1.0.0", "1.1.0"),
                    description="d",
                    spread=0.0,
                ),
            ),
            account=Account(tokens={"for-ever": "north"}),
            **more,
        )
        return SimulatedProvider(world, seed=7, faults=files.load_data(list(rules)))

    return made


@pytest.fixture
def served():
    """`async with served(fleet) as url`: the fleet behind HTTP, its time a million times faster."""

    @contextlib.asynccontextmanager
    async def serving_fleet(fleet):
        url = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(serve_fleet(fleet, speed=1_000_000.0, ready=url.set_result, admin_token="admin"))
        try:
            await asyncio.wait({task, url}, return_when=asyncio.FIRST_COMPLETED)
            yield url.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return serving_fleet


@pytest.fixture
def connected():
    """`async with connected(url) as api`: our HTTP side on a served fleet."""

    @contextlib.asynccontextmanager
    async def opened(url, method="password", **options):
        user = {"username": "demo", "password": "demo", "user_domain": "sim", "project": "north"}
        user["auth_url"] = f"{url}/v3"
        defaults = {"password": user, "agency": user}
        spec = CloudSpec(
            name="north", endpoint=url, auth=AuthSpec(method=method, options=defaults.get(method, {}) | options)
        )
        api = (
            await open_cloud(
                spec,
                wire=HttpSettings(),
                connections=4,
                secrets=str,
                clock=SystemClock(),
                permissions=Permissions(hosts=("*",)),
            )
        ).api
        try:
            yield api
        finally:
            await api.close()

    return opened


def write_certificate(folder, *names, days=1):
    """Write a self-signed certificate of some names and its key, as ca.pem and key.pem. `days`: until it expires."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 and the tests' names."""
    names = (x509.DNSName("cce.test"), x509.DNSName("cce.example.test"), LOOPBACK)
    return write_certificate(tmp_path_factory.mktemp("tls"), *names)


@pytest.fixture(scope="session")
def expired_certificate(tmp_path_factory):
    """The same, expired yesterday."""
    return write_certificate(tmp_path_factory.mktemp("expired"), LOOPBACK, days=-1)


@pytest.fixture
def serve_tls(certificate):
    """`async with serve_tls(handler) as port`: an aiohttp server behind TLS."""

    @contextlib.asynccontextmanager
    async def serving(handler, folder=certificate, client_ca=None):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()
            await asyncio.sleep(0.1)  # TLS says goodbye after the connection is given up

    return serving
