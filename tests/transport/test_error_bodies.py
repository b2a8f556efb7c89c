import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.transport.wire.error_bodies import ErrorBody, read_error
from batch_deployer.transport.wire.headers import http_date, request_id, retry_after
from batch_deployer.util.wire_text import MAX_TEXT, clean, deeper_than

WIRE_B = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "code": 400,
    "errorCode": "CCE.01400001",
    "errorMessage": "Invalid request.",
    "error_code": "CCE_CM.0004",
    "error_msg": "Request is invalid",
    "message": "chart not found in repository",
    "reason": "BadRequest",
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"errorCode": "CCE.01401001", "errorMessage": "Authorization failed."},
            ErrorBody(shape="A", code="CCE.01401001", message="Authorization failed."),
        ),
        (
            WIRE_B,
            ErrorBody(
                shape="B", code="CCE.01400001", other_code="CCE_CM.0004", message="chart not found in repository"
            ),
        ),
        (
            WIRE_B | {"errorCode": "E.CFE.4000201", "message": ""},
            ErrorBody(shape="B", code="E.CFE.4000201", other_code="CCE_CM.0004", message="Invalid request."),
        ),
        (
            {"error_code": "CCE_CM.0003", "error_msg": "Resource not found"},
            ErrorBody(shape="B", code="CCE_CM.0003", message="Resource not found"),
        ),
        (
            {
                "error_msg": "policy user over ratelimit,limit:10,time:1 minute",
                "error_code": "APIGW.0308",
                "request_id": "r1",
            },
            ErrorBody(
                shape="C",
                code="APIGW.0308",
                message="policy user over ratelimit,limit:10,time:1 minute",
                request_id="r1",
            ),
        ),
        (
            {"error_msg": "x", "error_code": "APIG.0101", "request_id": "r1"},
            ErrorBody(shape="C", code="APIG.0101", message="x", request_id="r1"),
        ),
        (
            {"message": "API not found", "request_id": "r2"},
            ErrorBody(shape="D", message="API not found", request_id="r2"),
        ),
        (
            {"error": "Not Found", "path": "/x"},
            ErrorBody(shape="D", message="Not Found"),
        ),
        (
            {"error_code": "IAM.0066", "error_msg": "token expires"},
            ErrorBody(shape="E", code="IAM.0066", message="token expires"),
        ),
        (
            {"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "x"}},
            ErrorBody(shape="E", code="401", message="The request you have made requires authentication."),
        ),
        (
            {"error_code": "PAP5.0010", "error_msg": "denied", "encoded_authorization_message": "x" * 900},
            ErrorBody(shape="F", code="PAP5.0010", message="denied"),
        ),
        ({"unheard": "of"}, ErrorBody(shape="G")),
        ({"errorCode": None, "error_code": [], "message": {"a": 1}}, ErrorBody(shape="D")),
    ],
)
def test_every_documented_shape_of_an_error_is_understood(document, expected):
    assert read_error(json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<html><body><style>b{}</style><h1>504\n Gateway  Time-out</h1></body></html>", "504 Gateway Time-out"),
        (b"<script>alert(1)</script><p>busy</p>", "busy"),
        (b"upstream connect error", "upstream connect error"),
        (b"\x00\x01\xff\xfe" * 40, "a body of 160 bytes that is no text"),
        (b"[1,2]", "[1,2]"),
        (b'{"errorCode":', '{"errorCode":'),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_a_page_a_text_or_rubbish_in_place_of_json_is_shape_g(body, message):
    assert read_error(body) == ErrorBody(shape="G", message=message)


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_error_without_body_has_no_shape(body):
    assert read_error(body) == ErrorBody()


def test_a_hostile_page_takes_no_time():
    for body in (b"<title" * 200_000, b"<title>" * 200_000, b"<script" * 200_000, b"<" * 1_000_000):
        assert read_error(body).shape == "G"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m and \x1b]0;title\x07bold\x1b(B", "red and boldB"),
        ("\x9b31mc1", "c1"),
        ("a\r\n\tb  c\u2028d\xa0e", "a b c d e"),
        ("evil\u202etxt.exe\u2066\u200b\ufeff", "eviltxt.exe"),
        ("bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("\ud800half", "half"),
        ("grüße 漢字 🎉", "grüße 漢字 🎉"),
        ("x" * 140_000, "x" * (MAX_TEXT - 1) + "…"),
        ("\x1b[31m" * 5000 + "tail", "tail"),
    ],
)
def test_only_what_shows_as_itself_is_left_of_a_servers_text(text, shown):
    assert clean(text) == shown


def test_codes_and_ids_are_cleaned_too_and_not_yet_cut():
    """Secrets are taken out of a text before it is cut."""
    body = {"error_code": "APIGW.\x1b[1m0101" + "9" * 200, "request_id": "r\u202e" + "1" * 900, "error_msg": "m" * 900}
    error = read_error(json.dumps(body).encode())

    assert error.code.startswith("APIGW.0101")
    assert (len(error.code), len(error.request_id), len(error.message)) == (210, 901, 900)
    assert "\u202e" not in error.request_id


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("1.5", 1.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("-5", None),
        ("nan", None),
        ("9" * 400, None),
        ("soon", None),
        ("Thu, 99 Jan 99999", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after(text, now=100.0) == seconds


def test_a_date_that_is_none_is_none():
    assert http_date("Thu, 01 Jan 1970 00:01:00 GMT") == 60.0
    assert http_date("never") is None
    assert http_date(None) is None


def test_the_request_id_is_the_gateways_or_the_identity_services():
    assert request_id({"x-request-id": "a", "x-iam-trace-id": "b"}) == "a"
    assert request_id({"x-iam-trace-id": "b"}) == "b"
    assert request_id({}) == ""


def test_depth_counts_brackets_outside_strings_only():
    assert deeper_than("[" * 65 + "]" * 65, 64)
    assert not deeper_than("[" * 64 + "]" * 64, 64)
    assert not deeper_than("[]" * 100, 64)
    assert not deeper_than('"' + "[" * 100 + '\\"[' + '"', 64)
    assert not deeper_than('"' + "[" * 100, 64)


def depth_of(value) -> int:
    if isinstance(value, list | dict):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@given(
    st.recursive(
        st.text('[]{}"\\a') | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\a'), inner, max_size=3),
    ),
    st.integers(0, 6),
)
def test_depth_is_that_of_the_document_whatever_its_strings_hold(value, limit):
    assert deeper_than(json.dumps(value), limit) is (depth_of(value) > limit)
