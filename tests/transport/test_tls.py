import asyncio
import contextlib

import pytest
from aiohttp import web

from batch_deployer.errors import CloudUnreachable
from batch_deployer.model.api import CreateRelease, ListCharts, Sent
from batch_deployer.rules.replies import Verdict, judge

HOST = "cce.test"
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")


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


@pytest.mark.parametrize(
    ("host", "expired", "trusted", "reason"),
    [
        ("localhost", False, True, "Hostname mismatch, certificate is not valid for 'localhost'."),
        ("127.0.0.1", True, True, "certificate has expired"),
        ("127.0.0.1", False, False, "self-signed certificate"),
    ],
    ids=["wrong-name", "expired", "unknown-issuer"],
)
def test_a_certificate_that_is_refused_is_told_with_pythons_own_reason(
    serve_tls, log_in, certificate, expired_certificate, host, expired, trusted, reason
):
    folder = expired_certificate if expired else certificate

    async def handler(_request):
        return web.json_response([])

    async def scenario():
        async with serve_tls(handler, folder) as port:
            ca_file = str(folder / "ca.pem") if trusted else ""
            async with log_in("token", {"token": "t"}, endpoint=f"https://{host}:{port}", ca_file=ca_file) as api:
                return await api.call(CREATE), port

    answer, port = asyncio.run(scenario())

    assert answer.sent is Sent.NO
    assert answer.message == f"no TLS connection to {host}:{port}: its certificate cannot be verified: {reason}"


def test_a_server_that_speaks_no_tls_is_told_as_that(serve, api_at):
    async def handler(_request):
        return web.json_response([])

    async def scenario():
        async with serve(handler) as url, api_at(url.replace("http:", "https:")) as api:
            return await api.call(CREATE)

    answer = asyncio.run(scenario())

    assert answer.sent is Sent.NO
    assert "the TLS handshake failed: " in answer.message


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
