import asyncio
import hashlib

import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.errors import AuthFailed, InputError
from batch_deployer.model.api import ListReleases
from batch_deployer.model.permissions import Permissions
from batch_deployer.plan.plan import AuthSpec, CloudSpec
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.auth.access_key import AccessKey
from batch_deployer.transport.auth.signing import Key, Unsigned, canonical_request, sign
from batch_deployer.transport.connect import open_cloud
from batch_deployer.transport.wire.requests import Request, encode

# The vectors of docs/api.md section 5.3, computed with the provider's own SDK.
ACCESS, SECRET = "AKIDEXAMPLE0000000AB", "SkExampleSecret0000000000000000000000000A"
PROJECT, HOST, DATE = "0123456789abcdef0123456789abcdef", "cce.eu-de.otc.t-systems.com", "20260102T030405Z"
RELEASES = "/cce/cam/v3/clusters/4d1ecb2c-229a-11e8-9c75-0255ac100ceb"
V1 = Unsigned(
    method="PUT",
    host=HOST,
    path=f"{RELEASES}/namespace/default/releases/web",
    headers={"Content-Type": "application/json"},
    body=b'{"chart_id":"af4b699e-018c-11ec-b8b0-0255ac100b05","action":"upgrade","parameters":{"dry_run":false},'
    b'"values":{"image":{"tag":"v2"}}}',
)
V2 = Unsigned(
    method="GET",
    host=HOST,
    path=f"{RELEASES}/releases",
    query=(("namespace", "team a/b"), ("chart_id", "af4b699e-018c-11ec-b8b0-0255ac100b05")),
)
V3 = Unsigned(
    method="POST",
    host=HOST,
    path="/v2/charts",
    headers={"Content-Type": "multipart/form-data; boundary=XXXX"},
    body=b"--XXXX--",
)


def key(**more):
    return Key(access=ACCESS, secret=SECRET, **more)


PLAIN = "content-type;host;x-project-id;x-sdk-date"
VECTORS = {
    "V1": (
        V1,
        key(),
        f"SDK-HMAC-SHA256 Access={ACCESS}",
        PLAIN,
        "b6d090f99fc81e963a1ec242a2b0e9029aed37e7071568d53a2d16480ed957cf",
    ),
    "V2": (
        V2,
        key(token="TOKEN~1"),
        f"SDK-HMAC-SHA256 Access={ACCESS}",
        "host;x-project-id;x-sdk-date;x-security-token",
        "1326c196f7e3b6b6e85a838ec08490ba741578ea525b1fc5508ebd3fb583e98c",
    ),
    "V3": (
        V3,
        key(),
        f"SDK-HMAC-SHA256 Access={ACCESS}",
        "content-type;host;x-project-id;x-sdk-content-sha256;x-sdk-date",
        "797c9a811138f27894ba9d67b9c25f9c20cd16b71ae529866c8bd09c948d4dc8",
    ),
    "V1-legacy": (
        V1,
        key(form="legacy"),
        f"SDK-HMAC-SHA256 Credential={ACCESS}/20260102///sdk_request",
        PLAIN,
        "c9a176e5d60ccd7b4cde285c05a1905b3fb6839478681bbe73691818c7c863ad",
    ),
}


@pytest.mark.parametrize(("request_", "signer", "owner", "signed", "signature"), VECTORS.values(), ids=VECTORS)
def test_signatures_are_those_of_the_providers_own_sdk(request_, signer, owner, signed, signature):
    authorization = sign(request_, signer, date=DATE, project_id=PROJECT)["Authorization"]

    assert authorization == f"{owner}, SignedHeaders={signed}, Signature={signature}"


@pytest.mark.parametrize(
    ("request_", "token", "more", "digest"),
    [
        (V1, "", {}, "771d226b9a32963abb83bc04fddaab8335f1d2f34f67e6a2789ee75f9908b7fc"),
        (V2, "TOKEN~1", {}, "b166e570563d39b981df0014b4f8ef662feec1808ba61d048ee711bf88c60e27"),
        (
            V3,
            "",
            {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"},
            "a5f93f7d4c7da4ae201b2d2d0a9122daa275235ab70f6787e632d5eafa9ef9df",
        ),
    ],
    ids=["V1", "V2", "V3"],
)
def test_canonical_requests_are_those_of_the_providers_own_sdk(request_, token, more, digest):
    headers = {"X-Sdk-Date": DATE, "X-Project-Id": PROJECT, "Host": HOST, **request_.headers, **more}
    if token:
        headers["X-Security-Token"] = token
    payload = "UNSIGNED-PAYLOAD" if more else hashlib.sha256(request_.body).hexdigest()

    canonical, _ = canonical_request(request_, headers, payload)

    assert hashlib.sha256(canonical.encode()).hexdigest() == digest


def test_headers_with_an_underscore_are_sent_but_not_signed():
    request = Unsigned(method="GET", host=HOST, path="/v2/charts", headers={"x_odd": "1"})

    signed = sign(request, key(), date=DATE, project_id=PROJECT)

    assert signed["x_odd"] == "1"
    assert "x_odd" not in signed["Authorization"]


def test_a_request_is_signed_as_it_goes_on_the_wire(clock):
    clock.now = 1767323045.0  # 2026-01-02T03:04:05Z
    call = ListReleases(
        cluster_id="4d1ecb2c-229a-11e8-9c75-0255ac100ceb",
        namespace="team a/b",
        chart_id="af4b699e-018c-11ec-b8b0-0255ac100b05",
    )
    credential = AccessKey(key(token="TOKEN~1"), project_id=PROJECT, who="cloud 'c'", clock=clock)

    headers = credential.headers(encode(call), HOST)

    assert headers["X-Sdk-Date"] == DATE
    assert headers["X-Security-Token"] == "TOKEN~1"
    assert "content-type;host;x-project-id;x-sdk-date;x-security-token" in headers["Authorization"]


@pytest.mark.parametrize(
    ("signer", "project_id", "message"),
    [
        (Key(access=ACCESS, secret=""), PROJECT, "needs both access_key and secret_key"),
        (Key(access=ACCESS, secret=SECRET, form="new"), PROJECT, "form 'new' of an access key is unknown"),
        (Key(access=ACCESS, secret=SECRET), "", "needs project_id"),
        (Key(access=ACCESS, secret=SECRET + "\n"), PROJECT, "holds control characters"),
    ],
)
def test_a_key_that_cannot_sign_is_bad_input(signer, project_id, message, clock):
    with pytest.raises(InputError, match=message):
        AccessKey(signer, project_id=project_id, who="cloud 'c'", clock=clock)


def test_a_refused_key_is_not_tried_again_and_its_secret_is_never_told(clock):
    import asyncio

    credential = AccessKey(key(), project_id=PROJECT, who="cloud 'c'", clock=clock)

    with pytest.raises(AuthFailed, match=rf"cloud 'c': the access key {ACCESS} was refused \(HTTP 401 x\)") as failed:
        asyncio.run(credential.renew(1, "HTTP 401 x"))

    assert SECRET not in str(failed.value) + repr(key()) + repr(vars(credential))


@pytest.mark.parametrize(
    ("endpoint", "form"),
    [
        ("https://cce.eu-de.otc.t-systems.com", "legacy"),
        ("https://CCE.EU-NL.OTC.T-Systems.com:443", "legacy"),
        ("https://cce.cn-north-4.myhuaweicloud.com", "access"),
        ("https://cce.otc.t-systems.com.example", "access"),
        ("https://evil-otc.t-systems.com", "access"),
    ],
)
def test_the_form_of_a_signature_follows_the_host(endpoint, form):
    async def headers():
        spec = CloudSpec(
            name="c",
            endpoint=endpoint,
            project_id="p1",
            auth=AuthSpec(method="aksk", options={"access_key": "AK", "secret_key": "SK"}),
        )
        api = (
            await open_cloud(
                spec,
                wire=HttpSettings(),
                connections=1,
                secrets=str,
                clock=SystemClock(),
                permissions=Permissions(hosts=("*",)),
            )
        ).api
        try:
            return api._credential.headers(Request(method="GET", path="/v2/charts"), "host")
        finally:
            await api.close()

    owner = asyncio.run(headers())["Authorization"].split(" ")[1]
    assert owner.startswith("Credential=AK/" if form == "legacy" else "Access=AK")
