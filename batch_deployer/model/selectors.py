"""How clusters are chosen by their tags, and how a rollout is cut into waves: values only, the rules apply them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """What a requirement asks of one tag."""

    IN = "in"
    """The tag is there and is one of the values."""
    NOT_IN = "not_in"
    """The tag is missing, or is none of the values (as Kubernetes reads `notin`)."""
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one tag."""

    tag: str
    operator: Operator
    values: tuple[str, ...] = ()


Selector: TypeAlias = tuple[Requirement, ...]
"""All must hold; the empty selector takes every cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRule:
    """How one wave of the manifest picks its clusters, among those that no earlier wave took."""

    name: str
    selector: Selector = ()
    count: int | None = None
    """At most so many; None: all that are left (or `percent`)."""
    percent: float | None = None
    """At most this share of all clusters that match, rounded down, at least one."""
    spread: str = ""
    """A tag: pick clusters of different values of it first (`count`, `percent`), else cut into several waves."""
    parts: int = 0
    """With `spread` and no size: number of waves to cut into; 0 means as many as keep equal tags apart."""
