"""Tokens of the identity service: which are valid, for which cloud, until when."""

from dataclasses import dataclass

from batch_deployer.simulator.keyed_random import hexadecimal
from batch_deployer.simulator.world.entities import Account


@dataclass(frozen=True, slots=True)
class Token:
    """What a token stands for."""

    cloud: str
    """Empty: the domain, no project."""
    expires: float
    """Epoch seconds."""


class Tokens:
    """Issued tokens. A new token does not end an old one."""

    def __init__(self, seed: int | str, account: Account, lifetime: float) -> None:
        """`account` may hold tokens that are valid for ever."""
        self._seed = seed
        self._lifetime = lifetime
        self._issued = {text: Token(cloud, float("inf")) for text, cloud in account.tokens.items()}
        self._revoked: set[str] = set()
        self._count = 0

    def issue(self, cloud: str, now: float) -> tuple[str, Token]:
        """A new token and what it stands for."""
        self._count += 1
        text = "MIIsim" + hexadecimal(90, self._seed, "token", self._count)
        token = self._issued[text] = Token(cloud, now + self._lifetime)
        return text, token

    def find(self, text: str) -> Token | None:
        """What a token stands for, valid or not; None when it was never issued."""
        return self._issued.get(text)

    def valid(self, text: str, now: float) -> bool:
        """Whether the token is accepted now."""
        token = self._issued.get(text)
        return token is not None and text not in self._revoked and now < token.expires

    def revoke(self, text: str) -> None:
        """End a token before its time. A token that is valid for ever can be revoked too."""
        if text in self._issued:
            self._revoked.add(text)
