"""Connections that wait for their next use. aiohttp's connector makes them; handing them back to it costs more."""

import time

from aiohttp.connector import Connection

_LONGEST = 55.0
"""Seconds for which an idle connection is kept; gateways commonly drop theirs at 60, and a write must not meet that moment."""


class Kept:
    """The idle connections to one endpoint, the one used last on top."""

    def __init__(self) -> None:
        """None yet."""
        self._idle: list[tuple[Connection, float]] = []

    def __len__(self) -> int:
        """How many wait."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """One that can be used again; None when there is none. Those that cannot are ended on the way."""
        while self._idle:
            connection, since = self._idle.pop()
            protocol = connection.protocol
            # Bytes that came while it was idle (a 408 before a close) would be taken for our answer: then it should close.
            if (
                protocol is not None
                and protocol.is_connected()
                and not protocol.should_close
                and time.monotonic() - since <= _LONGEST
            ):
                return connection
            drop(connection)
        return None

    def give_back(self, connection: Connection, *, whole: bool) -> None:
        """Keep a connection after an exchange, unless something of it may still be under way on it."""
        protocol, transport = connection.protocol, connection.transport
        # A server may answer before it has read all; what is left of the request must not go before the next one.
        unsent = transport is not None and transport.get_write_buffer_size() > 0
        if unsent or not whole or protocol is None or protocol.should_close or not protocol.is_connected():
            drop(connection)
        else:
            self._idle.append((connection, time.monotonic()))

    def drop_all(self) -> None:
        """End all of them."""
        while self._idle:
            drop(self._idle.pop()[0])


def drop(connection: Connection) -> None:
    """End a connection at once: what of a write has not left yet must never leave later."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()
