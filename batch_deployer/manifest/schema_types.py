"""Types of the manifest's fields: how each is checked, what is said when it is wrong, how the JSON Schema shows it."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from batch_deployer.manifest.identifiers import cluster_id, endpoint, release_name
from batch_deployer.manifest.selector_fields import parse_selector
from batch_deployer.model.selectors import Selector
from batch_deployer.settings import IntOrPercent, Rate, parse_duration

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WORD = re.compile(r"[^\s/\x00-\x1f]{1,128}")


def _named(kind: str, pattern: re.Pattern[str], rule: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f'"{text}" is not a {kind}; {rule}')
        return text

    return check


def _duration(value: Any) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("a duration is wanted; write for example 90s, 15m or 1h30m")
    return parse_duration(value)


def _positive_duration(value: Any) -> float:
    seconds = _duration(value)
    if seconds <= 0:
        raise ValueError("must be longer than 0 seconds")
    return seconds


def _rate(value: Any) -> Rate:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a rate; write for example 10/min or 20/s")
    return Rate.parse(value)


def _share(value: Any) -> IntOrPercent:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is neither a whole number nor a percentage; write for example 3 or 5%")
    return IntOrPercent.parse(value)


def _positive_share(value: Any) -> IntOrPercent:
    share = _share(value)
    if not share.value:
        raise ValueError("must be more than 0")
    return share


def _percent(value: Any) -> IntOrPercent:
    text = f"{value}%" if isinstance(value, int | float) and not isinstance(value, bool) else value
    return _positive_share(text)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of keys to values")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, str) and item for item in values):
        raise ValueError("must be text, or a list of texts")
    return tuple(values)


_DURATION_SCHEMA = {
    "type": ["string", "number"],
    "description": "Seconds, or a text such as 90s, 15m, 1h30m.",
    "examples": ["90s", "15m", "1h30m"],
}
_SHARE_SCHEMA = {
    "type": ["integer", "string"],
    "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$",
    "minimum": 0,
    "description": "A whole number, or a percentage such as 5%.",
}
_REQUIREMENT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "in": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "not": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
                "exists": {"type": "boolean"},
            },
        },
    ]
}
_SELECTOR_SCHEMA = {
    "description": 'Tags that must match; "*" takes every cluster.',
    "anyOf": [{"const": "*"}, {"type": "object", "minProperties": 1, "additionalProperties": _REQUIREMENT_SCHEMA}],
}

Text: TypeAlias = Annotated[str, Field(min_length=1)]
Name: TypeAlias = Annotated[
    str, AfterValidator(_named("name", _NAME, "use letters, digits, dot, - and _, 100 at most"))
]
ReleaseName: TypeAlias = Annotated[str, AfterValidator(release_name), Field(json_schema_extra={"maxLength": 53})]
Namespace: TypeAlias = Annotated[
    str, AfterValidator(_named("namespace", _NAMESPACE, "use lower-case letters, digits and -, 63 at most"))
]
Word: TypeAlias = Annotated[str, AfterValidator(_named("usable word", _WORD, "leave out spaces and slashes"))]
ClusterId: TypeAlias = Annotated[str, AfterValidator(cluster_id), Field(json_schema_extra={"format": "uuid"})]
Endpoint: TypeAlias = Annotated[str, AfterValidator(endpoint), Field(json_schema_extra={"format": "uri"})]
Duration: TypeAlias = Annotated[float, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration: TypeAlias = Annotated[float, PlainValidator(_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
RateText: TypeAlias = Annotated[
    Rate, PlainValidator(_rate), WithJsonSchema({"type": "string", "examples": ["10/min", "20/s"]})
]
ShareText: TypeAlias = Annotated[IntOrPercent, PlainValidator(_share), WithJsonSchema(_SHARE_SCHEMA)]
PositiveShare: TypeAlias = Annotated[IntOrPercent, PlainValidator(_positive_share), WithJsonSchema(_SHARE_SCHEMA)]
Percent: TypeAlias = Annotated[
    IntOrPercent, PlainValidator(_percent), WithJsonSchema(_SHARE_SCHEMA | {"type": ["number", "string"]})
]
SelectorMap: TypeAlias = Annotated[Selector, PlainValidator(parse_selector), WithJsonSchema(_SELECTOR_SCHEMA)]
OneOrMore: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Values: TypeAlias = Annotated[
    dict[str, Any], PlainValidator(_object), WithJsonSchema({"type": "object", "description": "Helm values."})
]
