import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from batch_deployer.errors import CloudUnreachable
from batch_deployer.model.api import CreateRelease, ListCharts, Sent
from batch_deployer.rules.replies import Verdict, judge

HOST = "cce.test"
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1 and cce.test, and its key, as PEM files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def serve_tls(certificate):
    """`async with serve_tls(handler) as port`: an aiohttp server behind TLS."""

    @contextlib.asynccontextmanager
    async def serving(handler):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    return serving


def test_a_ca_file_makes_a_private_cloud_trusted(serve_tls, log_in, certificate):
    async def handler(_request):
        return web.json_response([])

    async def scenario():
        async with (
            serve_tls(handler) as port,
            log_in(
                "token", {"token": "t"}, endpoint=f"https://127.0.0.1:{port}", ca_file=str(certificate / "ca.pem")
            ) as api,
        ):
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).status == 200


def test_a_login_trusts_the_ca_file_too(serve_tls, log_in, certificate, token_answer):
    async def handler(request):
        return token_answer() if request.method == "POST" else web.json_response([])

    options = {"username": "u", "password": "p", "user_domain": "D", "project": "eu-de"}

    async def scenario(ca_file):
        async with (
            serve_tls(handler) as port,
            log_in("password", options, endpoint=f"https://127.0.0.1:{port}", ca_file=ca_file) as api,
        ):
            return await api.call(ListCharts())

    assert asyncio.run(scenario(str(certificate / "ca.pem"))).status == 200
    with pytest.raises(
        CloudUnreachable,
        match=r"certificate cannot be verified \(self-signed certificate\); give the issuer as ca_file",
    ):
        asyncio.run(scenario(""))


def test_a_certificate_that_nobody_vouches_for_gets_no_request(serve_tls, api_at):
    arrived = []

    async def handler(request):
        arrived.append(request.path)
        return web.json_response([])

    async def scenario():
        async with serve_tls(handler) as port, api_at(f"https://127.0.0.1:{port}") as api:
            return await api.call(CREATE)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, arrived) == (0, Sent.NO, [])
    assert "its certificate cannot be verified" in answer.message


async def tunnel(reader, writer, port, asked):
    """One CONNECT as a proxy takes it: the head is kept, and bytes go to and fro from then on."""
    asked.append(await reader.readuntil(b"\r\n\r\n"))
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pass_on(source, target):
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))


def test_the_environments_proxy_is_used_and_sees_no_token(serve_tls, serve_raw, log_in, certificate, monkeypatch):
    asked, seen = [], []

    async def handler(request):
        seen.append((request.headers["Host"], request.headers["X-Auth-Token"]))
        return web.json_response([])

    async def scenario():
        async with serve_tls(handler) as port, serve_raw(lambda r, w: tunnel(r, w, port, asked)) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            # The name exists nowhere: only the proxy can take us there.
            async with log_in(
                "token", {"token": "t0ken"}, endpoint=f"https://{HOST}", ca_file=str(certificate / "ca.pem")
            ) as api:
                return await api.call(ListCharts())

    assert asyncio.run(scenario()).status == 200
    assert seen == [(HOST, "t0ken")]
    assert asked[0].startswith(b"CONNECT cce.test:443 HTTP/1.1")
    assert b"t0ken" not in asked[0]


def test_a_proxy_that_refuses_means_not_sent(serve_raw, api_at, monkeypatch):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async def scenario():
        async with serve_raw(talk) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            async with api_at(f"https://{HOST}") as api:
                return await api.call(CREATE)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (407, Sent.NO)
    assert "proxy refused its user and password" in answer.message
    assert judge(CREATE, answer) is Verdict.AUTH
