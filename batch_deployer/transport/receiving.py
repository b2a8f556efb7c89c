"""Reading an answer's body within bounds: of the bytes on the wire, and of what they unpack to."""

import zlib
from dataclasses import dataclass, replace

import aiohttp

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_HIDDEN = "******"
ENCODINGS = "gzip"
"""What we say we accept."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body as far as it came, and why it is not whole (empty when it is)."""

    body: bytes
    fault: str = ""


async def receive(response: aiohttp.ClientResponse, most: int) -> Received:
    """Read at most `most` bytes. Once a status has come, what goes wrong with the body is a fault, not an error."""
    length = response.content_length
    if length is not None and length > most:
        response.close()
        return Received(b"", f"the answer of {length} bytes is larger than the {most} allowed")
    fault = ""
    try:
        if length is not None:
            body = await response.read()
        else:
            body, fault = await _chunks(response, most)
    except TimeoutError:
        return Received(b"", "the answer did not end in time")
    except (aiohttp.ClientError, OSError):
        return Received(b"", "the answer broke off before its end")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if fault or coding in {"", "identity"}:
        return Received(body, fault)
    return _unpacked(body, coding, most)


def without(token: str, received: Received) -> Received:
    """The same without our token, which a server may echo into any text."""
    body = received.body
    for form in (token, token.replace("/", "\\/")) if token else ():
        if (found := form.encode()) in body:
            body = body.replace(found, _HIDDEN.encode())
    return received if body is received.body else replace(received, body=body)


def hide(token: str, text: str) -> str:
    """The text without our token."""
    return text.replace(token, _HIDDEN) if token else text


async def _chunks(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, str]:
    """A body of unknown length, up to the bound."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            response.close()
            return b"", f"the answer is larger than the {most} bytes allowed"
    return b"".join(parts), ""


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
