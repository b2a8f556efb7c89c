"""What an unquoted word of YAML means: the JSON part of YAML 1.2, and a fault where YAML 1.1 and 1.2 disagree.

Helm reads YAML 1.1, most newer tools 1.2. Rather than guess, `yes`, `off` or `0644` must be written so that both agree.
"""

import math
import re

from batch_deployer.manifest.tree import Scalar

_WORDS: dict[str, bool | None] = {"": None, "~": None}
for _word, _value in (("null", None), ("true", True), ("false", False)):
    _WORDS |= dict.fromkeys((_word, _word.title(), _word.upper()), _value)
_AMBIGUOUS = {spelt(word) for word in ("yes", "no", "on", "off") for spelt in (str.lower, str.title, str.upper)}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$")
_OTHER_NUMBER = re.compile(r"[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$")
_MAX_DIGITS = 400


def resolve(text: str) -> Scalar:
    """The value of a plain scalar. ValueError (with advice) where readers of YAML disagree or JSON has no such value."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _AMBIGUOUS:
        meant = "true" if text.lower() in ("yes", "on") else "false"
        raise ValueError(f'`{text}` is read as text by some and as {meant} by others; write {meant} or "{text}"')
    if _NUMBER.match(text):
        return _number(text)
    if _OTHER_NUMBER.match(text):
        raise ValueError(f'`{text}` is not a JSON number; write it in decimal, or "{text}" if it is text')
    return text


def _number(text: str) -> int | float:
    if len(text) > _MAX_DIGITS:
        raise ValueError("the number is too long; put quotes around it if it is text")
    digits = text.lstrip("+-")
    if digits.isdigit():
        if len(digits) > 1 and digits[0] == "0":
            raise ValueError(
                f'`{text}` is octal for some and decimal for others; write the decimal number, or "{text}" if it is text'
            )
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"`{text}` is too large a number")
    return value


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
