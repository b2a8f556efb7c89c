"""Which phases of a cluster allow a deployment (docs/api.md section 2.6)."""

from enum import StrEnum


class Readiness(StrEnum):
    """Whether a cluster may be deployed to."""

    READY = "ready"
    LATER = "later"
    """Hibernates, or is on its way to being ready: its deployments are deferred."""
    NEVER = "never"
    """Not within this run: its deployments end unreachable."""


_READY = frozenset({"", "Available", "ScalingUp", "ScalingDown"})
_LATER = frozenset({"Creating", "Resizing", "Upgrading", "Awaking", "RollingBack", "Hibernating", "Hibernation"})


def readiness(phase: str) -> Readiness:
    """Classify a phase. An unknown (empty) phase stops nothing; a new word does, since it cannot be judged."""
    if phase in _READY:
        return Readiness.READY
    return Readiness.LATER if phase in _LATER else Readiness.NEVER


def phase_reason(phase: str, detail: str) -> str:
    """Why a cluster in `phase` is not deployed to; `detail` is the cloud's own reason, which may repeat the phase."""
    return f"the cluster is {phase}" + (f": {detail}" if detail and detail != phase else "")
