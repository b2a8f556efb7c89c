import asyncio
import contextlib
import json

import pytest
from aiohttp import web

from batch_deployer.errors import CloudUnreachable, InputError
from batch_deployer.model.api import CreateRelease, ListCharts, Sent
from batch_deployer.rules.responses import Verdict, judge

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
        match=r"certificate cannot be verified: self-signed certificate; give the issuer as ca_file",
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
    assert "proxy refused its user or password" in answer.message
    assert judge(CREATE, answer) is Verdict.AUTH


async def good(request):
    """A provider that lets everybody in who got this far."""
    domain = {"id": "d1", "name": "D"}
    if request.method == "POST":
        token = {
            "expires_at": "2099-01-02T00:00:00.000000Z", "issued_at": "2026-01-01T00:00:00.000000Z",
            "project": {"id": "p", "name": "eu-de", "domain": domain}, "user": {"id": "u", "name": "u", "domain": domain},
            "catalog": [], "methods": ["password"],
        }  # fmt: skip
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": "T1"})
    return web.json_response([])


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("method", ["token", "password"])
def test_logins_and_calls_trust_what_the_environment_names(
    serve_tls, log_in, certificate, monkeypatch, variable, method
):
    """As the OpenStack tools and Python do."""
    monkeypatch.setenv(variable, str(certificate / "ca.pem"))
    options = {
        "token": {"token": "t"},
        "password": {"username": "u", "password": "p", "user_domain": "D", "project": "eu-de"},
    }

    async def scenario():
        async with (
            serve_tls(good) as port,
            log_in(method, options[method], endpoint=f"https://127.0.0.1:{port}") as api,
        ):
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).status == 200


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_bundle_of_the_environment_that_cannot_be_used_is_named(log_in, tmp_path, monkeypatch, variable, text):
    """Before anything is sent."""
    path = tmp_path / "bundle.pem"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(variable, str(path))

    async def scenario():
        async with log_in("token", {"token": "t"}, endpoint="https://127.0.0.1:1"):
            pass

    with pytest.raises(InputError, match=f"{variable} '{path}' cannot be used: "):
        asyncio.run(scenario())


@pytest.mark.parametrize("form", ["two files", "one file"])
@pytest.mark.parametrize("login", ["password", "ak"])
def test_the_client_certificate_of_clouds_yaml_is_shown_to_logins_and_calls(
    serve_tls, log_in, certificate, tmp_path, monkeypatch, form, login
):
    """A service that wants one refuses the handshake otherwise."""
    both = tmp_path / "both.pem"
    both.write_text((certificate / "ca.pem").read_text() + (certificate / "key.pem").read_text())
    files = (
        {"cert": str(both)}
        if form == "one file"
        else {"cert": str(certificate / "ca.pem"), "key": str(certificate / "key.pem")}
    )

    async def scenario(given):
        async with serve_tls(good, client_ca=certificate / "ca.pem") as port:
            auth = {"auth_url": f"https://127.0.0.1:{port}/v3"}
            if login == "password":
                auth |= {"username": "u", "password": "p", "user_domain_name": "D", "project_name": "eu-de"}
            more = {"ak": "AK", "sk": "SK", "project_id": "p"} if login == "ak" else {}
            entry = {
                "auth": auth,
                "cacert": str(certificate / "ca.pem"),
                "cce_endpoint_override": f"https://127.0.0.1:{port}",
                **more,
                **given,
            }
            folder = tmp_path / ".config" / "openstack"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"c": entry}}))
            monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(folder / "clouds.yaml"))
            async with log_in("clouds", {"cloud": "c"}) as api:
                return await api.call(ListCharts())

    assert asyncio.run(scenario(files)).status == 200
    if login == "password":
        with pytest.raises(CloudUnreachable):
            asyncio.run(scenario({}))
    else:
        assert asyncio.run(scenario({})).status == 0
    with pytest.raises(InputError, match=r"the client certificate .* cannot be used: No such file"):
        asyncio.run(scenario({"cert": str(tmp_path / "none.pem")}))
