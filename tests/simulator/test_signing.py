"""The server's own check of AK/SK signatures, against vectors made by the provider's SDK and its Go client."""

import pytest

from batch_deployer.simulator.identity.signing import Received, fresh, genuine, parse_authorization

SK = "SkExampleSecret0000000000000000000000000A"
COMMON = {
    "Host": "cce.eu-de.otc.t-systems.com",
    "X-Project-Id": "0123456789abcdef0123456789abcdef",
    "X-Sdk-Date": "20260102T030405Z",
}
AT = 1767323045.0
CLUSTERS = "/cce/cam/v3/clusters/4d1ecb2c-229a-11e8-9c75-0255ac100ceb"
BODY = (
    b'{"chart_id":"af4b699e-018c-11ec-b8b0-0255ac100b05","action":"upgrade",'
    b'"parameters":{"dry_run":false},"values":{"image":{"tag":"v2"}}}'
)


class Headers(dict):
    """Case-insensitive, as a server's are."""

    def __init__(self, given):
        super().__init__({name.lower(): value for name, value in given.items()})

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


def v1(**more):
    given = {"method": "PUT", "target": CLUSTERS + "/namespace/default/releases/web", "body": BODY}
    headers = COMMON | {"Content-Type": "application/json"}
    return Received(**given | {"headers": Headers(headers)} | more)


def signed(signature, names="content-type;host;x-project-id;x-sdk-date", who="Access=AKIDEXAMPLE0000000AB"):
    return parse_authorization(f"SDK-HMAC-SHA256 {who}, SignedHeaders={names}, Signature={signature}")


V1 = "b6d090f99fc81e963a1ec242a2b0e9029aed37e7071568d53a2d16480ed957cf"
LEGACY = "c9a176e5d60ccd7b4cde285c05a1905b3fb6839478681bbe73691818c7c863ad"


def test_a_signed_put_is_genuine_in_both_forms():
    assert genuine(v1(), signed(V1), SK)
    legacy = signed(LEGACY, who="Credential=AKIDEXAMPLE0000000AB/20260102///sdk_request")
    assert legacy.access_key == "AKIDEXAMPLE0000000AB"
    assert genuine(v1(), legacy, SK)


def test_a_signed_query_and_security_token_are_genuine():
    received = Received(
        method="GET",
        target=CLUSTERS + "/releases?namespace=team%20a%2Fb&chart_id=af4b699e-018c-11ec-b8b0-0255ac100b05",
        headers=Headers(COMMON | {"X-Security-Token": "TOKEN~1"}),
        body=b"",
    )
    given = signed(
        "1326c196f7e3b6b6e85a838ec08490ba741578ea525b1fc5508ebd3fb583e98c",
        "host;x-project-id;x-sdk-date;x-security-token",
    )
    assert genuine(received, given, SK)


def test_an_unsigned_payload_is_genuine_if_it_says_so():
    received = Received(
        method="POST",
        target="/v2/charts",
        headers=Headers(
            COMMON | {"Content-Type": "multipart/form-data; boundary=XXXX", "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}
        ),
        body=b"--XXXX--",
    )
    given = signed(
        "797c9a811138f27894ba9d67b9c25f9c20cd16b71ae529866c8bd09c948d4dc8",
        "content-type;host;x-project-id;x-sdk-content-sha256;x-sdk-date",
    )
    assert genuine(received, given, SK)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"target": CLUSTERS + "/namespace/default/releases/web2"},
        {"target": CLUSTERS + "/namespace/default/releases/web?a=1"},
        {"body": BODY + b" "},
        {"headers": Headers(COMMON | {"Content-Type": "application/json", "X-Project-Id": "f" * 32})},
        {"headers": Headers(COMMON)},
    ],
    ids=["method", "path", "query", "body", "project", "missing header"],
)
def test_whatever_is_changed_after_signing_is_noticed(changed):
    assert not genuine(v1(**changed), signed(V1), SK)


def test_another_secret_is_noticed():
    assert not genuine(v1(), signed(V1), SK + "B")


def test_the_date_must_be_signed():
    assert not genuine(v1(), signed(V1, "content-type;host;x-project-id"), SK)


@pytest.mark.parametrize(("skew", "good"), [(0, True), (899, True), (-899, True), (901, False), (-901, False)])
def test_fifteen_minutes_of_skew_are_accepted(skew, good):
    assert fresh(v1(), AT + skew) is good


def test_a_date_that_is_none_is_not_fresh():
    assert not fresh(v1(headers=Headers(COMMON | {"X-Sdk-Date": "today"})), AT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer x",
        "SDK-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=short",
        f"SDK-HMAC-SHA256 Access=A/20260102///sdk_request, SignedHeaders=host, Signature={V1}",
        f"SDK-HMAC-SHA256 Credential=A, SignedHeaders=host, Signature={V1}",
    ],
)
def test_a_malformed_header_is_nobody(text):
    assert parse_authorization(text) is None
