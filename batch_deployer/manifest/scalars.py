"""What an unquoted word of YAML means, and a fault where readers of YAML 1.1 and YAML 1.2 disagree.

Helm and PyYAML read YAML 1.1 (https://yaml.org/type/), most newer tools the core schema of YAML 1.2 (chapter 10.3).
Rather than guess, `yes`, `0644` or `1e5` must be written so that both agree.
"""

import json
import math
import re
from collections.abc import Callable

from batch_deployer.manifest.nodes import Scalar

_MAX_DIGITS = 400


class _NotJson(str):
    """A value that YAML has and JSON has not: a date, an infinity. Its text names the kind."""

    __slots__ = ()


_NULLS = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


def _spelt(*words: str) -> set[str]:
    return {form(word) for word in words for form in (str.lower, str.title, str.upper)}


_TRUE_1_1, _FALSE_1_1 = _spelt("y", "yes", "on"), _spelt("n", "no", "off")


def _digits(text: str, base: int) -> int:
    return int(text.replace("_", ""), base)


def _sixty(text: str) -> int | float:
    """Base 60: `1:30` is 90."""
    sign = -1 if text.startswith("-") else 1
    total: int | float = 0
    for part in text.lstrip("+-").replace("_", "").split(":"):
        total = total * 60 + (float(part) if "." in part else int(part))
    return sign * total


def _octal_1_1(text: str) -> int:
    return _digits(text, 8)


_Rule = tuple[re.Pattern[str], Callable[[str], Scalar]]
_RULES_1_1: tuple[_Rule, ...] = (
    (re.compile(r"[-+]?0b[01_]+"), lambda text: _digits(text.replace("0b", ""), 2)),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+"), lambda text: _digits(text, 16)),
    (re.compile(r"[-+]?0[0-7_]+"), _octal_1_1),
    (re.compile(r"[-+]?(?:0|[1-9][0-9_]*)"), lambda text: _digits(text, 10)),
    (re.compile(r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"), _sixty),
    # The specification lets `+.5` be a number, PyYAML reads it as text: a disagreement as good as any.
    (
        re.compile(r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?"),
        lambda text: float(text.replace("_", "")),
    ),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)"), lambda _: _NotJson("infinity")),
    (re.compile(r"\.(?:nan|NaN|NAN)"), lambda _: _NotJson("not a number")),
    (
        re.compile(
            r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?"
        ),
        lambda _: _NotJson("a date"),
    ),
    (re.compile(r"="), lambda _: _NotJson("a default value")),
)
_RULES_1_2: tuple[_Rule, ...] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)"), lambda _: _NotJson("infinity")),
    (re.compile(r"\.(?:nan|NaN|NAN)"), lambda _: _NotJson("not a number")),
)
_SPECIAL = re.compile(r"[-+.=]?[0-9.]|=$|[-+]")
"""How anything begins that is neither a word of `_WORDS` nor text."""


def _words(true: set[str], false: set[str]) -> dict[str, bool | None]:
    return dict.fromkeys(_NULLS) | dict.fromkeys((*_TRUE, *true), True) | dict.fromkeys((*_FALSE, *false), False)


_WORDS_1_1, _WORDS_1_2 = _words(_TRUE_1_1, _FALSE_1_1), _words(set(), set())


def resolve(text: str) -> Scalar:
    """The value of a plain scalar. ValueError (with advice) where readers of YAML disagree or JSON has no such value."""
    if text not in _WORDS_1_1 and not _SPECIAL.match(text):
        return text
    if len(text) > _MAX_DIGITS:
        raise ValueError("the number is too long; put quotes around it if it is text")
    old, new = _read(text, _WORDS_1_1, _RULES_1_1), _read(text, _WORDS_1_2, _RULES_1_2)
    if type(old) is not type(new) or old != new:
        advice = (
            _quoted(text)
            if isinstance(new, _NotJson) or (new == text and isinstance(old, _NotJson))
            else _both(old, new, text)
        )
        raise ValueError(f"`{text}` is {_kind(old)} in YAML 1.1 and {_kind(new)} in YAML 1.2; write {advice}")
    if isinstance(new, _NotJson):
        raise ValueError(f"`{text}` ({new}) is not a JSON value; write {_quoted(text)} if it is text")
    if isinstance(new, float) and not math.isfinite(new):
        raise ValueError(f"`{text}` is too large a number; write {_quoted(text)} if it is text")
    if isinstance(new, int) and not isinstance(new, bool) and "x" in text:
        raise ValueError(f"`{text}` is not a JSON number; write {new}, or {_quoted(text)} if it is text")
    return new


def resolve_key(text: str) -> str:
    """An unquoted key of a mapping as JSON has it. ValueError (with advice) where it would become another text."""
    value = resolve(text)
    if isinstance(value, str):
        return value
    if value is None or json.dumps(value) != text:
        raise ValueError(f"the key `{text}` is {_kind(value)} for YAML; write {_quoted(text)}")
    return text


def _read(text: str, words: dict[str, bool | None], rules: tuple[_Rule, ...]) -> Scalar:
    if text in words:
        return words[text]
    for pattern, value in rules:
        if pattern.fullmatch(text):
            try:
                return value(text)
            except ValueError:  # `.` or `_` alone
                return text
    return text


def _kind(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, _NotJson):
        return str(value)
    return "text" if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _both(old: Scalar, new: Scalar, text: str) -> str:
    meant = [json.dumps(value) for value in (old, new) if not isinstance(value, str)]
    return " or ".join([*dict.fromkeys(meant), _quoted(text)])


_TAGS = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}


def resolve_tagged(text: str, tag: str) -> Scalar:
    """The value of a scalar with one of YAML's own tags, such as `!!str 1.10`. ValueError (with advice) otherwise."""
    kind = _TAGS.get(tag.removeprefix("tag:yaml.org,2002:"))
    if kind is None or not tag.startswith("tag:yaml.org,2002:"):
        raise ValueError(f"the YAML tag `{tag.replace('tag:yaml.org,2002:', '!!')}` is not supported; leave it out")
    if kind is str:
        return text
    value = resolve(text)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"`{text}` does not fit its YAML tag `!!{tag.removeprefix('tag:yaml.org,2002:')}`")
    return value
