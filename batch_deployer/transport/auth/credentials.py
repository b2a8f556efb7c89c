"""A token that is renewed: single flight, before it ends, and never again once the identity service has refused."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import anyio

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.ports import Clock
from batch_deployer.transport.wire.requests import Request

EARLY = 2400.0
"""A token is renewed 40 minutes before it ends, or with a tenth of its life left, whichever is later."""
FIRST_PAUSE = 1.0
"""Seconds after the first login that got no clear answer; doubled with each further one."""
LONGEST_PAUSE = 60.0
LONGEST_WAIT = 5.0
"""Seconds that a caller waits for the next try; through a longer pause each caller fails at once, without a login."""
LONGEST_ASKED = 300.0
"""Seconds of a server's `Retry-After` that are obeyed."""
SHORTEST = 10.0
"""No early renewal sooner than this after a login, however soon the token is said to end."""
SHORTEST_LIFE = 1.0
"""A token that is said to be over at once is believed to live so long, or each call would log in."""
RETRY_REFRESH = 60.0
"""Seconds until an early renewal that failed is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of the service catalogue."""

    type: str
    region: str
    url: str
    interface: str = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a login brought."""

    value: str = field(repr=False)
    lifetime: float = math.inf
    """Seconds, by the identity service's own clock."""
    project_id: str = ""
    project: str = ""
    """Name of the project."""
    user: str = ""
    catalogue: tuple[Endpoint, ...] = ()


def sendable(value: str) -> bool:
    """Whether a text can be a token: it goes into a header as it is."""
    return value.isascii() and value.isprintable() and " " not in value


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The identity service said no: never to be tried again with the same secret."""

    message: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The identity service gave no clear answer."""

    message: str
    again: bool = True
    """Whether another try could go better (a wrong certificate could not)."""
    wait: float = 0.0
    """Seconds for which the identity service asks not to be tried again."""


class Login(Protocol):
    """One attempt at getting a token. Raises nothing, and names no secret."""

    @property
    def where(self) -> str:
        """Cloud and address, for messages."""
        ...

    async def __call__(self) -> Token | LoginRefused | Unavailable:
        """Try once."""
        ...


class RenewedToken:
    """A token and how to get the next one."""

    def __init__(
        self,
        login: Login,
        *,
        clock: Clock,
        timeout: float,
        check: Callable[[Token], str] = lambda _token: "",
        on_secret: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`timeout`: seconds for one attempt at a login.

        `check`: what is wrong with a token that the identity service gave (another project); empty for nothing.
        `on_secret`: receives the value of each token.
        """
        self._login = login
        self._clock = clock
        self._timeout = timeout
        self._check = check
        self._on_secret = on_secret
        self._lock = anyio.Lock()
        self._refused = ""
        self._headers: dict[str, str] = {}
        self._renew_at = self._over_at = _NEVER
        self._failures = 0
        self._unavailable = ""
        self._next_login = 0.0
        self.token = Token(value="")
        self.generation = 0

    async def start(self, tries: int = 4) -> Token:
        """Log in for the first time, trying a few times while the identity service gives no clear answer.

        Raises AuthFailed, CloudUnreachable, or InputError for a token of another project than was meant.
        """
        try:
            return await self._get(tries)
        except _WrongToken as error:
            raise InputError(str(error)) from None

    def headers(self, _request: Request, _host: str) -> Mapping[str, str]:
        """Only the token."""
        return self._headers

    def due(self) -> bool:
        """Whether its last part of life has begun."""
        return self._now().reached(self._renew_at)

    def over(self) -> bool:
        """Whether its life has certainly ended."""
        return self._now().reached(self._over_at)

    async def refresh(self) -> None:
        """Renew early, with one try, while others go on with the token they have; wait for the next once it is over."""
        if self._lock.locked() and not self.over():
            return
        generation = self.generation
        async with self._lock:
            if self.generation != generation or not self.due():
                return
            if self.over():
                await self._get()
                return
            self._renew_at = self._now().later(RETRY_REFRESH)
            try:
                await self._get(tries=1)
            except (AuthFailed, CloudUnreachable):
                return  # The token is still good for a while. When it is not, `renew` says what is wrong.

    async def renew(self, generation: int, why: str) -> None:
        """Get the next token. `why` is not used: a fresh token tells whether the old one's end was the reason."""
        del why
        async with self._lock:
            if self.generation == generation:
                await self._get()

    async def _get(self, tries: int = 4) -> Token:
        """Log in. The pauses grow with each failure in a row, whichever caller met it; a single try waits for none."""
        longest = LONGEST_WAIT if tries > 1 else 0.0
        while True:
            if self._refused:
                raise AuthFailed(self._refused)
            wait = self._next_login - self._clock.monotonic()
            if self._failures and wait > longest:
                raise CloudUnreachable(self._unavailable)
            if self._failures and wait > 0:
                await self._clock.sleep(wait)
            before = self._now()
            result = await self._attempt()
            tries -= 1
            if isinstance(result, Token):
                return self._keep(result, before)
            if isinstance(result, LoginRefused):
                self._refused = result.message
                continue
            self._postpone(result)
            if tries <= 0 or not result.again:
                error = CloudUnreachable(result.message)
                error.permanent, error.wait = not result.again, result.wait
                raise error

    async def _attempt(self) -> Token | LoginRefused | Unavailable:
        with anyio.move_on_after(self._timeout):
            return await self._login()
        return Unavailable(f"{self._login.where}: no answer within {self._timeout:g} s")

    def _postpone(self, result: Unavailable) -> None:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._unavailable = result.message
        self._next_login = self._clock.monotonic() + max(pause, min(result.wait, LONGEST_ASKED))

    def _keep(self, token: Token, issued: "_Moment") -> Token:
        self._on_secret(token.value)
        if wrong := self._check(token):
            self._refused = wrong
            raise _WrongToken(wrong)
        self._failures = 0
        self._headers = {"X-Auth-Token": token.value}
        life = max(SHORTEST_LIFE, token.lifetime)
        self._over_at = issued.later(life)
        self._renew_at = issued.later(min(life, max(SHORTEST, life - min(EARLY, life / 10))))
        self.token = token
        self.generation += 1
        return token

    def _now(self) -> "_Moment":
        return _Moment(self._clock.monotonic(), self._clock.wall())


class _WrongToken(AuthFailed):
    """A token that must not be used."""


class _Moment(NamedTuple):
    """A time on both clocks: the monotonic one may stand still in a sleeping laptop, the wall clock may be set back."""

    monotonic: float
    wall: float

    def later(self, seconds: float) -> "_Moment":
        return _Moment(self.monotonic + seconds, self.wall + seconds)

    def reached(self, other: "_Moment") -> bool:
        return self.monotonic >= other.monotonic or self.wall >= other.wall


_NEVER = _Moment(math.inf, math.inf)
