"""The plain texts behind `${secret:env:NAME}` and `${secret:file:PATH}`: found, remembered for redaction, never stored."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from batch_deployer.app.rehearsal_summary import placeholder
from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.model import Manifest
from batch_deployer.model.helm_values import secret_names
from batch_deployer.model.permissions import NO_PERMISSIONS, Permissions
from batch_deployer.model.redact import Redactor
from batch_deployer.plan.plan import Plan

_URL_MARKS = re.compile(r"[/?&#=,:]")
_TOKEN_LENGTH = 8
"""Characters from which a part of a URL counts as a token, if it holds a digit."""


class SecretStore:
    """Looks secrets up once each, and takes all it ever handed out of texts."""

    def __init__(self, environ: Mapping[str, str], folder: Path, permissions: Permissions = NO_PERMISSIONS) -> None:
        """`folder`: where relative paths start. `permissions`: what the operator allows."""
        self.permissions = permissions
        self._environ = environ
        self._folder = folder
        self._found: dict[str, str] = {}
        self._texts: frozenset[str] = frozenset()
        self.redactor = Redactor(self.known)
        for text in filter(None, _variables_with_secrets(environ)):
            self.remember(text)

    def __repr__(self) -> str:
        """Names only."""
        return f"SecretStore({sorted(self._found)})"

    def __call__(self, name: str) -> str:
        """The secret `env:NAME` or `file:PATH` (a byte order mark and one line end at its end are cut, nothing else). Raises InputError when it is not there."""
        if name not in self._found:
            self._found[name] = self._find(name)
            self.remember(self._found[name])
        return self._found[name]

    def remember(self, text: str) -> None:
        """From now on take this text out of everything, its lines and its Python spelling too."""
        self._texts |= {text, repr(text)[1:-1], *text.splitlines()}

    def known(self) -> Collection[str]:
        """Every text that must not be seen; for listeners that redact by themselves."""
        return self._texts

    def resolved(self) -> Mapping[str, str]:
        """Name to plain text of all secrets handed out so far; for digests."""
        return self._found

    def redact(self, text: str) -> str:
        """The text without any secret handed out so far."""
        return self.redactor.text(text)

    def _find(self, name: str) -> str:
        source, _, place = name.partition(":")
        if source == "env":
            if place not in self._environ:
                raise InputError(f"the secret {name} is not there; set the environment variable {place}")
            return self._environ[place]
        path = self._folder / place
        try:
            if not self.permissions.permits_secret(path.resolve(), (Path("/"),)):
                raise InputError(f"the secret {name} is not read: {path} is no file on a disk")
            # Bytes, since reading as text would change line ends within a secret.
            return path.read_bytes().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise InputError(f"the secret {name} is not text; write it as UTF-8 into {path}") from None
        except (OSError, RuntimeError, ValueError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise InputError(f"the secret {name} cannot be read ({why}); put it into {path}") from None


class PlaceholderStore(SecretStore):
    """Reads no secret: each is a text that names it. For simulated runs, whose provider any local user can reach."""

    def __call__(self, name: str) -> str:
        """The placeholder of a secret."""
        return placeholder(name)


def _variables_with_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets of proxies, monitors and messages that the environment names, and the key that signs plans."""
    for name, text in environ.items():
        if name.lower().endswith("_proxy") and "@" in text:
            user = text.rpartition("@")[0].rpartition("://")[2]
            yield from _decoded(user.partition(":")[2])
        elif name.startswith("BATCH_DEPLOYER_") and name.endswith(("_PING", "_NOTIFY")):
            for url in text.split():
                yield from secrets_of_url(url)
    yield environ.get("BATCH_DEPLOYER_PLAN_KEY", "")


def secrets_of_url(url: str) -> Iterator[str]:
    """What is secret in the URL of a monitor or a message: the whole, its password, and the parts that look like tokens.

    Services put tokens into the path, the query, the user or, where the scheme names the service, the place of the host.
    """
    yield url
    scheme_and_user, _, rest = url.partition("://")[2].rpartition("@")
    yield from _decoded(scheme_and_user.partition(":")[2])
    place, *words = _URL_MARKS.split(f"{rest}/{scheme_and_user}")
    for word in (*words, *([] if "." in place else place.split(":"))):
        for text in _decoded(word):
            if len(text) >= _TOKEN_LENGTH and any(map(str.isdigit, text)):
                yield text


def _decoded(text: str) -> Iterator[str]:
    """The text as written and with its percent-encoding undone."""
    yield text
    yield unquote(text)


def named_in(manifest: Manifest) -> frozenset[str]:
    """Every secret that the manifest's values name, whether any cluster gets them or not."""
    holders = (*manifest.releases, *manifest.clusters, *manifest.discover, *(pair.override for pair in manifest.pairs))
    values = [holder.values for holder in holders if holder is not None and holder.values]
    return frozenset(name for each in values for name in secret_names(json.dumps(each, ensure_ascii=False)))


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
    """Look every secret of the plan up before anything is sent; raises InputError with all that are missing."""
    diagnostics: list[Diagnostic] = []
    for name, place in required(plan).items():
        try:
            store(name)
        except InputError as error:
            diagnostics.extend(Diagnostic(f"{place}: {diagnostic.message}") for diagnostic in error.diagnostics)
    if diagnostics:
        raise InputError(diagnostics)
