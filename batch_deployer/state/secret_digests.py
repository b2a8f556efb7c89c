"""Noticing that secrets and values have changed, without keeping them."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.util import files

_COST = 2**14
"""scrypt's n: about 50 ms and 16 MB a guess, so a stolen folder does not give short passwords away cheaply."""

_KEY_BYTES = 32
_LARGEST = 16 * 1024 * 1024
_DIGITS = 32
_NAME_DIGITS = 8


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
            files.write(self._path, msgspec.json.encode(kept).decode(), secret=True)

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
        return msgspec.json.decode(files.read(self._path, _LARGEST), type=_Digests)


class ValueDigests:
    """HMAC-SHA256 of values, by one key that all runs of a state folder share: without it no value can be guessed.

    The key is a file 0600, made when it is first needed. InputError when it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = b""
        self._key_name = ""

    def exists(self) -> bool:
        """Whether there is a key."""
        return self._path.exists()

    def __call__(self, text: str) -> str:
        """Digest of a text: 32 hexadecimal digits, a dash, and a name of the key, by which digests are comparable."""
        if not self._key:
            self._key = self._load()
            self._key_name = hmac.digest(self._key, b"name of the key", "sha256").hex()[:_NAME_DIGITS]
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]
        return f"{digest}-{self._key_name}"

    def _load(self) -> bytes:
        try:
            if not self._path.exists():
                files.write(self._path, secrets.token_hex(_KEY_BYTES), keep=True, secret=True)
            key = bytes.fromhex(files.read(self._path, _LARGEST).decode())
        except OSError as error:
            raise InputError(
                f"cannot use the key of the state folder, {self._path}: {error.strerror or error}"
            ) from error
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise InputError(
                f"the key of the state folder, {self._path}, is damaged; restore it, or remove it: then the "
                "values of earlier runs are no longer compared"
            )
        return key


def _digest(salt: str, name: str, text: str) -> str:
    whole = f"{salt}\0{name}".encode()
    return hashlib.scrypt(text.encode(), salt=whole, n=_COST, r=8, p=1).hex()
