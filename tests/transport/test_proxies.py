"""Calls and logins through a real proxy (squid) that wants a user and a password."""

import asyncio
import base64
import time

import pytest
from aiohttp import web

from batch_deployer.errors import AuthFailed
from batch_deployer.model.api import CreateRelease, ListCharts, Sent
from batch_deployer.rules.responses import Verdict, judge

HOST = "cce.example.test"
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")


def asked_of(log, expected):
    """The lines that squid wrote for CONNECT, once there are as many as expected."""
    for _ in range(100):
        lines = [line for line in log.read_text().splitlines() if "CONNECT" in line]
        if len(lines) >= expected:
            return lines
        time.sleep(0.05)
    return lines


@pytest.fixture
def through(squid, serve_tls, log_in, certificate, monkeypatch, token_answer):
    """`through(user, method, options, call)`: what a call through the proxy gets, and the new lines of its log."""
    port, log = squid(HOST)

    def run(user, method, options, call, expected):
        async def handler(request):
            return token_answer() if request.path.endswith("/auth/tokens") else web.json_response([])

        async def scenario():
            async with serve_tls(handler) as server:
                monkeypatch.setenv("HTTPS_PROXY", f"{user}@127.0.0.1:{port}")
                given = {"auth_url": f"https://{HOST}:{server}/v3"} if method == "password" else {}
                async with log_in(
                    method, options | given, endpoint=f"https://{HOST}:{server}", ca_file=str(certificate / "ca.pem")
                ) as api:
                    return await api.call(call)

        before = len(asked_of(log, 0)) if log.exists() else 0
        try:
            return asyncio.run(scenario())
        finally:
            assert len(asked_of(log, before + expected)) == before + expected

    return run


TOKEN = ("token", {"token": "t0ken"})
PASSWORD = ("password", {"username": "u", "password": "p", "user_domain": "D", "project": "eu-de"})


@pytest.mark.parametrize(("method", "connects"), [(TOKEN, 1), (PASSWORD, 2)], ids=["token", "password"])
@pytest.mark.parametrize("call", [CREATE, ListCharts()], ids=lambda call: call.kind)
def test_calls_and_logins_pass_a_proxy_with_its_password(through, method, connects, call):
    assert through("deployer:pr0xy-pw", *method, call, connects).status == 200


def test_a_wrong_proxy_password_is_tried_once_and_named_as_the_proxys(through):
    answer = through("deployer:wr0ng-pw", *TOKEN, CREATE, 1)

    assert (answer.status, answer.sent, judge(CREATE, answer)) == (407, Sent.NO, Verdict.AUTH)
    assert "the proxy refused its user or password" in answer.message


def test_a_wrong_proxy_password_at_a_login_is_tried_once_and_named_as_the_proxys(through):
    with pytest.raises(AuthFailed, match=r"the proxy refused its user or password; correct") as refused:
        through("deployer:wr0ng-pw", *PASSWORD, CREATE, 1)

    assert "wr0ng" not in str(refused.value)
    assert base64.b64encode(b"deployer:wr0ng-pw").decode() not in str(refused.value)
