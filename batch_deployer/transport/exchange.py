"""One request and its answer on a kept connection: what a session of aiohttp does, without its objects.

Connections come from aiohttp's connector (names, TLS, proxies) and answers from its parser; only the session between
them is left out, which cost more than all the rest. Nothing is ever sent twice, except that a read goes once more, on a
new connection, when a kept one turns out to be dead. Redirects and cookies are not known here.
"""

import asyncio
import math
import ssl
from collections.abc import Mapping

import aiohttp
import msgspec
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import EofStream, StreamReader
from yarl import URL

from batch_deployer.transport.address import proxy_for
from batch_deployer.transport.deadlines import Deadlines
from batch_deployer.transport.kept import Kept, drop
from batch_deployer.transport.receiving import receive
from batch_deployer.transport.sending import Attempt

_NAMES_KEPT = 300
"""Seconds for which a looked-up address is used again."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer whose status came."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    fault: str
    """Why the body is not whole; empty when it is."""


class NoHttp(Exception):
    """What came back is no HTTP."""


class Exchange:
    """The connections to one endpoint. Make it within a running event loop."""

    def __init__(self, endpoint: str, *, connections: int, most: int, tls: ssl.SSLContext | None) -> None:
        """`connections`: at once. `most`: bytes of a body. `tls`: None verifies by aiohttp's default."""
        self._connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=_NAMES_KEPT, ssl=True if tls is None else tls)
        # The environment's proxy is looked up once. aiohttp's trust_env would do so for every call, in a thread,
        # and read .netrc besides, which could put a foreign password onto our requests.
        proxy = proxy_for(endpoint)
        # Never sent: it tells the connector where to connect, and through what.
        self._place = ClientRequest(
            "GET", URL(endpoint), loop=asyncio.get_running_loop(), proxy=URL(proxy) if proxy else None
        )
        self._room = asyncio.Semaphore(connections)
        self._kept = Kept()
        self._deadlines = Deadlines()
        self._most = most

    async def perform(self, request: bytes, *, bounds: aiohttp.ClientTimeout, attempt: Attempt) -> Reply:
        """Send a whole request and take its answer; a body that is not whole is a fault of the reply.

        Raises FenceLost, NoHttp, aiohttp.ClientError, or OSError with TimeoutError; `attempt.left` tells how far it got.
        """
        head: RawResponseMessage | None = None
        try:
            with self._deadlines.within(math.inf if bounds.total is None else bounds.total):
                async with self._room:
                    connection, head, stream = await self._answered(request, bounds, attempt)
                    try:
                        received = await receive(head.headers, stream, self._most)
                    except BaseException:
                        drop(connection)
                        raise
                    self._kept.give_back(connection, whole=not received.fault)
        except TimeoutError:
            if head is None:
                raise
            return Reply(head.code, head.headers, b"", "the answer did not end in time")
        return Reply(head.code, head.headers, received.body, received.fault)

    async def close(self) -> None:
        """Release connections."""
        self._deadlines.close()
        self._kept.drop_all()
        await self._connector.close()

    async def _answered(
        self, request: bytes, bounds: aiohttp.ClientTimeout, attempt: Attempt
    ) -> tuple[Connection, RawResponseMessage, StreamReader]:
        """A connection with the head of an answer on it."""
        connection = self._kept.take()
        if connection is not None:
            try:
                return connection, *await _asked(connection, request, attempt)
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
                begun = isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
                if attempt.write or begun:
                    raise
            self._kept.drop_all()  # The others are as old, and may be as dead.
        connection = await self._connector.connect(self._place, [], bounds)
        return connection, *await _asked(connection, request, attempt)


async def _asked(connection: Connection, request: bytes, attempt: Attempt) -> tuple[RawResponseMessage, StreamReader]:
    """Send a request and wait for the head of its answer. The connection is dropped when that fails."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        drop(connection)
        raise aiohttp.ClientConnectionError("closed before anything was sent")
    try:
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        # No waiting for the socket to take it all: it is whole in memory anyhow, and the answer may come first.
        attempt.send(transport, request)
        head, stream = await protocol.read()
        while 100 <= head.code < 200 and head.code != 101:
            head, stream = await protocol.read()
    except (HttpProcessingError, EofStream) as error:
        drop(connection)
        raise NoHttp(type(error).__name__) from None
    except BaseException:
        drop(connection)
        raise
    return head, stream
