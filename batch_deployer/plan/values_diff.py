"""What an upgrade changes in a release's values, path by path.

Secrets, and values that look like secrets, are hidden on both sides; a mask is never a difference.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_deployer.model.helm_values import MASK, Json, compact, covers, dotted
from batch_deployer.model.secret_keys import SECRET, is_secret_in, without_secrets

ABSENT = "(absent)"
REMOVED = "(removed)"
SENT_OTHERWISE = "(sent otherwise)"
HIDDEN = "(hidden)"
_MOST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs."""

    path: str
    """Keys joined by dots; empty for the whole."""
    shown: str
    """What the cloud shows, as compact JSON."""
    wanted: str
    """What is wanted, as compact JSON; `(secret)` where it holds one."""

    def __str__(self) -> str:
        """`image.tag: "v1" -> "v2"`."""
        return f"{self.path or 'values'}: {self.shown} -> {self.wanted}"


def without_values(found: Sequence[Change]) -> Sequence[Change]:
    """The changes with their paths only, for readers who may not see what runs in a cloud."""
    return [replace(each, shown=_hidden(each.shown), wanted=_hidden(each.wanted)) for each in found]


def _hidden(text: str) -> str:
    return text if text in (ABSENT, REMOVED, SECRET, SENT_OTHERWISE) else HIDDEN


def changes(shown: Json, wanted: Mapping[str, Json], template: Mapping[str, Json]) -> Sequence[Change]:
    """All changes, in the order of the keys. `wanted` has secrets filled in, `template` still has their markers."""
    return tuple(_changes("", shown, dict(wanted), dict(template)))


def from_texts(shown_json: str, wanted_json: str, template_json: str) -> Sequence[Change]:
    """The same from JSON texts; unreadable or empty shown values count as absent."""
    return changes(_load(shown_json), json.loads(wanted_json), json.loads(template_json))


def with_sent(
    found: Sequence[Change], shown_json: str, template_json: str, changed: Sequence[str], removed: Sequence[str]
) -> Sequence[Change]:
    """`found`, and the changes against what was sent last, by path, that the values shown do not tell."""
    told = {change.path for change in found}
    shown, template = dict(_by_path(without_secrets(_load(shown_json)))), dict(_by_path(_load(template_json)))
    wanted = dict(_by_path(without_secrets(_load(template_json))))
    more = [
        Change(
            path,
            SECRET if _holds_secret(template.get(path)) else SENT_OTHERWISE,
            _as_text(wanted.get(path), template.get(path)),
        )
        for path in changed
        if path not in told
    ]
    more += [Change(path, _plain(shown.get(path)), REMOVED) for path in removed if path not in told]
    return (*found, *more)


def _load(text: str) -> Json:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _by_path(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Json]]:
    yield dotted(path), value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _by_path(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _by_path(item, (*path, index))


def _changes(path: str, shown: Json, wanted: Json, template: Json, *, secret: bool = False) -> Iterator[Change]:
    if covers(shown, wanted):
        return
    if isinstance(wanted, dict) and isinstance(template, dict) and isinstance(shown, dict):
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else key
            under = secret or is_secret_in(shown, key) or is_secret_in(wanted, key)
            if key in shown:
                yield from _changes(below, shown[key], value, template.get(key), secret=under)
            else:
                yield Change(below, ABSENT, _as_text(value, template.get(key), secret=under))
        return
    # What runs may be the old secret itself, so it is hidden wherever the wanted value is one.
    hidden = _holds_secret(template)
    known = SECRET if hidden and shown not in (None, MASK) else _plain(shown, secret=secret)
    yield Change(path, known, _as_text(wanted, template, secret=secret))


def _as_text(wanted: Json, template: Json, *, secret: bool = False) -> str:
    return SECRET if _holds_secret(template) else _plain(wanted, secret=secret)


def _holds_secret(template: Json) -> bool:
    return "${secret:" in compact(template)


def _plain(value: Json, *, secret: bool = False) -> str:
    safe = without_secrets(value, secret=secret)
    if safe in (None, SECRET):
        return ABSENT if safe is None else SECRET
    text = compact(safe)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
