"""A token that is renewed: single flight, before it ends, and never again once the identity service has refused."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from batch_deployer.errors import AuthFailed, CloudUnreachable
from batch_deployer.ports import Clock
from batch_deployer.transport.wire.requests import Request

EARLY = 2400.0
"""A token is renewed 40 minutes before it ends, or with a tenth of its life left, whichever is later."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds between tries of a login that got no clear answer."""
SHORTEST = 10.0
"""No early renewal sooner than this after a login, however soon the token is said to end."""
RETRY_REFRESH = 60.0
"""Seconds until an early renewal that failed is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One public address of the service catalogue."""

    type: str
    region: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a login brought."""

    value: str = field(repr=False)
    lifetime: float = math.inf
    """Seconds, by the identity service's own clock."""
    project_id: str = ""
    catalogue: tuple[Endpoint, ...] = ()


def sendable(value: str) -> bool:
    """Whether a text can be a token: it goes into a header as it is."""
    return value.isascii() and value.isprintable() and " " not in value


@dataclass(frozen=True, slots=True)
class Refused:
    """The identity service said no: never to be tried again with the same secret."""

    message: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The identity service gave no clear answer."""

    message: str
    again: bool = True
    """Whether another try could go better (a wrong certificate could not)."""


class Login(Protocol):
    """One attempt at getting a token. Raises nothing, and names no secret."""

    @property
    def place(self) -> str:
        """Cloud and address, for messages."""
        ...

    async def __call__(self) -> Token | Refused | Unavailable:
        """Try once."""
        ...


class RenewedToken:
    """A token and how to get the next one."""

    signs = False

    def __init__(self, login: Login, *, clock: Clock, timeout: float) -> None:
        """`timeout`: seconds for one attempt at a login."""
        self._login = login
        self._clock = clock
        self._timeout = timeout
        self._lock = anyio.Lock()
        self._refused = ""
        self._headers: dict[str, str] = {}
        self._renew_at = math.inf
        self.generation = 0

    async def start(self) -> Token:
        """Log in for the first time, trying a few times while the identity service gives no clear answer.

        Raises AuthFailed or CloudUnreachable.
        """
        return await self._get(PAUSES)

    def headers(self, _request: Request, _host: str) -> Mapping[str, str]:
        """Only the token."""
        return self._headers

    def due(self) -> bool:
        """Whether its last part of life has begun. Wall time: a monotonic clock may stand still in a sleeping laptop."""
        return self._clock.wall() >= self._renew_at

    async def refresh(self) -> None:
        """Renew early, with one try; others go on with the token they have."""
        if self._lock.locked():
            return
        async with self._lock:
            if self.due():
                self._renew_at = self._clock.wall() + RETRY_REFRESH
                try:
                    await self._get(())
                except (AuthFailed, CloudUnreachable):
                    return  # The token is still good for a while. When it is not, `renew` says what is wrong.

    async def renew(self, generation: int, why: str) -> None:
        """Get the next token. `why` is not used: a fresh token tells whether the old one's end was the reason."""
        del why
        async with self._lock:
            if self.generation == generation:
                await self._get(PAUSES)

    async def _get(self, pauses: tuple[float, ...]) -> Token:
        if self._refused:
            raise AuthFailed(self._refused)
        left = list(pauses)
        while True:
            result = await self._attempt()
            if isinstance(result, Token):
                self._keep(result)
                return result
            if isinstance(result, Refused):
                self._refused = result.message
                raise AuthFailed(result.message)
            if not left or not result.again:
                raise CloudUnreachable(result.message)
            await self._clock.sleep(left.pop(0))

    async def _attempt(self) -> Token | Refused | Unavailable:
        with anyio.move_on_after(self._timeout):
            return await self._login()
        return Unavailable(f"{self._login.place}: no answer within {self._timeout:g} s")

    def _keep(self, token: Token) -> None:
        self._headers = {"X-Auth-Token": token.value}
        self._renew_at = self._clock.wall() + max(SHORTEST, token.lifetime - min(EARLY, token.lifetime / 10))
        self.generation += 1
