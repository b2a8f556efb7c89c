"""Noticing that a secret has changed since a run began, without keeping it."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from batch_deployer.journal import private

_COST = 2**14
"""scrypt's n: about 50 ms and 16 MB a guess, so a stolen folder does not give short passwords away cheaply."""


class _Digests(msgspec.Struct):
    salt: str
    digests: dict[str, str]


class SecretDigests:
    """scrypt digests of a run's secrets in one file, salted per run and per name (equal secrets do not look equal)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, texts: Mapping[str, str]) -> None:
        """Keep the digests of name to plain text, beside those kept before."""
        if texts:
            kept = self._load()
            kept.digests.update({name: _digest(kept.salt, name, text) for name, text in texts.items()})
            private.write(self._path, msgspec.json.encode(kept).decode())

    def changed(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Names whose text differs from what was remembered; names never remembered are not among them."""
        kept = self._load()
        return tuple(
            name
            for name, text in texts.items()
            if name in kept.digests and not hmac.compare_digest(kept.digests[name], _digest(kept.salt, name, text))
        )

    def _load(self) -> _Digests:
        if not self._path.exists():
            return _Digests(salt=secrets.token_hex(16), digests={})
        return msgspec.json.decode(self._path.read_bytes(), type=_Digests)


def _digest(salt: str, name: str, text: str) -> str:
    whole = f"{salt}\0{name}".encode()
    return hashlib.scrypt(text.encode(), salt=whole, n=_COST, r=8, p=1).hex()
