"""One connection that speaks HTTP/1.1, one request at a time: bytes in, a reply out.

aiohttp's connector makes the connection (names, proxies, TLS); from then on it belongs to this protocol, and its answers
are read by llhttp. What a session of aiohttp does around that for every request costs more than all of it.
"""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec
from aiohttp.connector import Connection
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from batch_deployer.transport.sending import Attempt

_MOST_HEAD = 64 * 1024
"""Bytes of an answer before its body, those of informational ones included."""
_LONGEST_NUMBER = 20
"""Digits of an announced length that are read; the parser admits none above 64 bits."""
_LONG_HEAD = "a head that is too long"
_BROKEN = "the answer broke off before its end"


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer whose status came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of a repeated one the first."""
    body: bytes
    fault: str
    """Why the body is not whole; empty when it is."""


class NoHttp(Exception):
    """What came back is no HTTP."""


class Disconnected(ConnectionError):
    """The connection ended before the head of an answer was whole."""

    def __init__(self, *, begun: bool) -> None:
        """`begun`: something of an answer had come."""
        super().__init__("disconnected")
        self.begun = begun


class Channel(asyncio.Protocol):
    """A connection taken over from aiohttp. Its `ask` is used by one task at a time."""

    def __init__(self, connection: Connection, most: int) -> None:
        """`most`: bytes of a body. Raises aiohttp.ClientConnectionError when the connection has ended already."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            connection.close()
            raise aiohttp.ClientConnectionError("closed before anything was sent")
        self._connection = connection
        self._transport = transport
        self._most = most
        self._spoiled = protocol.should_close
        """Whether bytes came that answer nothing, or it is known to end: it must not be used again."""
        self._parser = HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._attempt: Attempt | None = None
        """Whose answer is awaited; None as soon as it is over."""
        self._done: asyncio.Future[str] | None = None
        """Becomes the fault of the answer once it is over."""
        self._heard = False
        """Whether the head of the answer is whole."""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head = 0
        """Bytes of its headers so far."""
        self._size = 0
        """Bytes that came before the head was whole; then those of the body."""
        transport.set_protocol(self)

    # -- for the exchange ----------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        transport = self._transport
        # A server may answer before it has read all; what is left of the request must not go before the next one.
        return not (self._spoiled or transport.is_closing() or transport.get_write_buffer_size())

    async def ask(self, request: bytes, attempt: Attempt) -> Reply:
        """Send a whole request and take its answer; `attempt` learns how far it got. Dropped unless both went well.

        Raises FenceLost, NoHttp, or ConnectionError (Disconnected among them).
        """
        self._attempt, self._done, self._heard = attempt, self._loop.create_future(), False
        self._headers, self._body, self._head, self._size = {}, [], 0, 0
        try:
            # No waiting for the socket to take it all: it is whole in memory anyhow, and the answer may come first.
            attempt.send(self._transport, request)
            fault = await self._done
        except BaseException:
            self.drop()
            raise
        finally:
            self._attempt = self._done = None
        if fault:
            self.drop()
        if attempt.head is None:
            raise NoHttp(fault)
        return Reply(*attempt.head, b"" if fault else b"".join(self._body), fault)

    def drop(self) -> None:
        """End it at once: what of a write has not left yet must never leave later."""
        self._spoiled = True
        self._transport.abort()
        self._connection.close()

    # -- for the event loop --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._attempt is None:
            self._spoiled = True  # Taken for the next answer, they would belong to the wrong request.
            return
        if not self._heard:
            self._size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._break("the server changed to another protocol")
        except HttpParserError as error:
            self._break(_BROKEN if self._heard else type(error).__name__)
        if not self._heard and self._size > _MOST_HEAD:
            self._break(_LONG_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._spoiled = True
        if self._attempt is None or self._done is None or self._done.done():
            return
        if self._heard:
            self._end("" if exc is None and self._until_end() else _BROKEN)
        else:
            self._attempt = None
            self._done.set_exception(Disconnected(begun=self._size > 0))

    # -- for the parser ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; a second one in the same bytes is none of ours."""
        self._spoiled = self._spoiled or self._attempt is None

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after the body, which says nothing to us."""
        if self._heard or self._attempt is None:
            return
        self._head += len(name) + len(value)
        if self._head > _MOST_HEAD:
            self._break(_LONG_HEAD)
        else:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        """The head is whole; an informational one is passed over."""
        status = self._parser.get_status_code()
        if self._attempt is None or (100 <= status < 200 and status != 101):
            return
        self._heard = True
        self._attempt.head = status, self._headers
        self._size = 0
        length = self._headers.get("content-length", "")
        if length.isdecimal() and len(length) < _LONGEST_NUMBER and int(length) > self._most:
            self._break(f"the answer of {length} bytes is larger than the {self._most} allowed")

    def on_body(self, body: bytes) -> None:
        """A piece of the body; no more is kept once it is larger than the bound."""
        if self._attempt is None:
            return
        self._size += len(body)
        if self._size > self._most:
            self._break(f"the answer is larger than the {self._most} bytes allowed")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or an informational one that comes before it."""
        if not self._heard:
            self._headers = {}
        elif self._attempt is not None:
            self._spoiled = self._spoiled or not self._parser.should_keep_alive()
            self._end("")

    def _until_end(self) -> bool:
        """Whether the body's end is that of the connection."""
        return "content-length" not in self._headers and "chunked" not in self._headers.get("transfer-encoding", "")

    def _break(self, fault: str) -> None:
        """Nothing more of it is used, nor sent on it."""
        self._spoiled = True
        self._end(fault)

    def _end(self, fault: str) -> None:
        if self._attempt is not None and self._done is not None and not self._done.done():
            self._done.set_result(fault)
        self._attempt = None
