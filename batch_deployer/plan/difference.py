"""What an upgrade changes in a release's values, path by path. Secrets stay masked; a mask is never a difference."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batch_deployer.model.values import MASK, Json, compact, covers

ABSENT = "(absent)"
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
    try:
        shown: Json = json.loads(shown_json) if shown_json else None
    except ValueError:
        shown = None
    return changes(shown, json.loads(wanted_json), json.loads(template_json))


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
