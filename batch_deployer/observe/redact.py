"""Keeping secret texts out of whatever is written."""

import json
from collections.abc import Callable, Iterable
from urllib.parse import quote

HIDDEN = "******"
_SHORTEST = 3
"""A secret of one or two characters would blank out half of every line, and protects nothing."""


class Redactor:
    """Replaces every known secret by `******`, also where it was JSON- or URL-encoded.

    `secrets` gives all texts known so far; it is asked each time, as secrets are resolved while a run goes on.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        """Nothing is read yet."""
        self._secrets = secrets
        self._known: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """The text without secrets."""
        known = frozenset(self._secrets())
        if known != self._known:
            self._known, self._forms = known, _forms(known)
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def value(self, value: object) -> object:
        """The same through strings, lists, tuples and dicts; anything else as it is."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.value(name): self.value(part) for name, part in value.items()}
            case list() | tuple():
                return [self.value(part) for part in value]
            case BaseException():
                return self.text(repr(value))
        return value


def _forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each secret as it may be written, longest first so that no rest of a longer one remains."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            forms |= {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, "")}
            forms |= {line for line in secret.splitlines() if len(line) >= 8}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
