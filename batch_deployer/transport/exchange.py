"""One request and its answer on a kept connection: what a session of aiohttp does, without its objects.

Connections come from aiohttp's connector (names, TLS, proxies). Nothing is ever sent twice, except that a read goes once
more, on a new connection, when a kept one turns out to be dead. Redirects and cookies are not known here.
"""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from yarl import URL

from batch_deployer import __version__
from batch_deployer.transport.address import proxy_for
from batch_deployer.transport.channel import Channel, Disconnected, NoHttp, Reply
from batch_deployer.transport.deadlines import Deadlines
from batch_deployer.transport.kept import Kept
from batch_deployer.transport.receiving import ENCODINGS, unpacked
from batch_deployer.transport.sending import Attempt, header_lines
from batch_deployer.transport.wire.requests import JSON

FAILURES = (aiohttp.ClientError, NoHttp, OSError)
"""All that `Exchange.perform` raises when no answer came, TimeoutError (an OSError) included."""
UNVERIFIED = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)
"""Those of them that say: no TLS connection that could be trusted."""
_NAMES_KEPT = 300
"""Seconds for which a looked-up address is used again."""


class Exchange:
    """The connections to one endpoint. Make it within a running event loop."""

    def __init__(self, endpoint: str, *, connections: int, most: int, tls: ssl.SSLContext | None) -> None:
        """`connections`: at once. `most`: bytes of a body. `tls`: None verifies by aiohttp's default."""
        self.base = urlsplit(endpoint).path
        """Path of the endpoint, before that of every request."""
        self.host = URL(endpoint).host_port_subcomponent or urlsplit(endpoint).netloc
        """As the header names it."""
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

    def header_lines(self, content_type: str, credential: Mapping[str, str]) -> bytes:
        """All headers but the length. Raises BadInput for a value that could not be one."""
        return header_lines(
            {
                "Host": self.host,
                "Accept": JSON,
                "Accept-Encoding": ENCODINGS,
                "User-Agent": f"batch-deployer/{__version__}",
                "Content-Type": content_type,
                **credential,
            }
        )

    async def perform(self, request: bytes, *, total: float, connect: float, attempt: Attempt) -> Reply:
        """Send a whole request and take its answer; a body that is not whole is a fault of the reply.

        `total`, `connect`: seconds, of all of it and of making a connection. Raises FenceLost or one of FAILURES;
        `attempt.left` tells how far it got.
        """
        try:
            with self._deadlines.within(total):
                async with self._room:
                    reply = await self._answered(request, total, connect, attempt)
        except TimeoutError:
            if attempt.head is None:
                raise
            return Reply(*attempt.head, b"", "the answer did not end in time")
        return unpacked(reply, self._most) if "content-encoding" in reply.headers else reply

    async def close(self) -> None:
        """Release connections."""
        self._deadlines.close()
        self._kept.drop_all()
        await self._connector.close()

    async def _answered(self, request: bytes, total: float, connect: float, attempt: Attempt) -> Reply:
        channel = self._kept.take()
        if channel is not None:
            try:
                reply = await channel.ask(request, attempt)
            except Disconnected as error:
                if attempt.write or error.begun:
                    raise
                self._kept.drop_all()  # The others are as old, and may be as dead.
            else:
                self._kept.give_back(channel)
                return reply
        bounds = aiohttp.ClientTimeout(total=total, sock_connect=connect)
        channel = Channel(await self._connector.connect(self._place, [], bounds), self._most)
        reply = await channel.ask(request, attempt)
        self._kept.give_back(channel)
        return reply
