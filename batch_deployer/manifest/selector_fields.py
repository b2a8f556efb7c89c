"""How tag selectors are written."""

from typing import Any

from batch_deployer.model.selectors import Operator, Requirement, Selector
from batch_deployer.util.suggest import nearest

_FORMS = 'write for example {env: prod, tier: [a, b], region: {not: x}, gpu: {exists: true}}, or "*"'


def parse_selector(written: Any) -> Selector:
    """`"*"` or a mapping of tag to value, list of values, or `{in, not, exists}`. ValueError (with advice) otherwise."""
    if written == "*":
        return ()
    if not isinstance(written, dict):
        raise ValueError(f"a selector of tags is wanted; {_FORMS}")
    if not written:
        raise ValueError('an empty selector would take every cluster; write "*" if that is meant')
    return tuple(requirement for tag, wanted in written.items() for requirement in _requirements(tag, wanted))


def _requirements(tag: str, wanted: Any) -> list[Requirement]:
    if not isinstance(wanted, dict):
        return [Requirement(tag, Operator.IN, _texts(tag, wanted))]
    if not wanted:
        raise ValueError(f"the condition on tag {tag} is empty; {_FORMS}")
    found = []
    for word, value in wanted.items():
        if word == "in":
            found.append(Requirement(tag, Operator.IN, _texts(tag, value)))
        elif word == "not":
            found.append(Requirement(tag, Operator.NOT_IN, _texts(tag, value)))
        elif word == "exists":
            if not isinstance(value, bool):
                raise ValueError(f"`exists` of tag {tag} must be true or false")
            found.append(Requirement(tag, Operator.EXISTS if value else Operator.ABSENT))
        else:
            close = nearest(word, ("in", "not", "exists"))
            hint = f"; did you mean `{close}`?" if close else ""
            raise ValueError(f"tag {tag} has the unknown condition `{word}`{hint or ', known: in, not, exists'}")
    return found


def _texts(tag: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"the list of values of tag {tag} is empty")
    for item in values:
        if not isinstance(item, str):
            raise ValueError(f"values of tag {tag} must be text; put quotes around {_shown(item)}")
    return tuple(values)


def _shown(item: Any) -> str:
    if item is None or isinstance(item, bool):
        return str(item).lower().replace("none", "null")
    return str(item) if isinstance(item, int | float) else "it"
