"""The table of phases a deployment passes through. The same fold runs live and when a journal is read back.

WAITING ──Intended──> INTENDED ──Accepted──> WATCHING ──Finished──> FINISHED
   ^                     │  └────Uncertain──> UNCERTAIN ──Confirmed──^
   ├──Refused / Missing / Settled────────────────┘
   └──Deferred──> DEFERRED ──Requeued──> WAITING

What is under way may be deferred too (its cluster cannot be asked for the time being); that changes no phase.
"""

from enum import StrEnum

from batch_deployer.errors import IllegalTransition
from batch_deployer.model import events as e


class Phase(StrEnum):
    """Where a deployment stands."""

    WAITING = "waiting"
    """Nothing of the current operation is under way."""
    INTENDED = "intended"
    """A write may be on its way; the reply is not known."""
    UNCERTAIN = "uncertain"
    """A write left and its fate must be read back."""
    WATCHING = "watching"
    """The cloud took the write; a terminal status is awaited."""
    DEFERRED = "deferred"
    """Nothing of the current operation is under way, and none is started until it is requeued."""
    FINISHED = "finished"


UNDER_WAY = frozenset({Phase.INTENDED, Phase.UNCERTAIN, Phase.WATCHING})
"""Phases that count against the in-flight and per-cluster caps."""

NEXT: dict[tuple[Phase, type[e.DeploymentEvent]], Phase] = {
    (Phase.WAITING, e.Planned): Phase.WAITING,
    (Phase.WAITING, e.Undecided): Phase.WAITING,
    (Phase.WAITING, e.Intended): Phase.INTENDED,
    (Phase.WAITING, e.Confirmed): Phase.WATCHING,  # adopted: under way already, by an earlier or other hand
    (Phase.INTENDED, e.Accepted): Phase.WATCHING,
    (Phase.INTENDED, e.Refused): Phase.WAITING,
    (Phase.INTENDED, e.Uncertain): Phase.UNCERTAIN,
    (Phase.UNCERTAIN, e.Confirmed): Phase.WATCHING,
    (Phase.UNCERTAIN, e.Missing): Phase.WAITING,
    (Phase.UNCERTAIN, e.Seen): Phase.UNCERTAIN,
    (Phase.WATCHING, e.Seen): Phase.WATCHING,
    (Phase.WATCHING, e.StepCompleted): Phase.WAITING,
    (Phase.WAITING, e.Deferred): Phase.DEFERRED,
    (Phase.DEFERRED, e.Deferred): Phase.DEFERRED,
    (Phase.UNCERTAIN, e.Deferred): Phase.UNCERTAIN,
    (Phase.WATCHING, e.Deferred): Phase.WATCHING,
    (Phase.DEFERRED, e.Requeued): Phase.WAITING,
    (Phase.UNCERTAIN, e.Requeued): Phase.UNCERTAIN,
    (Phase.WATCHING, e.Requeued): Phase.WATCHING,
    (Phase.WAITING, e.Finished): Phase.FINISHED,
    (Phase.INTENDED, e.Finished): Phase.FINISHED,
    (Phase.UNCERTAIN, e.Finished): Phase.FINISHED,
    (Phase.WATCHING, e.Finished): Phase.FINISHED,
    (Phase.DEFERRED, e.Finished): Phase.FINISHED,
}


def advance(phase: Phase, event: e.DeploymentEvent) -> Phase:
    """Give the phase after `event`; raises IllegalTransition, having changed nothing, when the table has no such row."""
    try:
        return NEXT[phase, type(event)]
    except KeyError:
        raise IllegalTransition(f"{type(event).__name__} cannot follow {phase} for {event.key}") from None
