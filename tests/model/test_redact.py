"""Secrets are found in whatever encoding a server or a library has put them into."""

import base64
import html
import json
import time
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.model.redact import HIDDEN, Redactor

SECRETS = {
    "password": "s3cr/t+p&ss<w\"rd'=",
    "with blanks": "correct horse  battery",
    "unicode": "g\u00e4nsef\u00fc\u00dfchen-\U0001f600",
    "token": "gAAAAABm" + "Zx_9-" * 30 + "==",
    "long token": "MIIEv" + "aB3/x+" * 2500 + "=",
    "access key": "SkExampleSecret0000000000000000000000000A",
    "several lines": "-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----",
    "backslashes": "C:\\new\\table\\x41",
}
ENCODINGS = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic auth": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"pw": text}, ensure_ascii=False).encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "upper-case hex": lambda text: text.encode().hex().upper(),
    "HTML": html.escape,
    "HTML without quotes": lambda text: html.escape(text, quote=False),
    "decimal entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(char):04X};" for char in text),
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent with slashes": urllib.parse.quote,
    "lower-case percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "form": urllib.parse.quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON inside JSON": lambda text: json.dumps(json.dumps({"a": text}))[1:-1],
    "JSON inside JSON inside JSON": lambda text: json.dumps(json.dumps(json.dumps([text])))[1:-1],
    "upper-case JSON escapes": lambda text: "".join(
        f"\\u{ord(c):04X}" if ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in text
    ),
    "percent of base64": lambda text: urllib.parse.quote(base64.b64encode(text.encode()).decode(), safe=""),
    "HTML of JSON": lambda text: html.escape(json.dumps({"a": text})),
    "Python": lambda text: repr(text)[1:-1],
    "one blank for white space": lambda text: " ".join(text.split()),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_hidden_in_every_encoding(secret, encode):
    written = encode(secret)
    shown = Redactor(lambda: [secret]).text(f"denied: {written}, said the server")
    assert written not in shown
    assert shown.startswith("denied: ")
    assert shown.endswith(", said the server") or (len(secret) > 64 and shown.endswith(" said the server"))
    rest = shown.removeprefix("denied: ").removesuffix(", said the server")
    # What surrounds an encoded secret may stay, and at either end a digit that it shares with what surrounds it.
    assert not any(secret[at : at + 8] in rest for at in range(len(secret) - 7))


@settings(deadline=None)
@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_whatever_surrounds_it_a_secret_is_gone(secret, before, after):
    shown = Redactor(lambda: [secret]).text(before + secret + after)
    assert secret not in shown.replace(HIDDEN, "") or secret in HIDDEN


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("KEY", "set DNS_API_KEY and KEY, not MONKEYS", f"set DNS_API_KEY and {HIDDEN}, not MONKEYS"),
        ("demo", "user demo of demo-cluster in democracy", f"user {HIDDEN} of {HIDDEN}-cluster in democracy"),
        ("p/w", "a p%2Fw b p\\/w", f"a {HIDDEN} b {HIDDEN}"),
        ("ab", "ab", "ab"),
        ("", "nothing", "nothing"),
        ("hunter2!", "xhunter2!x", f"x{HIDDEN}x"),
    ],
)
def test_a_short_secret_is_hidden_as_a_whole_word_only(secret, text, shown):
    assert Redactor(lambda: [secret]).text(text) == shown


def test_no_rest_of_a_longer_secret_remains():
    assert Redactor(lambda: ["password", "password-of-prod"]).text("x password-of-prod y") == f"x {HIDDEN} y"


def test_a_secret_that_becomes_known_later_is_hidden_from_then_on():
    known = []
    redactor = Redactor(lambda: known)
    assert redactor.text("late-secret") == "late-secret"
    known.append("late-secret")
    assert redactor.text("late-secret") == HIDDEN


@pytest.mark.parametrize("name", ["web", "my-demo-chart", "kube-system"])
def test_a_name_is_left_alone_by_short_secrets(name):
    redactor = Redactor(lambda: ["web", "demo", "kube"])
    assert redactor.name(name) == name
    assert Redactor(lambda: ["long-secret"]).name("long-secret") == HIDDEN


def test_a_long_hostile_text_takes_no_time_out_of_proportion():
    """Backtracking would take minutes: counted by what a thread may use, not by the clock of a busy machine."""
    redactor = Redactor(lambda: ["\\" * 30, "%" * 20, "&" * 20, " " * 10 + "x" * 10])
    before = time.thread_time()
    for text in ("\\" * 100_000, "%25" * 40_000, "&amp;" * 20_000, "&#0" * 40_000, " " * 100_000):
        redactor.text(text)
    assert time.thread_time() - before < 60


def test_only_short_texts_are_kept_for_the_next_time():
    """The texts of a whole list come by once and are large."""
    redactor = Redactor(lambda: ["long-secret"])
    redactor.text("short")
    redactor.text("x" * 10_000)
    assert list(redactor._cached) == ["short"]


@pytest.mark.parametrize(
    "secret", ['a\\\\"b-long-one', "a\\ü-long-one", "\\ü\\n\\\\-long", 'x"\\"\\/\n-long', "\\\\\\\\server\\share-1"]
)
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@pytest.mark.parametrize("quote", [str, urllib.parse.quote, html.escape])
def test_backslashes_of_a_secret_and_of_its_encodings_do_not_hide_it(secret, levels, quote):
    text = secret
    for _ in range(levels):
        text = json.dumps(text)
    text = quote(text)
    found = Redactor(lambda: {secret}).text(f"before {text} after")
    assert HIDDEN in found
    assert "long" not in found
    assert "share" not in found


@pytest.mark.parametrize("piece", ["\\", "%5c", "&#x5c;", "&#92;", "\\u00", '\\"', "&#0"])
def test_a_flood_of_what_begins_an_escape_takes_linear_time(piece):
    """It took ten minutes when each backslash was the start of a search through all that follow."""
    redactor = Redactor(lambda: {'w/o"r\\d+ü&<x>-long', "T0ken-of-the-login-0123456789"})
    begun = time.process_time()
    redactor.text(piece * (128 * 1024 // len(piece)))
    assert time.process_time() - begun < 60
