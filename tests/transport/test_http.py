import asyncio
import json

import pytest
from aiohttp import web

from batch_deployer.errors import InputError
from batch_deployer.model.api import (
    Answer,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    Sent,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.responses import Verdict, judge
from batch_deployer.transport.http_api import HttpApi

AT = {"cluster_id": "c1", "namespace": "monitoring", "name": "web"}
CREATE = CreateRelease(**AT, chart_id="ch", version="1.0.0", values_json='{"a":1}')
UPDATE = UpdateRelease(**AT, chart_id="ch", operation=Operation.UPGRADE)
RELEASE = {"name": "web", "namespace": "monitoring", "cluster_id": "c1", "version": 1, "status": "DEPLOYED"}


def test_a_call_arrives_with_its_encoded_path_its_body_and_the_token(serve, api_at):
    seen = []

    async def handler(request):
        seen.append((request.method, request.raw_path, await request.read(), request.headers))
        return web.json_response(RELEASE, status=201)

    async def scenario():
        async with serve(handler) as url, api_at(url) as api:
            await api.call(ShowRelease(cluster_id="c1", namespace="a/../b", name="x?y#z"))
            await api.call(ListReleases(cluster_id="c1", namespace="a&b"))
            await api.call(CREATE)
            await api.call(DeleteRelease(**AT))

    asyncio.run(scenario())

    assert [(method, path) for method, path, *_ in seen] == [
        ("GET", "/cce/cam/v3/clusters/c1/namespace/a%2F..%2Fb/releases/x%3Fy%23z"),
        ("GET", "/cce/cam/v3/clusters/c1/releases?namespace=a%26b"),
        ("POST", "/cce/cam/v3/clusters/c1/releases"),
        ("DELETE", "/cce/cam/v3/clusters/c1/namespace/monitoring/releases/web"),
    ]
    assert json.loads(seen[2][2])["values"] == {"a": 1}
    for _, _, _, headers in seen:
        assert headers["X-Auth-Token"] == "the-token"
        assert headers["Content-Type"] == "application/json"
        assert headers["Accept-Encoding"] == "gzip"
        assert headers["User-Agent"].startswith("batch-deployer/")


def test_an_answer_carries_body_request_id_and_credential(answer_of):
    answer = answer_of(
        lambda: web.json_response([RELEASE], headers={"X-Request-Id": "r-1"}),
        ListReleases(cluster_id="c1"),
    )

    assert (answer.status, answer.sent, answer.request_id, answer.credential) == (200, Sent.YES, "r-1", 1)
    assert [release.name for release in answer.body] == ["web"]


def test_an_error_answer_carries_codes_text_id_wait_and_shape(answer_of):
    body = {"error_code": "APIGW.0308", "error_msg": "policy user over \x1b[31mratelimit", "request_id": "r-2"}
    headers = {"Retry-After": "17", "Date": "Thu, 01 Jan 1970 00:01:00 GMT"}

    answer = answer_of(lambda: web.json_response(body, status=429, headers=headers), ListCharts())

    assert answer == Answer(
        status=429,
        code="APIGW.0308",
        message="policy user over ratelimit",
        request_id="r-2",
        retry_after=17.0,
        server_time=60.0,
        credential=1,
        shape="C",
    )


def test_retry_after_as_a_date_counts_by_the_servers_clock(answer_of):
    headers = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Retry-After": "Thu, 01 Jan 2026 00:01:30 GMT"}

    answer = answer_of(lambda: web.Response(status=503, headers=headers), ListCharts())

    assert answer.retry_after == 90.0


def test_an_html_502_is_an_answer_with_its_title(answer_of):
    page = "<html><title>502 Bad Gateway</title></html>"

    answer = answer_of(lambda: web.Response(status=502, text=page, content_type="text/html"), CREATE)

    assert (answer.status, answer.shape, answer.message, answer.body) == (502, "G", "502 Bad Gateway", None)


@pytest.mark.parametrize("call", [CREATE, UPDATE, DeleteRelease(**AT)])
@pytest.mark.parametrize("body", [b"", b"None", b"<html>", b"\xff\x00"])
def test_a_write_that_was_accepted_counts_however_its_body_looks(answer_of, call, body):
    answer = answer_of(lambda: web.Response(status=202, body=body), call)

    assert (answer.status, answer.sent, answer.body) == (202, Sent.YES, None)


def test_a_read_with_an_unreadable_body_says_so(answer_of):
    answer = answer_of(lambda: web.Response(text="what?"), ListReleases(cluster_id="c1"))

    assert (answer.status, answer.body, answer.message) == (200, None, "the answer cannot be read")


@pytest.mark.parametrize("call", [CREATE, ListReleases(cluster_id="c1")], ids=["write", "read"])
@pytest.mark.parametrize("page", ["<html>", "\n <!DOCTYPE html><title>Log in</title>"])
def test_a_page_is_not_an_answer_of_the_api(answer_of, call, page):
    """A captive portal or a proxy answers 200 to everything; whether a write arrived is unknown."""
    answer = answer_of(lambda: web.Response(text=page, content_type="text/html"), call)

    assert (answer.status, answer.shape, answer.body) == (200, "G", None)
    assert "HTML page" in answer.message
    assert judge(call, answer) is (Verdict.AMBIGUOUS if call.writes else Verdict.TRANSIENT)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [ListCharts(), CREATE])
def test_a_redirect_is_an_answer_and_the_token_goes_nowhere_else(serve, api_at, status, call):
    elsewhere = []

    async def other(request):
        elsewhere.append(dict(request.headers))
        return web.json_response([])

    async def scenario():
        async with serve(other) as target:

            async def handler(_request):
                return web.Response(status=status, headers={"Location": f"{target}/v2/charts"})

            async with serve(handler) as url, api_at(url) as api:
                return target, await api.call(call)

    target, answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (status, Sent.YES)
    assert answer.message == f"a redirect to {target}/v2/charts was not followed"
    assert elsewhere == []


def test_a_cookie_of_the_server_is_not_sent_back(serve, api_at):
    cookies = []

    async def handler(request):
        cookies.append(request.headers.get("Cookie"))
        response = web.json_response([])
        response.set_cookie("session", "1")
        return response

    async def scenario():
        async with serve(handler) as url, api_at(url) as api:
            await api.call(ListCharts())
            await api.call(ListCharts())

    asyncio.run(scenario())

    assert cookies == [None, None]


def test_netrc_and_proxy_of_the_environment_do_not_touch_loopback(serve, api_at, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login foreign password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen = []

    async def handler(request):
        seen.append(request.headers.get("Authorization"))
        return web.json_response([])

    async def scenario():
        async with serve(handler) as url, api_at(url) as api:
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).status == 200
    assert seen == [None]


def test_calls_share_kept_connections_up_to_the_limit(serve, api_at):
    peers, busy, peak = set(), 0, 0

    async def handler(request):
        nonlocal busy, peak
        busy += 1
        peak = max(peak, busy)
        peers.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(0)
        busy -= 1
        return web.json_response([])

    async def scenario():
        async with serve(handler) as url, api_at(url, connections=3) as api:
            await asyncio.gather(*(api.call(ListCharts()) for _ in range(30)))

    asyncio.run(scenario())

    assert len(peers) <= 3
    assert peak <= 3


def test_a_call_without_a_project_id_is_bad_input(api_at):
    async def scenario():
        async with api_at("http://127.0.0.1:1", project_id="") as api:
            await api.call(ListClusters())

    with pytest.raises(InputError, match="give `project_id`"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://cce.example.com", "is not encrypted"),
        ("http://127.0.0.1.evil.com", "is not encrypted"),
        ("ftp://127.0.0.1", "is no URL"),
        ("cce.example.com", "is no URL"),
        ("https://user:secret@cce.example.com", "holds a user name or password"),
        ("https://cce.example.com/?a=1", "must be a plain base URL"),
        ("https://cce.example.com:99999", "is no URL"),
        ("https://exa mple.com", "must be a plain base URL"),
    ],
)
def test_an_address_that_would_leak_the_token_is_refused(url, message, clock):
    with pytest.raises(InputError, match=message) as refused:
        HttpApi(url, project_id="", credential=None, wire=None, connections=1, clock=clock)

    assert "secret" not in str(refused.value)


def test_a_clock_that_is_off_is_named_when_a_signature_expired(answer_of, clock):
    clock.now = 1767225600.0 + 1800
    body = {"error_code": "APIGW.0303", "error_msg": "signature expired"}
    headers = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}

    answer = answer_of(lambda: web.json_response(body, status=401, headers=headers), ListCharts())

    assert answer.message == "signature expired; this machine's clock is 1800 s ahead of the server's, set it right"
