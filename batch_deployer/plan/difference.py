"""What an upgrade changes in a release's values, path by path. Secrets stay masked; a mask is never a difference."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batch_deployer.model.values import MASK, Json, compact, covers, dotted

ABSENT = "(absent)"
REMOVED = "(removed)"
SECRET = "(secret)"  # noqa: S105 - what is shown in place of one
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
    shown, template = dict(_by_path(_load(shown_json))), dict(_by_path(_load(template_json)))
    more = [
        Change(
            path,
            SECRET if _holds_secret(template.get(path)) else "(sent otherwise)",
            _told(template.get(path), template.get(path)),
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


def _changes(path: str, shown: Json, wanted: Json, template: Json) -> Iterator[Change]:
    if covers(shown, wanted):
        return
    if isinstance(wanted, dict) and isinstance(template, dict) and isinstance(shown, dict):
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else key
            if key in shown:
                yield from _changes(below, shown[key], value, template.get(key))
            else:
                yield Change(below, ABSENT, _told(value, template.get(key)))
        return
    # What runs may be the old secret itself, so it is hidden wherever the wanted value is one.
    hidden = _holds_secret(template)
    yield Change(path, SECRET if hidden and shown not in (None, MASK) else _plain(shown), _told(wanted, template))


def _told(wanted: Json, template: Json) -> str:
    return SECRET if _holds_secret(template) else _plain(wanted)


def _holds_secret(template: Json) -> bool:
    return "${secret:" in compact(template)


def _plain(value: Json) -> str:
    text = ABSENT if value is None else compact(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
