"""What is done to an answer before it is read: unpacked within bounds, and freed of our token."""

import zlib
from functools import lru_cache

from batch_deployer.transport.channel import Reply

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_HIDDEN = "******"
ENCODINGS = "gzip"
"""What we say we accept."""


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


def unpacked(reply: Reply, most: int) -> Reply:
    """The same with its body unpacked. Done here, so that a bomb stops at the bound."""
    coding = reply.headers.get("content-encoding", "").strip().lower()
    if reply.fault or coding in {"", "identity"}:
        return reply
    body, fault = _unpacked(reply.body, coding, most)
    return Reply(reply.status, reply.headers, body, fault)


def _unpacked(body: bytes, coding: str, most: int) -> tuple[bytes, str]:
    """The plain bytes, or why there are none."""
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return b"", f"the answer is packed as {coding!r}, which was not asked for"
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        return b"", "the answer is packed and cannot be unpacked"
    if len(plain) > most:
        return b"", f"the answer unpacks to more than the {most} bytes allowed"
    return plain, "" if unpacker.eof else "the answer broke off before its end"
