"""Reading an answer's body within bounds: of the bytes on the wire, and of what they unpack to."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
from aiohttp.streams import StreamReader

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_HIDDEN = "******"
_LONGEST_NUMBER = 20
"""Digits of an announced length that are read; the parser admits none above 64 bits."""
ENCODINGS = "gzip"
"""What we say we accept."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body as far as it came, and why it is not whole (empty when it is)."""

    body: bytes
    fault: str = ""


async def receive(headers: Mapping[str, str], stream: StreamReader, most: int) -> Received:
    """Read at most `most` bytes. Once a status has come, what goes wrong with the body is a fault, not an error."""
    length = headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < _LONGEST_NUMBER and int(length) > most:
        return Received(b"", f"the answer of {length} bytes is larger than the {most} allowed")
    try:
        # A body is mostly there as soon as its head is.
        body = stream.read_nowait() if stream.is_eof() else await _chunks(stream, most)
    except (aiohttp.ClientError, OSError, RuntimeError):  # RuntimeError: aiohttp, when nothing is connected any more.
        return Received(b"", "the answer broke off before its end")
    if len(body) > most:
        return Received(b"", f"the answer is larger than the {most} bytes allowed")
    coding = headers.get("Content-Encoding", "").strip().lower()
    return Received(body) if coding in {"", "identity"} else _unpacked(body, coding, most)


def without(token: str, body: bytes) -> bytes:
    """The same without our token, which a server may echo into any text."""
    for form in _forms(token):
        body = body.replace(form, _HIDDEN.encode())
    return body


@lru_cache(maxsize=8)
def _forms(token: str) -> tuple[bytes, ...]:
    """How a token may be written in a body."""
    return tuple({token.encode(), token.replace("/", "\\/").encode()}) if token else ()


def hide(token: str, text: str) -> str:
    """The text without our token."""
    return text.replace(token, _HIDDEN) if token else text


async def _chunks(stream: StreamReader, most: int) -> bytes:
    """A body as it comes; no more is read once it is larger than the bound."""
    parts, size = [], 0
    async for part in stream.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            break
    return b"".join(parts)


def _unpacked(body: bytes, coding: str, most: int) -> Received:
    """Unpacked here and not by aiohttp, so that a bomb stops at the bound whatever aiohttp's own is."""
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return Received(b"", f"the answer is packed as {coding!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        return Received(b"", "the answer is packed and cannot be unpacked")
    if len(plain) > most:
        return Received(b"", f"the answer unpacks to more than the {most} bytes allowed")
    return Received(plain, "" if unpacker.eof else "the answer broke off before its end")
