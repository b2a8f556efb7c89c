"""Fault files: YAML or JSON text, or the name of a preset, as rules. Every rule that is wrong is reported at once."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
import yaml

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.settings import parse_duration
from batch_deployer.simulator.faults.presets import PRESETS
from batch_deployer.simulator.faults.rules import ANSWERS, READS, STARTS, WRITES, Acts, Effect, FaultRule

_GROUPS = {"writes": WRITES, "reads": READS, "starts": STARTS, "all": WRITES | READS}
_DURATIONS = ("from", "until", "every", "seconds", "late")
_KEYS = tuple(field.encode_name for field in msgspec.structs.fields(FaultRule))


def load(text: str, *, file: str = "") -> tuple[FaultRule, ...]:
    """Rules of a fault file: a list of rules, or `{preset: NAME, faults: [...]}`; the preset's rules come first.

    A text that is just the name of a preset stands for it. `file` is named in errors. InputError lists all faults.
    """
    if text.strip() in PRESETS:
        return PRESETS[text.strip()]
    try:
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        message = f"not YAML: {getattr(error, 'problem', None) or error}"
        raise InputError([Diagnostic(message, file, *where)]) from error
    return _rules(data, file)


def load_data(data: Any) -> tuple[FaultRule, ...]:
    """Rules from what a YAML or JSON parser made of a fault file."""
    return _rules(data, "")


def preset(name: str) -> tuple[FaultRule, ...]:
    """The rules of a preset. InputError names those that exist."""
    if name not in PRESETS:
        raise InputError(f"there is no fault preset {name!r}; take one of {', '.join(PRESETS)}")
    return PRESETS[name]


def dump(rules: Sequence[FaultRule]) -> str:
    """Rules as JSON text that `load` reads back."""
    return msgspec.json.encode([_plain(rule) for rule in rules]).decode()


def _plain(rule: FaultRule) -> dict[str, Any]:
    """Only what differs from the defaults: infinity is no JSON."""
    blank = msgspec.to_builtins(FaultRule(effect=rule.effect))
    given = msgspec.to_builtins(rule)
    return {key: value for key, value in given.items() if key == "effect" or value != blank[key]}


def _rules(data: Any, file: str) -> tuple[FaultRule, ...]:
    base: tuple[FaultRule, ...] = ()
    if isinstance(data, dict):
        unknown = sorted(str(key) for key in data.keys() - {"preset", "faults"})
        if unknown:
            raise InputError([Diagnostic(f"unknown key {unknown[0]!r}; a fault file has `preset` and `faults`", file)])
        base = preset(str(data["preset"])) if "preset" in data else ()
        data = data.get("faults")
    if data is None:
        return base
    if not isinstance(data, list):
        raise InputError([Diagnostic("a fault file holds a list of rules, or `preset` and `faults`", file)])
    made: list[FaultRule] = []
    faults: list[Diagnostic] = []
    for number, item in enumerate(data, 1):
        try:
            made.append(_rule(item))
        except ValueError as error:
            faults.append(Diagnostic(f"rule {number}: {error}", file))
    if faults:
        raise InputError(faults)
    return base + tuple(made)


def _rule(item: Any) -> FaultRule:
    """One rule, or ValueError with what is wrong and what to write instead."""
    if not isinstance(item, dict):
        raise ValueError("a rule is a mapping, for example `{effect: error, status: 503, probability: 0.1}`")
    for key in item:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, 1)
            raise ValueError(f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    _known_word(item, "effect", [effect.value for effect in Effect])
    _known_word(item, "acts", [acts.value for acts in Acts])
    plain = dict(item)
    for key in _DURATIONS:
        if key in plain:
            try:
                plain[key] = parse_duration(plain[key] if isinstance(plain[key], int | float) else str(plain[key]))
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error
    if "calls" in plain:
        plain["calls"] = _calls(plain["calls"])
    try:
        rule = msgspec.convert(plain, FaultRule)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    _check(rule, item)
    return rule


def _known_word(item: Mapping[str, Any], key: str, words: Sequence[str]) -> None:
    if key in item and item[key] not in words:
        near = get_close_matches(str(item[key]), words, 1)
        advice = f"did you mean {near[0]!r}?" if near else f"take one of {', '.join(words)}"
        raise ValueError(f"{key} {item[key]!r} is not known; {advice}")


def _calls(given: Any) -> list[str]:
    """`writes`, `reads`, `starts`, `all`, a kind of call, or a list of such."""
    found: set[str] = set()
    for word in given if isinstance(given, list) else [given]:
        if word in _GROUPS:
            found |= _GROUPS[word]
        elif word in WRITES | READS:
            found.add(word)
        else:
            near = get_close_matches(str(word), sorted(WRITES | READS | set(_GROUPS)), 1)
            raise ValueError(f"calls: {word!r} is no kind of call" + (f"; did you mean {near[0]!r}?" if near else ""))
    return sorted(found)


def _check(rule: FaultRule, item: Mapping[str, Any]) -> None:
    """What the types do not say."""
    if not 0 <= rule.probability <= 1:
        raise ValueError(f"probability {rule.probability} is not between 0 and 1")
    if rule.starts >= rule.until:
        raise ValueError("`from` must be before `until`")
    if min(rule.attempts, default=1) < 1 or rule.first < 0 or rule.after < 0:
        raise ValueError("attempts are counted from 1")
    if rule.effect == Effect.ERROR and rule.status not in (0, 500, 502, 503, 504):
        raise ValueError(f"status {rule.status} of an error must be 500, 502, 503 or 504")
    if rule.effect == Effect.HTML and rule.status and not 400 <= rule.status < 600:
        raise ValueError(f"status {rule.status} must be between 400 and 599")
    if (rule.effect == Effect.PHASE) != bool(rule.phase):
        raise ValueError("`phase` belongs to the effect `phase`, and that effect needs it, for example Hibernation")
    if "acts" in item and rule.effect not in (Effect.ERROR, Effect.HTML, Effect.RESET, Effect.TIMEOUT):
        raise ValueError(f"`acts` has no meaning for the effect {rule.effect.value}")
    if "status" in item and rule.effect not in (Effect.ERROR, Effect.HTML):
        raise ValueError(f"`status` has no meaning for the effect {rule.effect.value}")
    if rule.effect not in ANSWERS and rule.calls & READS:
        raise ValueError(f"the effect {rule.effect.value} is about writes, `calls` must not name reads")
