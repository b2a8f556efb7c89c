"""The plain texts behind `${secret:env:NAME}` and `${secret:file:PATH}`: found, remembered for redaction, never stored."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from batch_deployer.errors import BadInput, Fault
from batch_deployer.model.values import secret_names
from batch_deployer.plan.frozen import Plan

HIDDEN = "[secret]"
_SHORTEST = 3
"""Shorter secrets are not looked for in texts: taking out every `a` hides nothing and spoils all."""


class SecretStore:
    """Looks secrets up once each, and takes all it ever handed out of texts."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        """`folder`: where relative paths start."""
        self._environ = environ
        self._folder = folder
        self._known: dict[str, str] = {}
        self._spellings: list[str] = []

    def __repr__(self) -> str:
        """Names only."""
        return f"SecretStore({sorted(self._known)})"

    def __call__(self, name: str) -> str:
        """The secret `env:NAME` or `file:PATH` (one line end at its end is cut). Raises BadInput when it is not there."""
        if name not in self._known:
            self._known[name] = self._find(name)
            self.remember(self._known[name])
        return self._known[name]

    def remember(self, text: str) -> None:
        """From now on take this text out of everything, in every spelling that a log or an error may use."""
        if len(text.strip()) >= _SHORTEST:
            lines = [line for line in text.splitlines() if len(line.strip()) >= _SHORTEST]
            spellings = {way for each in (text, *lines) for way in _spellings(each)}
            # Longest first, so that no spelling leaves a rest of a longer one behind.
            self._spellings = sorted({*self._spellings, *spellings}, key=lambda each: (-len(each), each))

    def redact(self, text: str) -> str:
        """The text without any secret handed out so far."""
        for spelling in self._spellings:
            text = text.replace(spelling, HIDDEN)
        return text

    def _find(self, name: str) -> str:
        source, _, place = name.partition(":")
        if source == "env":
            if place not in self._environ:
                raise BadInput(f"the secret {name} is not there; set the environment variable {place}")
            return self._environ[place]
        path = self._folder / place
        try:
            return path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise BadInput(f"the secret {name} is not text; write it as UTF-8 into {path}") from None
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise BadInput(f"the secret {name} cannot be read ({why}); put it into {path}") from None


def required(plan: Plan) -> dict[str, str]:
    """Every secret that a run of the plan needs, by name, with the first place that needs it."""
    places: dict[str, str] = {}
    for cloud in plan.clouds.values():
        for option, text in cloud.auth.options.items():
            for name in secret_names(json.dumps(text, ensure_ascii=False)):
                places.setdefault(name, f"cloud {cloud.name}, auth.{option}")
    seen: set[str] = set()
    for deployment in plan.deployments:
        values = deployment.release.values_json
        if values not in seen:
            seen.add(values)
            for name in secret_names(values):
                places.setdefault(name, f"values of {deployment.release.name} on {deployment.cluster.name}")
    return places


def resolve_all(plan: Plan, store: SecretStore) -> None:
    """Look every secret of the plan up before anything is sent; raises BadInput with all that are missing."""
    faults: list[Fault] = []
    for name, place in required(plan).items():
        try:
            store(name)
        except BadInput as error:
            faults.extend(Fault(f"{place}: {fault.message}") for fault in error.faults)
    if faults:
        raise BadInput(faults)


def _spellings(text: str) -> Iterable[str]:
    """As it is, and as JSON, Python and URLs would write it."""
    return {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        quote(text, safe=""),
        quote(text),
    }
