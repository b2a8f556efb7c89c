import asyncio
import json
import logging
import socket
import traceback

import pytest
from aiohttp import web

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.model.api import ListCharts, ListClusters
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth import login

PASSWORD = {"username": "robot", "password": "pass-word-1", "user_domain": "D", "project": "eu-de"}


class Cloud:
    """Identity service and API in one: notes what came, answers logins with what it was given, calls with []."""

    def __init__(self, *logins):
        self.logins = list(logins)
        self.bodies, self.tokens, self.paths = [], [], []

    async def __call__(self, request):
        if request.method == "POST":
            self.bodies.append((await request.json())["auth"])
            self.tokens.append(request.headers.get("X-Auth-Token"))
            self.paths.append(request.path_qs)
            return (self.logins.pop(0) if len(self.logins) > 1 else self.logins[0])()
        self.paths.append(request.path_qs)
        self.tokens.append(request.headers.get("X-Auth-Token"))
        return web.json_response([])


def refusal(status, code, message="no", **headers):
    return lambda: web.json_response({"error_code": code, "error_msg": message}, status=status, headers=headers)


def run(serve, log_in, cloud, method, options, call=None, **more):
    async def scenario():
        async with serve(cloud) as url, log_in(method, options, endpoint=url, **more) as api:
            return await api.call(call or ListCharts())

    return asyncio.run(scenario())


def test_a_password_logs_in_for_a_project_of_the_users_own_domain(serve, log_in, token_answer):
    cloud = Cloud(lambda: token_answer("T1"))

    assert run(serve, log_in, cloud, "password", PASSWORD).status == 200

    assert cloud.paths == ["/v3/auth/tokens", "/v2/charts"]
    assert cloud.tokens == [None, "T1"]
    assert cloud.bodies == [
        {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "robot", "password": "pass-word-1", "domain": {"name": "D"}}},
            },
            "scope": {"project": {"name": "eu-de", "domain": {"name": "D"}}},
        }
    ]


def test_a_project_id_wins_over_a_name_and_secrets_are_filled_in(serve, log_in, token_answer):
    cloud = Cloud(token_answer)
    options = PASSWORD | {"project_id": "p-of-token", "password": "${secret:env:PW}", "user_domain": "E"}

    run(serve, log_in, cloud, "password", options, secrets=lambda name: {"env:PW": "hidden"}[name])

    assert cloud.bodies[0]["scope"] == {"project": {"id": "p-of-token"}}
    assert cloud.bodies[0]["identity"]["password"]["user"] == {
        "name": "robot",
        "password": "hidden",
        "domain": {"name": "E"},
    }


def test_a_login_whose_connection_breaks_is_not_sent_again_unseen(serve_raw, log_in, clock):
    came = []

    async def talk(reader, _writer):
        came.append(await reader.readuntil(b"\r\n\r\n"))

    async def scenario():
        async with serve_raw(talk) as url, log_in("password", PASSWORD, endpoint=url):
            pass

    with pytest.raises(
        CloudUnreachable, match=r"(no connection to .*|the connection broke before an answer came); check auth_url"
    ):
        asyncio.run(scenario())
    assert len(came) == 1 + len(clock.slept) == 4


def test_the_second_step_of_an_agency_is_not_sent_again_on_another_connection(serve_raw, log_in, clock):
    """A library that repeats a request on another connection would send it twice in one attempt."""
    came = []
    token = json.dumps({"token": {}}).encode()
    head = b"HTTP/1.1 201 Created\r\nX-Subject-Token: T\r\nContent-Length: %d\r\n\r\n"

    async def talk(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[16:]) for line in request.split(b"\r\n") if line.startswith(b"Content-Length: "))
        came.append(b"assume_role" in await reader.readexactly(length))
        if not came[-1]:
            writer.write(head % len(token) + token)
            await writer.drain()

    async def scenario():
        options = PASSWORD | {"agency": "deployers", "agency_domain": "CUSTOMER"}
        async with serve_raw(talk) as url, log_in("agency", options, endpoint=url):
            pass

    with pytest.raises(
        CloudUnreachable, match=r"(no connection to .*|the connection broke before an answer came); check auth_url"
    ):
        asyncio.run(scenario())
    assert came == [False, True] * (1 + len(clock.slept))


def test_a_password_that_is_no_text_is_sent_nowhere(serve, log_in, token_answer):
    cloud = Cloud(token_answer)
    with pytest.raises(InputError, match="password holds text that is no valid Unicode") as failed:
        run(serve, log_in, cloud, "password", PASSWORD | {"password": "pass\udcff"})
    assert failed.value.__context__ is None
    assert cloud.bodies == []


def test_domains_and_projects_go_by_id_where_one_is_given(serve, log_in, token_answer):
    cloud = Cloud(token_answer)
    ids = {"user_domain_id": "d1", "project_id": "p-of-token", "agency": "deployers", "agency_domain_id": "d2"}
    run(serve, log_in, cloud, "agency", PASSWORD | ids)
    first, second = cloud.bodies
    assert first["identity"]["password"]["user"]["domain"] == first["scope"]["domain"] == {"id": "d1"}
    assert second["identity"]["assume_role"] == {"domain_id": "d2", "xrole_name": "deployers"}
    assert second["scope"] == {"project": {"id": "p-of-token"}}


def test_the_token_tells_the_project_that_clusters_are_listed_by(serve, log_in, token_answer):
    cloud = Cloud(token_answer)

    run(serve, log_in, cloud, "password", PASSWORD, ListClusters())

    assert cloud.paths[-1] == "/api/v3/projects/p-of-token/clusters"


def test_the_service_catalogue_gives_the_endpoint(serve, log_in, token_answer):
    async def scenario():
        at = ""

        def answer():
            public = {"interface": "public", "region": "eu-de", "url": f"{at}/api/v1"}
            other = {"interface": "public", "region": "eu-nl", "url": "https://elsewhere"}
            inner = {"interface": "internal", "region": "eu-de", "url": "https://internal"}
            return token_answer(catalog=[{"type": "cce", "endpoints": [other, inner, public]}])

        cloud = Cloud(answer)
        async with serve(cloud) as url:
            at = url
            options = PASSWORD | {"auth_url": f"{url}/v3"}
            async with log_in("password", options, region="eu-de") as api:
                await api.call(ListCharts())
        return cloud.paths

    assert asyncio.run(scenario()) == ["/v3/auth/tokens", "/v2/charts"]


def test_the_catalogue_of_a_service_elsewhere_leads_to_nothing_on_this_machine(
    serve, log_in, token_answer, monkeypatch
):
    """A token that a hostile identity service sends here would reach whatever listens on this machine."""
    here = "http://127.0.0.1:9"

    async def scenario():
        public = {"interface": "public", "region": "eu-de", "url": f"{here}/api/v1"}
        cloud = Cloud(lambda: token_answer(catalog=[{"type": "cce", "endpoints": [public]}]))
        async with serve(cloud) as url:
            # The test's server stands for one elsewhere: only what the catalogue names is on this machine.
            monkeypatch.setattr(login, "is_loopback", lambda place: place.startswith(here))
            async with log_in("password", PASSWORD | {"auth_url": f"{url}/v3"}, region="eu-de"):
                pass

    with pytest.raises(InputError, match=r"leads to this machine \(http://127\.0\.0\.1:9\); give endpoint"):
        asyncio.run(scenario())


def test_an_agency_takes_a_domain_token_first_and_assumes_the_role_with_it(serve, log_in, token_answer):
    cloud = Cloud(lambda: token_answer("user-token"), lambda: token_answer("agency-token"))
    options = PASSWORD | {"agency": "deployers", "agency_domain": "CUSTOMER"}

    run(serve, log_in, cloud, "agency", options)

    assert cloud.bodies[0]["scope"] == {"domain": {"name": "D"}}
    assert cloud.bodies[1] == {
        "identity": {
            "methods": ["assume_role"],
            "assume_role": {"domain_name": "CUSTOMER", "xrole_name": "deployers"},
        },
        "scope": {"project": {"name": "eu-de"}},
    }
    assert cloud.tokens == [None, "user-token", "agency-token"]


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, "IAM.0062", "user 'robot' of domain 'D' was refused (HTTP 401 IAM.0062 bad ******)"),
        (400, "IAM.1101", "was refused (HTTP 400 IAM.1101 bad ******)"),
        (403, "IAM.0002", "was refused (HTTP 403 IAM.0002 bad ******)"),
        (404, "IAM.0004", "HTTP 404 IAM.0004 bad ******; check auth_url"),
        (302, "", "the answer is no token; check that auth_url"),
    ],
)
def test_a_refused_login_is_one_clear_line_and_one_try(serve, log_in, caplog, status, code, told):
    caplog.set_level(logging.DEBUG)
    cloud = Cloud(refusal(status, code, "bad pass-word-1", Location="http://127.0.0.1:1/"))
    kind = CloudUnreachable if status == 302 else AuthFailed

    with pytest.raises(kind) as failed:
        run(serve, log_in, cloud, "password", PASSWORD)

    text = str(failed.value)
    assert told in text
    assert text.startswith("cloud 'c': login at http://127.0.0.1:")
    assert "\n" not in text
    if kind is AuthFailed:
        assert len(cloud.bodies) == 1
    shown = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert "pass-word-1" not in shown
    assert failed.value.__context__ is None


def test_secrets_of_a_good_login_are_in_no_log(serve, log_in, token_answer, caplog):
    caplog.set_level(logging.DEBUG)
    cloud = Cloud(lambda: token_answer("t0ken-value"))

    run(serve, log_in, cloud, "password", PASSWORD)

    assert "t0ken-value" not in caplog.text
    assert "pass-word-1" not in caplog.text


@pytest.mark.parametrize("status", [429, 500, 503, 410])
def test_a_busy_identity_service_is_tried_again(serve, log_in, token_answer, clock, status):
    cloud = Cloud(refusal(status, "IAM.0012"), refusal(status, "IAM.0012"), token_answer)

    assert run(serve, log_in, cloud, "password", PASSWORD).status == 200

    assert clock.slept == [1.0, 2.0]


def test_an_identity_service_that_answers_only_errors_makes_the_cloud_unreachable(serve, log_in):
    cloud = Cloud(refusal(503, "APIGW.0613", "IAM down"))

    with pytest.raises(CloudUnreachable, match=r"login at http://127\.0\.0\.1:\d+/v3: HTTP 503 APIGW\.0613 IAM down"):
        run(serve, log_in, cloud, "password", PASSWORD)

    assert len(cloud.bodies) == 4


def test_an_identity_service_that_is_not_there_makes_the_cloud_unreachable(log_in):
    async def scenario():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            async with log_in("password", PASSWORD, endpoint=f"http://127.0.0.1:{free.getsockname()[1]}"):
                pass

    with pytest.raises(
        CloudUnreachable, match=r"(no connection to .*|the connection broke before an answer came); check auth_url"
    ) as failed:
        asyncio.run(scenario())

    assert failed.value.__context__ is None


def test_an_identity_service_that_never_answers_makes_the_cloud_unreachable(serve, log_in):
    async def scenario():
        over = asyncio.Event()

        async def handler(_request):
            await over.wait()
            return web.Response()

        async with serve(handler) as url:
            try:
                async with log_in(
                    "password", PASSWORD, endpoint=url, wire=HttpSettings(read_timeout=0.05, connect=0.05)
                ):
                    pass
            finally:
                over.set()

    with pytest.raises(CloudUnreachable, match=r"login at .*: no answer within"):
        asyncio.run(scenario())


@pytest.mark.parametrize("body", ["", "<html>", "[]", json.dumps({"token": None}), json.dumps({"no": "token"})])
def test_a_login_answer_that_is_no_token_is_a_clear_error(serve, log_in, body):
    cloud = Cloud(lambda: web.Response(status=201, text=body, content_type="application/json"))

    with pytest.raises((CloudUnreachable, AuthFailed), match="login at "):
        run(serve, log_in, cloud, "password", PASSWORD)


def test_a_redirected_login_sends_the_password_nowhere_else(serve, log_in):
    stolen = []

    async def thief(request):
        stolen.append(await request.read())
        return web.Response()

    async def scenario():
        async with serve(thief) as target:
            cloud = Cloud(lambda: web.Response(status=307, headers={"Location": f"{target}/v3/auth/tokens"}))
            async with serve(cloud) as url, log_in("password", PASSWORD, endpoint=url):
                pass

    with pytest.raises(CloudUnreachable):
        asyncio.run(scenario())

    assert stolen == []


def test_a_lapsed_token_is_replaced_by_logging_in_again(serve, log_in, token_answer):
    cloud = Cloud(lambda: token_answer("one"), lambda: token_answer("two"))

    async def scenario():
        async with serve(cloud) as url, log_in("password", PASSWORD, endpoint=url) as api:
            first = await api.call(ListCharts())
            await api.renew(first.credential)
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).credential == 2
    assert cloud.tokens == [None, "one", None, "two"]


def test_a_lifetime_counts_by_the_servers_clock(serve, log_in, token_answer, clock):
    """Issued and expired in 2030 by the server: on our clock of today the token is good for just that one hour."""
    hour = lambda value: lambda: token_answer(value, expires="2030-01-01T01:00:00.000000Z")  # noqa: E731
    cloud = Cloud(hour("one"), hour("two"))

    async def scenario():
        async with serve(cloud) as url, log_in("password", PASSWORD, endpoint=url) as api:
            clock.now += 3600 - 360 - 1
            first = await api.call(ListCharts())
            clock.now += 2
            return first, await api.call(ListCharts())

    first, second = asyncio.run(scenario())
    assert (first.credential, second.credential) == (1, 2)


def test_an_access_key_signs_every_call(serve, log_in, clock):
    clock.now = 1767323045.0
    seen = []

    async def handler(request):
        seen.append(request.headers)
        return web.json_response([])

    options = {"access_key": "AK", "secret_key": "SK", "project_id": "p7", "security_token": "ST"}
    for form, owner in (("", "Access=AK,"), ("legacy", "Credential=AK/20260102///sdk_request,")):
        run(serve, log_in, handler, "aksk", options | {"form": form}, ListClusters())
        assert seen[-1]["Authorization"].startswith(f"SDK-HMAC-SHA256 {owner}")

    assert (seen[0]["X-Project-Id"], seen[0]["X-Security-Token"], seen[0]["X-Sdk-Date"]) == (
        "p7",
        "ST",
        "20260102T030405Z",
    )


def test_a_password_for_this_machine_goes_past_no_proxy(serve, log_in, token_answer, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert run(serve, log_in, Cloud(token_answer), "password", PASSWORD).status == 200
