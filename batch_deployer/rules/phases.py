"""Which phases of a cluster allow a deployment (docs/api.md section 2.6)."""

from enum import StrEnum


class Readiness(StrEnum):
    """Whether a cluster may be deployed to."""

    READY = "ready"
    LATER = "later"
    """On its way to being ready: ask again."""
    NEVER = "never"
    """Not within this run."""


_READY = frozenset({"", "Available", "ScalingUp", "ScalingDown"})
_LATER = frozenset({"Creating", "Resizing", "Upgrading", "Awaking", "RollingBack"})


def readiness(phase: str) -> Readiness:
    """Classify a phase. An unknown (empty) phase does not stop anybody; a new word does, for it cannot be judged."""
    if phase in _READY:
        return Readiness.READY
    return Readiness.LATER if phase in _LATER else Readiness.NEVER
