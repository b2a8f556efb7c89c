"""Helm values as plain JSON: merge as Helm does, fill in secrets, compare with what a cloud shows."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MASK = "******"
"""What the cloud shows in place of a secret. Never a difference."""

_EXACT = 2**53
"""The largest integer up to which every one is a double."""
_MARKER = re.compile(r"\$\$\{|\$\{secret:(env|file):([^}]*)\}")


def merge(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Merge `over` into `base` as Helm does: maps merge, lists and scalars replace.

    A null takes the place of what was there, and stays: the chart's own default for that key is deleted by it.
    """
    merged: dict[str, Json] = dict(base)
    for name, value in over.items():
        if isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def compact(value: Json) -> str:
    """The one JSON text that stands for a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain_digest(text: str) -> str:
    """A digest without a key, for worlds that hold no secrets."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def load_values(text: str) -> Json:
    """The values a cloud showed; None when it showed none or something unreadable."""
    if not text:
        return None
    try:
        shown: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return shown


def secret_names(values_json: str) -> Iterator[str]:
    """Each `env:NAME` or `file:PATH` that the text refers to, in order, repeats included."""
    if "${secret:" in values_json:
        for match in _MARKER.finditer(values_json):
            if match[1]:
                yield match[1] + ":" + json.loads('"' + match[2] + '"')


def render(values_json: str, secret: Callable[[str], str]) -> str:
    """Fill in `${secret:env:NAME}` and `${secret:file:PATH}`, and turn the escape `$${` into `${`.

    `secret` maps `env:NAME` or `file:PATH` to the plain text. Most values hold no `$` and come back untouched.
    """
    if "${" not in values_json:
        return values_json

    def fill(value: Json) -> Json:
        if isinstance(value, str):
            return _MARKER.sub(lambda found: "${" if not found[1] else secret(f"{found[1]}:{found[2]}"), value)
        if isinstance(value, list):
            return [fill(item) for item in value]
        if isinstance(value, dict):
            return {name: fill(item) for name, item in value.items()}
        return value

    return compact(fill(json.loads(values_json)))


def render_values(values_json: str, secret: Callable[[str], str]) -> dict[str, Json]:
    """The values as they are sent; otherwise as `render`."""
    values: dict[str, Json] = json.loads(render(values_json, secret))
    return values


def render_text(text: str, secret: Callable[[str], str]) -> str:
    """Fill in the markers of a plain text that is no JSON, such as one option of `auth:`; otherwise as `render`."""
    if "${" not in text:
        return text
    return _MARKER.sub(lambda found: "${" if not found[1] else secret(f"{found[1]}:{found[2]}"), text)


def covers(shown: Json, wanted: Json, *, exact: bool = False) -> bool:
    """Whether everything wanted is in what the cloud shows; a mask fits anything.

    Extra keys of maps are chart defaults, but not within lists: Helm replaces a list as a whole. `exact`: nowhere.
    A wanted null fits a key that is not there: it deletes the chart's default.
    """
    if shown == MASK:
        return True
    if isinstance(wanted, dict):
        return (
            isinstance(shown, dict)
            and all(covers(shown.get(name), value, exact=exact) for name, value in wanted.items())
            and not (exact and any(value is not None and name not in wanted for name, value in shown.items()))
        )
    if isinstance(wanted, list):
        return (
            isinstance(shown, list)
            and len(shown) == len(wanted)
            and all(covers(left, right, exact=True) for left, right in zip(shown, wanted, strict=True))
        )
    return same_scalar(shown, wanted)


def same_scalar(shown: Json, wanted: Json) -> bool:
    """Whether two texts, numbers, booleans or nulls are the same value for a cloud.

    A backend that keeps numbers as doubles shows an integer above 2**53 rounded; no other difference is allowed.
    """
    if isinstance(wanted, bool) or isinstance(shown, bool):
        return shown is wanted
    if shown == wanted:
        return True
    if not isinstance(wanted, int) or not isinstance(shown, int | float) or abs(wanted) <= _EXACT:
        return False
    try:
        rounded = float(wanted)
    except OverflowError:
        return False
    # Exactly, and as the shortest digits that give the same double: how most encoders write it.
    return shown in (int(rounded), int(Decimal(repr(rounded))))


def is_inexact(value: Json) -> bool:
    """Whether a value holds an integer that a backend of doubles would change."""
    if isinstance(value, dict):
        return any(is_inexact(item) for item in value.values())
    if isinstance(value, list):
        return any(is_inexact(item) for item in value)
    return isinstance(value, int) and abs(value) > _EXACT and not same_double(value)


def same_double(value: int) -> bool:
    """Whether an integer is a double."""
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def dotted(path: list[str | int] | tuple[str | int, ...]) -> str:
    """A path for people: `image.tag`, `hosts[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "values"
