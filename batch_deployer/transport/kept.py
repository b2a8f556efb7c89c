"""Connections that wait for their next use."""

import time

from batch_deployer.transport.channel import Channel

_LONGEST = 55.0
"""Seconds for which an idle connection is kept; gateways commonly drop theirs at 60, and a write must not meet that moment."""


class Kept:
    """The idle connections to one endpoint, the one used last on top."""

    def __init__(self) -> None:
        """None yet."""
        self._idle: list[tuple[Channel, float]] = []

    def take(self) -> Channel | None:
        """One that can be used again; None when there is none. Those that cannot are ended on the way."""
        while self._idle:
            channel, since = self._idle.pop()
            if channel.usable and time.monotonic() - since <= _LONGEST:
                return channel
            channel.drop()
        return None

    def give_back(self, channel: Channel) -> None:
        """Keep a connection after an exchange, unless it must not be used again."""
        if channel.usable:
            self._idle.append((channel, time.monotonic()))
        else:
            channel.drop()

    def drop_all(self) -> None:
        """End all of them."""
        while self._idle:
            self._idle.pop()[0].drop()
