"""Names that a cloud makes from a release's `name_template`."""

import re
from collections.abc import Iterable

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.deployment import ReleaseSpec

_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?")


def is_name(text: str) -> bool:
    """Whether a text of the cloud can be a release's name, so that it may stand in an address."""
    return _NAME.fullmatch(text) is not None


def pattern_of(template: str | None) -> re.Pattern[str] | None:
    """What names made from a template look like; None without one, or when it has no literal text to tell them by."""
    literals = [part.strip() for part in _ACTION.split(template or "")]
    if not any(re.search(r"[a-z0-9]", part) for part in literals):
        return None
    return re.compile(".+".join(map(re.escape, literals)))


def made_from_template(spec: ReleaseSpec, chart_name: str, states: Iterable[ReleaseState]) -> list[ReleaseState]:
    """Those of a cluster's releases that the spec's template may have named: namespace, name and chart fit."""
    pattern = pattern_of(spec.parameters.name_template)
    if pattern is None:
        return []
    return [
        state
        for state in states
        if state.namespace == spec.namespace
        and pattern.fullmatch(state.name)
        and (not chart_name or not state.chart_name or state.chart_name == chart_name)
    ]
