"""Values that are secret by their key or their text, wherever they come from."""

import re
from collections.abc import Mapping

from batch_deployer.model.helm_values import Json

SECRET = "(secret)"  # noqa: S105 - shown in place of a secret
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_KEY = re.compile(
    r"passw|passphrase|secret|credential|token|apikey|webhook|kubeconfig|dockerconfig|keystore"
    r"|(^|_)(pass|pw|pwd|jwt|bearer|auth|authorization|cookie|salt|pin|psk|otp|sas|dsn|connection_string)(_|$)"
    r"|(api|access|private|secret|ssh|encryption|signing|master|account|license|client|shared|hmac|tls|storage)_?keys?(_|$)",
    re.IGNORECASE,
)
_TEXT = re.compile(
    r"PRIVATE KEY-----|\beyJ[\w-]{10,}\.eyJ|\bAKIA[A-Z0-9]{16}\b|://[^/\s:@]*:[^/\s@]+@|\b(bearer|basic)\s+\S{6,}"
    r"|(passw(or)?d|pwd|passphrase|secret|token|credentials?|(api|access|private|secret)[_-]?key)\w*[\"']?\s*[:=]",
    re.IGNORECASE,
)


def is_secret_key(name: str) -> bool:
    """Whether the value of a key is a secret by its name: `adminPassword`, `API-KEY`, `tokens`."""
    return bool(_KEY.search(_WORD_BREAK.sub("_", name)))


def is_secret_in(item: Mapping[str, Json], key: str) -> bool:
    """Whether a map's value is a secret: by its key, or in a pair such as `{name: DB_PASSWORD, value: ...}`."""
    if key.lower() == "value":
        names = [name for other, name in item.items() if other.lower() in ("name", "key")]
        return any(isinstance(name, str) and is_secret_key(name) for name in names)
    return is_secret_key(key)


def without_secrets(value: Json, *, secret: bool = False) -> Json:
    """A copy with `(secret)` for each value that looks like one. `secret`: all of them, below a key that names one."""
    if isinstance(value, dict):
        return {name: without_secrets(item, secret=secret or is_secret_in(value, name)) for name, item in value.items()}
    if isinstance(value, list):
        before = [None, *value]
        return [
            without_secrets(item, secret=secret or _is_secret_flag(flag))
            for flag, item in zip(before, value, strict=False)
        ]
    if value is None:
        return None
    return SECRET if secret or (isinstance(value, str) and _TEXT.search(value)) else value


def _is_secret_flag(item: Json) -> bool:
    """Whether an argument is a flag such as `--db-password`, whose value is the next argument."""
    return isinstance(item, str) and item.startswith("-") and "=" not in item and is_secret_key(item)
