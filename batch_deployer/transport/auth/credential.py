"""What the HTTP side needs from a credential, and the one that never changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from batch_deployer.errors import AuthFailed
from batch_deployer.transport.wire.requests import Request


class Credential(Protocol):
    """Whatever makes a request count as ours. A generation is one token; it grows with each renewal."""

    @property
    def generation(self) -> int:
        """Generation that `headers` uses now."""
        ...

    def headers(self, request: Request, host: str) -> Mapping[str, str]:
        """Headers that authenticate a request to `host`, the credential's among them. Must not wait."""
        ...

    def due(self) -> bool:
        """Whether it should be renewed before it is used again."""
        ...

    async def refresh(self) -> None:
        """Renew early, unless a renewal is under way; a credential whose life is over waits for the next.

        Raises AuthFailed or CloudUnreachable only when it is over: then nothing may be sent.
        """
        ...

    async def renew(self, generation: int, why: str) -> None:
        """Replace generation `generation`, which was refused (`why`); single flight, a no-op if already newer.

        Raises AuthFailed when that is impossible, CloudUnreachable when the identity service does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A ready token. When it is refused there is nothing to be done."""

    who: str
    """Cloud, for messages."""
    token: str = field(repr=False)
    generation: int = 1

    def headers(self, _request: Request, _host: str) -> Mapping[str, str]:
        """Only the token."""
        return {"X-Auth-Token": self.token}

    def due(self) -> bool:
        """Never: when it ends is unknown."""
        return False

    async def refresh(self) -> None:
        """Nothing to do."""

    async def renew(self, _generation: int, why: str) -> None:
        """Raises AuthFailed."""
        raise AuthFailed(f"{self.who}: the token was refused ({why or 'HTTP 401'}); get a fresh token and run again")
