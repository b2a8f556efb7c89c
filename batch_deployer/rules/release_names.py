"""Names that a cloud makes from a release's `name_template`."""

import re
from collections.abc import Iterable, Sequence

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.deployment import ReleaseSpec

_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_TELLING = re.compile(r"[a-z0-9]")
MAX_TEMPLATE = 1000
"""Characters of a template that names are compared with."""
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?")


def is_name(text: str) -> bool:
    """Whether a text of the cloud can be a release's name, so that it may stand in an address."""
    return _NAME.fullmatch(text) is not None


def literals_of(template: str | None) -> list[str]:
    """The texts around the actions of a template; empty without a template, or when no text tells its names apart."""
    if not template or len(template) > MAX_TEMPLATE:
        return []
    literals = [part.strip() for part in _ACTION.split(template)]
    return literals if any(map(_TELLING.search, literals)) else []


def fits(literals: Sequence[str], name: str) -> bool:
    """Whether a name consists of these texts in order, with something between each two. Linear, unlike a pattern."""
    first, *rest = literals
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    at = len(first)
    for literal in rest[:-1]:
        found = name.find(literal, at + 1)
        if found < 0:
            return False
        at = found + len(literal)
    return name.endswith(rest[-1]) and len(name) - len(rest[-1]) > at


def made_from_template(spec: ReleaseSpec, chart_name: str, states: Iterable[ReleaseState]) -> list[ReleaseState]:
    """Those of a cluster's releases that the spec's template may have named: namespace, name and chart fit."""
    literals = literals_of(spec.parameters.name_template)
    if not literals:
        return []
    return [
        state
        for state in states
        if state.namespace == spec.namespace
        and fits(literals, state.name)
        and (not chart_name or not state.chart_name or state.chart_name == chart_name)
    ]
