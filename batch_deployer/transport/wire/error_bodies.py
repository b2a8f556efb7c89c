"""Error bodies in all their shapes (section 4.1 of docs/api.md). Pure; anything at all can be read."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from batch_deployer.util.wire_text import clean

_READ = 128 * 1024
"""Bytes of an error body that are looked at; real ones are below 1 KB."""
_SEEN = 4 * 1024
"""Characters of a page in which its title is looked for: the pattern is quadratic at worst."""
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_INVISIBLE = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What an error answer says. Every text is clean."""

    shape: str = ""
    """`A`..`G`; empty when there was no body."""
    code: str = ""
    """`errorCode`, or the only code there is."""
    other_code: str = ""
    """`error_code` when both were sent."""
    message: str = ""
    request_id: str = ""


def read_error(body: bytes) -> ErrorBody:
    """Read the body of an answer that is no success. Never raises."""
    if not body.strip():
        return ErrorBody()
    try:
        document = msgspec.json.decode(body[:_READ].decode("utf-8-sig"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody(shape="G", message=_plain(body))
    return _object(document) if isinstance(document, dict) else ErrorBody(shape="G", message=_plain(body))


def _object(document: dict[str, Any]) -> ErrorBody:
    inner = document.get("error")
    keystone = inner if isinstance(inner, dict) else {}
    documented = _text(document, "errorCode")
    wire = _text(document, "error_code")
    code = documented or wire or _text(keystone, "code")
    return ErrorBody(
        shape=_shape(document, documented, wire, nested=bool(keystone)),
        code=clean(code),
        other_code=clean(wire) if documented else "",
        # Where several texts are sent, `message` is the real cause and the others are its class.
        message=clean(
            _text(document, "message", "errorMessage", "error_msg")
            or _text(keystone, "message")
            or _text(document, "error")
        ),
        request_id=clean(_text(document, "request_id")),
    )


def _shape(document: dict[str, Any], documented: str, wire: str, *, nested: bool) -> str:
    """Which of the shapes a JSON object is; the code's family decides where two shapes have the same fields."""
    if "encoded_authorization_message" in document:
        return "F"
    if documented:
        return "B" if wire or document.get("kind") == "Status" else "A"
    if wire:
        family = wire.partition(".")[0].upper()
        return "E" if family == "IAM" else "B" if family.startswith("CCE") else "C"
    if nested:
        return "E"
    return "D" if "message" in document or "error" in document else "G"


def _text(document: dict[str, Any], *names: str) -> str:
    """The first of the fields that holds a text or a number, as text."""
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _plain(body: bytes) -> str:
    """What a person would read of a page, or a word about a body that is no text."""
    text = body[:_READ].decode("utf-8", errors="replace")
    if text.count("�") + text.count("\0") > len(text) // 10:
        return f"a body of {len(body)} bytes that is no text"
    if "<" not in text:
        return clean(text)
    titles = (clean(_TAG.sub(" ", match[2])) for match in _TITLE.finditer(text[:_SEEN]))
    return next(filter(None, titles), "") or clean(_TAG.sub(" ", _INVISIBLE.sub(" ", text)))
