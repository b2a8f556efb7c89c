"""`${...}` in a manifest. No code: a placeholder names one thing, and nothing it brings is read again.

Two times of filling in: `${env:NAME}` when the manifest loads, `${cluster...}` and `${release...}` when it is planned.
`${secret:...}` and the escape `$${` stay until the write leaves (`model.values.render`). What `${env:...}` and a
cluster's tags bring is escaped, so a tag that holds `${secret:env:X}` stays text.
"""

import json
import re
from collections.abc import Callable, Mapping
from enum import Flag, auto
from pathlib import PurePath

from batch_deployer.manifest.bounds import MAX_TEXT_CHARACTERS
from batch_deployer.model.deployment import Cluster
from batch_deployer.util.suggest import nearest

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_AT_PLAN = re.compile(r"\$\$\{|\$\{((?:cluster|release)\.[^{}]*)\}")
_CLUSTER = ("cluster.name", "cluster.id", "cluster.cloud")
_RELEASE = ("release.name", "release.namespace", "release.version", "release.chart")
_TAG = "cluster.tags."
_LOGIN = ("OS_", "S3_", "BATCH_DEPLOYER_")
"""How the names of the variables start that the program itself reads, credentials among them."""
_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORDS?|PASSWD|PWD|PASSPHRASE|SECRETS?|TOKENS?|CREDENTIALS?|(API|ACCESS|PRIVATE|SECRET)_?KEYS?)(_|$)",
    re.IGNORECASE,
)
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})


class Allow(Flag):
    """Which placeholders a place may hold."""

    ENV = auto()
    SECRET = auto()
    PLAN = auto()
    """`${cluster...}` and `${release...}`."""
    LOGIN = auto()
    """Variables and secrets that the program itself logs in with."""


class BadPlaceholder(ValueError):
    """Says what is wrong with a placeholder."""


def escape(text: str) -> str:
    """Text that comes out of `render` as it is now."""
    return text.replace("${", "$${")


def expand(text: str, environ: Mapping[str, str], allow: Allow, secret_file: Callable[[str], PurePath]) -> str:
    """Fill in what is known at load and check the rest.

    `secret_file` maps the path in `${secret:file:PATH}` to an absolute one, or raises BadPlaceholder. Where neither
    secrets nor cluster words are allowed, nobody fills in later, so the escape `$${` is resolved here.
    """
    if "${" not in text:
        return text
    later = bool(allow & (Allow.SECRET | Allow.PLAN))

    def fill(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return found[0] if later else "${"
        if found[1] is None:
            raise BadPlaceholder("`${` has no matching `}`; write $${ for a literal ${")
        if found[1].startswith("env:"):
            value = _plain(found[1].removeprefix("env:"), environ, allow)
            return escape(value) if later else value
        return _checked(found[1], environ, allow, secret_file)

    return _PLACEHOLDER.sub(_bounded(fill), text)


def _bounded(fill: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    """`fill` for one text, which raises BadPlaceholder when the placeholders bring too much."""
    brought = 0

    def bounded(found: re.Match[str]) -> str:
        nonlocal brought
        value = fill(found)
        brought += len(value)
        if brought > MAX_TEXT_CHARACTERS:
            raise BadPlaceholder(f"the placeholders of this text bring more than {MAX_TEXT_CHARACTERS:,} characters")
        return value

    return bounded


def _environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise BadPlaceholder(f"the environment variable {name or '(no name)'} is not set")
    return environ[name]


def _plain(name: str, environ: Mapping[str, str], allow: Allow) -> str:
    """The value of a variable that is no secret."""
    if Allow.ENV not in allow:
        raise BadPlaceholder(f"`${{env:{name}}}` is not allowed here; write addresses and ids out")
    _refuse_login(name, allow)
    if _SECRET_NAME.search(name) and name not in _NO_SECRETS:
        raise BadPlaceholder(
            f"the environment variable {name} looks like a secret, which plans would show; write ${{secret:env:{name}}}"
        )
    return _environment(name, environ)


def is_login(name: str) -> bool:
    """Whether a variable is one that the program itself logs in with, or is steered by."""
    return name.startswith(_LOGIN)


def _refuse_login(name: str, allow: Allow) -> None:
    if is_login(name) and Allow.LOGIN not in allow:
        raise BadPlaceholder(
            f"the environment variable {name} belongs to this program's own login; it may be named under `auth` only"
        )


def _checked(word: str, environ: Mapping[str, str], allow: Allow, secret_file: Callable[[str], PurePath]) -> str:
    """A placeholder that stays, if it is a good one."""
    if word.startswith("secret:"):
        if Allow.SECRET not in allow:
            raise BadPlaceholder(f"`${{{word}}}` is not allowed here; secrets go into values and auth only")
        kind, _, name = word.removeprefix("secret:").partition(":")
        if kind == "env":
            _refuse_login(name, allow)
            if not _environment(name, environ):
                raise BadPlaceholder(f"the secret environment variable {name} is empty")
            return f"${{{word}}}"
        if kind == "file":
            return f"${{secret:file:{secret_file(name)}}}"
        raise BadPlaceholder(f"`${{{word}}}` is no secret; write ${{secret:env:NAME}} or ${{secret:file:PATH}}")
    if word in _CLUSTER or word in _RELEASE or (word.startswith(_TAG) and word != _TAG):
        if Allow.PLAN in allow:
            return f"${{{word}}}"
        raise BadPlaceholder(
            f"`${{{word}}}` is not allowed here; only values, descriptions and name_template differ by cluster"
        )
    close = nearest(word, (*_CLUSTER, *_RELEASE)) or nearest(word.partition(":")[0] + ":", ("env:", "secret:"))
    advice = f"did you mean ${{{close}{'NAME' if close.endswith(':') else ''}}}?" if close else "it names nothing"
    raise BadPlaceholder(f"`${{{word}}}`: {advice} Write $${{ for a literal ${{".replace("nothing W", "nothing; w"))


def per_cluster(text: str) -> bool:
    """Whether the text differs by cluster."""
    return "${cluster." in text


def fill(text: str, cluster: Cluster, release: Mapping[str, str], *, as_json: bool) -> str:
    """Fill in `${cluster...}` and `${release...}`.

    `release` maps `release.name` and so on to text. `as_json`: the text is JSON, so what is filled in is escaped for a
    JSON string and for `render`; otherwise the result is final. BadPlaceholder when the cluster has no such tag.
    """
    if "${" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        word = found[1]
        if word is None:
            return found[0] if as_json else "${"
        if word.startswith(_TAG):
            tag = word.removeprefix(_TAG)
            if tag not in cluster.tags:
                close = nearest(tag, cluster.tags)
                hint = f"; did you mean {close}?" if close else ""
                raise BadPlaceholder(f'cluster "{cluster.name}" has no tag {tag} for `${{{word}}}`{hint}')
            plain = cluster.tags[tag]
        else:
            plain = release[word] if word in release else str(getattr(cluster, word.removeprefix("cluster.")))
        return json.dumps(escape(plain), ensure_ascii=False)[1:-1] if as_json else plain

    return _AT_PLAN.sub(_bounded(value), text)
