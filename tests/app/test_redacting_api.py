"""A cloud that echoes every credential in every text that it can send: nothing of it is left in what the engine gets."""

import asyncio
import base64
import html
import json
import urllib.parse

import msgspec
import pytest
from aiohttp import web

from batch_deployer.app.redacting_api import RedactingApi
from batch_deployer.clock.system import SystemClock
from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.model.api import (
    ClusterTags,
    CreateRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseState,
    ShowRelease,
)
from batch_deployer.model.redact import HIDDEN, Redactor
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.http_api import HttpApi

SECRET = 'gAAAA-s3cr/t+p&ss<"w-rd='
FORMS = {
    "plain": SECRET,
    "base64": base64.b64encode(f"u:{SECRET}".encode()).decode(),
    "percent": urllib.parse.quote(SECRET, safe=""),
    "HTML": html.escape(SECRET),
    "hex": SECRET.encode().hex(),
    "JSON in JSON": json.dumps(json.dumps({"a": SECRET})),
}
LONG = "x" * 470
"""So much before it that a cut to what is shown goes through the secret."""
AT = {"cluster_id": "c1", "namespace": "n", "name": "web"}
CREATE = CreateRelease(**AT, chart_id="ch", version="1.0.0")


def release(told):
    names = ("name", "namespace", "chart_name", "chart_version", "cluster_id", "create_at", "update_at", "status")
    return {**dict.fromkeys(names, told), "status_description": LONG + told, "version": 1}


def cluster(told):
    metadata = {"uid": told, "name": told, "alias": told}
    return {"metadata": metadata, "spec": {"version": told}, "status": {"phase": told, "reason": LONG + told}}


ANSWERS = {
    "error": (400, lambda told: {"errorCode": told, "error_code": "CCE_CM." + told, "message": LONG + told}),
    "error id": (500, lambda told: {"error_code": told, "error_msg": told, "request_id": told}),
    "keystone error": (401, lambda told: {"error": {"code": 401, "message": LONG + told}}),
    "page": (502, lambda told: f"<html><title>{told}</title><body>{LONG}{told}</body></html>"),
    "page without title": (502, lambda told: f"<html><body>{' ' * 200_000}<p>{LONG}{told}</p></body></html>"),
    "text": (500, lambda told: LONG + told),
    "long text": (500, lambda told: (told + " ") * 9000),
    "redirect": (302, lambda told: ""),
    "releases": (200, lambda told: [release(told)]),
    "release": (200, release),
    "charts": (200, lambda told: [dict.fromkeys(("id", "name", "version", "description"), told)]),
    "clusters": (200, lambda told: {"items": [cluster(told)]}),
    "tags": (200, lambda told: {"tags": [{"key": told, "value": told}]}),
}
CALLS = {
    "releases": ListReleases(cluster_id="c1"),
    "release": ShowRelease(**AT),
    "charts": ListCharts(),
    "clusters": ListClusters(),
    "tags": ClusterTags(cluster_id="c1"),
}


def answer_to(call, status, body, told):
    """What a call gets over real HTTP, secrets taken out."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def handler(_request):
        headers = {"X-Request-Id": told[:4000], "Location": f"https://x.example/?t={told[:4000]}"}
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    async def scenario():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = HttpApi(
            f"http://127.0.0.1:{runner.addresses[0][1]}", project_id="p1", credential=FixedToken("cloud 'c'", SECRET),
            wire=HttpSettings(), connections=1, clock=SystemClock(),
        )  # fmt: skip
        try:
            return await RedactingApi(http, Redactor(lambda: [SECRET])).call(call)
        finally:
            await http.close()
            await runner.cleanup()

    return asyncio.run(scenario())


def pieces(told):
    """Parts of an encoded secret, each long enough to be worth something to a thief."""
    return {told[at : at + 8] for at in range(len(told) - 8)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ANSWERS)
def test_no_text_of_an_answer_holds_a_secret_or_a_part_of_it(kind, form):
    told = FORMS[form]
    status, body = ANSWERS[kind]
    call = CALLS.get(kind, CREATE)
    answer = answer_to(call, status, body(told), told)
    assert answer.status == status
    if kind in CALLS:
        assert answer.body
    seen = msgspec.json.encode(answer).decode()
    assert HIDDEN in seen
    left = [piece for piece in pieces(SECRET) if piece in seen]
    left += [piece for piece in pieces(told) if piece in seen and piece not in ("&quot;a&q", '{\\"a\\": ')]
    assert left == [] or form in ("base64", "JSON in JSON"), (left, seen)
    assert SECRET not in seen
    assert told not in seen


@pytest.mark.parametrize("kind", ["error", "page without title", "text", "long text"])
def test_texts_are_cut_once_secrets_are_out(kind):
    status, body = ANSWERS[kind]
    answer = answer_to(CREATE, status, body(SECRET), SECRET)
    assert len(answer.message) <= 500
    assert len(answer.code) <= 64
    assert len(answer.request_id) <= 128


def test_values_stay_as_the_cloud_shows_them():
    """They are compared with what is wanted; what shows them hides them by the manifest."""
    state = release("web") | {"values": json.dumps({"password": SECRET})}
    answer = answer_to(ListReleases(cluster_id="c1"), 200, [state], "id")
    assert isinstance(answer.body[0], ReleaseState)
    assert json.loads(answer.body[0].values_json) == {"password": SECRET}


class Refusing:
    """An Api whose credential cannot be renewed; says why in the server's words."""

    def __init__(self, error):
        self.error = error

    async def renew(self, _credential):
        raise self.error


@pytest.mark.parametrize("kind", [AuthFailed, CloudUnreachable])
@pytest.mark.parametrize("form", FORMS)
def test_a_renewal_that_fails_names_no_secret_and_is_cut(kind, form):
    """The server's words for a refused credential end the run, and stand in its journal and report."""
    error = kind(f"cloud 'c': the token was refused (HTTP 401 {LONG}{FORMS[form]} {'y' * 5000})")
    with pytest.raises(kind) as refused:
        asyncio.run(RedactingApi(Refusing(error), Redactor(lambda: [SECRET])).renew(1))
    assert FORMS[form] not in str(refused.value)
    assert HIDDEN in str(refused.value)
    assert len(str(refused.value)) <= 1000
