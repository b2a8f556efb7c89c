"""What aiohttp must be taught: how far a request got, to ask the fence last, and never to send a write twice."""

from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection

from batch_deployer.ports import Fence


class FenceLost(Exception):
    """The fence said no; nothing was sent."""


class Disconnected(Exception):
    """A write's connection broke. No aiohttp error, so that the session does not send it again."""


class Attempt:
    """One attempt at one call, as a client middleware that stays with the request until its bytes leave."""

    __slots__ = ("_fence", "_write", "left")

    def __init__(self, *, write: bool, fence: Fence | None) -> None:
        """`fence` is asked only for writes."""
        self._write = write
        self._fence = fence if write else None
        self.left = False
        """Whether bytes may have reached the server."""

    async def __call__(self, request: ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Take the request to the connector. aiohttp resends what it holds for idempotent, and that includes PUT and DELETE."""
        request.attempt = self  # type: ignore[attr-defined] # TrackedRequest has it
        if not self._write:
            return await handler(request)
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if not self.left:
                raise
            raise Disconnected(str(error)) from error

    def leave(self) -> None:
        """A connection is there and nothing is on it yet. Raises FenceLost."""
        if self._fence is not None and not self._fence.may_write():
            raise FenceLost
        self.left = True


class TrackedRequest(ClientRequest):
    """Tells its attempt when the bytes are about to leave."""

    attempt: Attempt | None = None

    async def send(self, conn: Connection) -> Any:
        """Called by the session once it has a connection, be it new or kept."""
        if self.attempt is not None:
            self.attempt.leave()
        return await super().send(conn)
