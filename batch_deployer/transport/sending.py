"""What leaves: one request as bytes, after the fence was asked last."""

import asyncio
import re
from collections.abc import Callable, Mapping

from batch_deployer.errors import BadInput
from batch_deployer.ports import Fence, unheard
from batch_deployer.transport.wire.requests import Request

# A line break in a value would begin a header, or a request, of its own.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class FenceLost(Exception):
    """The fence said no; nothing was sent."""


class Attempt:
    """One attempt at one call: how far it got, and the last question before its bytes leave."""

    __slots__ = ("_fence", "_leaving", "head", "left", "write")

    def __init__(self, *, write: bool, fence: Fence | None, leaving: Callable[[], None] = unheard) -> None:
        """`fence` is asked only for writes; `leaving` is called once, if the request leaves."""
        self.write = write
        self._fence = fence if write else None
        self._leaving = leaving
        self.left = False
        """Whether bytes may have reached the server."""
        self.head: tuple[int, Mapping[str, str]] | None = None
        """Status and headers of the answer, once they have come; names in lower case, of a repeated one the first."""

    def send(self, transport: asyncio.WriteTransport, request: bytes) -> None:
        """Put a whole request onto a connection that has nothing on it yet.

        Raises FenceLost, and ConnectionError for a connection that is closing: then nothing has left.
        """
        if transport.is_closing():
            raise ConnectionError
        if self._fence is not None and not self._fence.may_write():
            raise FenceLost
        if not self.left:
            self.left = True
            self._leaving()
        transport.write(request)


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers as they go on the wire. Raises BadInput for a value that could not be one: it came from outside."""
    for name, text in headers.items():
        if _CONTROL.search(text):
            raise BadInput(f"the header {name} would hold control characters; check where its value comes from")
    try:
        return "".join(f"{name}: {text}\r\n" for name, text in headers.items()).encode()
    except UnicodeEncodeError:
        raise BadInput("a header would hold text that is no valid Unicode; check the token or key") from None


def whole(request: Request, base: str, lines: bytes) -> bytes:
    """A request as bytes: `base` is the path of the endpoint, `lines` are all headers but the length."""
    first = f"{request.method} {base}{request.target} HTTP/1.1\r\n".encode("ascii")
    if request.method == "GET" and not request.body:
        return b"%b%b\r\n" % (first, lines)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (first, lines, len(request.body), request.body)
