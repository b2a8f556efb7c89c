"""What one look says about an operation under way, and about a write whose fate is unknown. A stale read never counts."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from batch_deployer.model.api import PENDING, ReleaseState, Status
from batch_deployer.model.deployment import Operation

_UNSET_YEAR = "0001-"
_SHORTEST_SECONDS = 1e-5
"""Between two shown times; what is less comes of reading them as floats."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a release from before and during an operation."""

    operation: Operation
    revision: int = 0
    """Seen before the write; 0 when it was absent."""
    updated_at: str = ""
    created_at: str = ""
    """`create_at` of the release that is worked on; empty when not known."""
    made: tuple[int, ...] = ()
    """Revisions that our writes can have made; empty when not known."""
    was_pending: bool = False
    """Whether it was PENDING_* before the write, so that PENDING_* at the same revision shows no effect."""
    pending_revision: int = 0
    """Revision at which a look since the write showed PENDING_*; 0 when none did."""


class PollResult(StrEnum):
    """What a look at an operation under way says."""

    IN_PROGRESS = "in_progress"
    STALE = "stale"
    """Still the state from before the write."""
    ABSENT = "absent"
    """Not in the list: not visible yet, or lost."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    THEIRS = "theirs"
    """What is there was not made by our write: somebody else changed it."""
    REPLACED = "replaced"
    """What was to be deleted is gone, and another release of that name is there already."""


def classify_poll(base: Baseline, state: ReleaseState | None, *, contradiction: str = "") -> tuple[PollResult, str]:
    """Judge a look after an accepted write; the text is the reason when FAILED or THEIRS.

    contradiction: how chart and values prove that something else was written than what was sent.
    """
    if base.operation is Operation.DELETE:
        return _judge_delete(base, state)
    if state is None:
        return PollResult.ABSENT, "the release is no longer there"
    others = _made_by_others(base, state)
    if state.status in PENDING and not others:
        return PollResult.IN_PROGRESS, ""
    if (_unmoved(base, state) and not others) or _deleted_before(base, state):
        return PollResult.STALE, ""
    if state.status in (Status.DELETING, Status.DELETED):
        return PollResult.THEIRS, f"it is being deleted ({state.status})"
    if theirs := "; ".join(filter(None, (others, contradiction))):
        return PollResult.THEIRS, theirs
    match state.status:
        case Status.DEPLOYED | Status.SUPERSEDED:
            return PollResult.SUCCEEDED, ""
        case Status.FAILED:
            return PollResult.FAILED, state.status_description or f"{base.operation} ended FAILED"
        case Status.UNKNOWN:
            return (
                PollResult.FAILED,
                state.status_description or "status UNKNOWN: delete it by hand and install it again",
            )
    return PollResult.IN_PROGRESS, ""


def _judge_delete(base: Baseline, state: ReleaseState | None) -> tuple[PollResult, str]:
    if state is None or state.status == Status.DELETED:
        return PollResult.SUCCEEDED, ""
    if _another(base, state):
        return PollResult.REPLACED, ""
    if state.revision > base.revision > 0:
        return PollResult.THEIRS, f"revision {state.revision} runs, revision {base.revision} was deleted"
    if state.status in (Status.FAILED, Status.UNKNOWN):
        return PollResult.STALE, state.status_description or f"delete left it {state.status}"
    return PollResult.IN_PROGRESS, ""


def shows_effect(base: Baseline, state: ReleaseState) -> bool:
    """Whether a look shows what our create, upgrade or rollback brought about, be it under way or over."""
    return base.operation is not Operation.DELETE and not _unmoved(base, state) and not _deleted_before(base, state)


def _made_by_others(base: Baseline, state: ReleaseState) -> str:
    """How revision and creation time prove that our write did not make this; empty when they do not."""
    if base.made and state.revision > 0 and state.revision not in base.made:
        # A replica may still show what was there before.
        stale = state.revision <= base.revision and _drift(base, state) <= 0.0
        if not stale and (state.revision > max(base.made) or state.revision < base.revision):
            pending = f" ({state.status})" if state.status in PENDING else ""
            return f"revision {state.revision} runs{pending}, ours is {max(base.made)}"
    if _created_later(base.created_at, state.created_at):
        return f"it was created anew at {state.created_at}"
    return ""


def _unmoved(base: Baseline, state: ReleaseState) -> bool:
    """Whether this terminal status may be the one from before the write (section 3, stale-read hazard)."""
    if base.revision == 0 or state.revision == base.pending_revision:
        return False
    return state.revision < base.pending_revision or not _moved(base, state)


def _moved(base: Baseline, state: ReleaseState) -> bool:
    """Whether this lies beyond the baseline, by revision or by time. A replica may lag by more than one change."""
    if state.revision > base.revision:
        return True
    made = base.made if base.operation is not Operation.CREATE else ()
    healthy = state.status in (Status.DEPLOYED, Status.SUPERSEDED)
    if healthy and made and state.revision == base.revision > 0 and state.revision not in made:
        return False  # `update_at` alone may move by itself
    drift = _drift(base, state)
    if drift != 0.0:
        return drift > 0.0
    # A release created after a delete counts its revisions from 1 again.
    return base.operation is Operation.CREATE and state.revision < base.revision


def _drift(base: Baseline, state: ReleaseState) -> float:
    """How much later than the baseline this was updated, in seconds; 0 when that is not known."""
    before, shown = timestamp(base.updated_at), timestamp(state.updated_at)
    if before is not None and shown is not None:
        return shown - before
    # Times in a form that cannot be read can still be told apart.
    return 1.0 if base.updated_at and state.updated_at and base.updated_at != state.updated_at else 0.0


def _another(base: Baseline, state: ReleaseState) -> bool:
    """Whether this release was created after the baseline's was last seen to change, so that it is not that one."""
    seen, created = timestamp(base.updated_at), timestamp(state.created_at)
    if seen is not None and created is not None and created > seen:
        return True
    return _created_later(base.created_at, state.created_at)


def _deleted_before(base: Baseline, state: ReleaseState) -> bool:
    """Whether a create that follows a delete still sees the end of the deleted release."""
    return (
        base.operation is Operation.CREATE and base.revision > 0 and state.status in (Status.DELETING, Status.DELETED)
    )


class WriteOutcome(StrEnum):
    """What reading back says of a write that may or may not have been executed."""

    APPLIED = "applied"
    """It took effect."""
    NOT_VISIBLE = "not_visible"
    """Nothing shows it; after the whole grace that counts as not executed."""
    CONFLICT = "conflict"
    """There is something, and it is not what we sent."""


def classify_uncertain_write(
    base: Baseline, state: ReleaseState | None, *, sent_at: float, skew: float, differs: str
) -> tuple[WriteOutcome, str]:
    """Judge a look after an ambiguous write (section 8, 2 and 3); the text is the reason of a conflict.

    sent_at: wall seconds of the first attempt. differs: how the state's chart and values differ from what was sent;
    for an update, how they prove that something else was sent.
    """
    if base.operation is Operation.DELETE:
        if state is None or state.status in (Status.DELETED, Status.DELETING) or _another(base, state):
            return WriteOutcome.APPLIED, ""
        changed = state.revision > base.revision > 0
        return (WriteOutcome.CONFLICT, f"revision {state.revision} runs") if changed else (WriteOutcome.NOT_VISIBLE, "")
    if state is None or state.status == Status.DELETED:
        return WriteOutcome.NOT_VISIBLE, ""
    if base.operation is not Operation.CREATE:
        return _classify_uncertain_update(base, state, differs)
    same = state.revision == base.revision and state.updated_at == base.updated_at
    if base.revision and (same or _drift(base, state) < 0.0 or _deleted_before(base, state)):
        return WriteOutcome.NOT_VISIBLE, ""  # a stale read still shows what was deleted before
    if differs:
        return WriteOutcome.CONFLICT, f"a release of that name is there, but {differs}"
    if state.revision != 1:
        return WriteOutcome.CONFLICT, f"a release of that name is there at revision {state.revision}; ours would be 1"
    created = timestamp(state.created_at)
    if created is not None and created < sent_at - skew:
        return WriteOutcome.CONFLICT, f"a release of that name is there since {state.created_at}, before ours was sent"
    return WriteOutcome.APPLIED, ""


def _classify_uncertain_update(base: Baseline, state: ReleaseState, differs: str) -> tuple[WriteOutcome, str]:
    if state.status == Status.DELETING:
        return WriteOutcome.CONFLICT, f"it is being deleted ({state.status})"
    others = _made_by_others(base, state)
    if others or state.revision > base.revision:
        counts = bool(others) or state.status not in PENDING
        theirs = "; ".join(filter(None, (others, differs if counts else "")))
        return (WriteOutcome.CONFLICT, theirs) if theirs else (WriteOutcome.APPLIED, "")
    pending = state.status in PENDING and not base.was_pending
    going = pending and state.revision == base.revision and _drift(base, state) >= 0.0
    if going or _moved(base, state):
        return WriteOutcome.APPLIED, ""
    return WriteOutcome.NOT_VISIBLE, ""


def newest(states: Iterable[ReleaseState]) -> dict[tuple[str, str], ReleaseState]:
    """The state of each release of a list, by (namespace, name). Of several revisions the highest counts."""
    found: dict[tuple[str, str], ReleaseState] = {}
    for state in states:
        known = found.setdefault((state.namespace, state.name), state)
        if state.revision > known.revision:
            found[state.namespace, state.name] = state
    return found


def rollback_target(history: Iterable[ReleaseState], wanted: int) -> ReleaseState | None:
    """The last successful revision that is not later than `wanted`, as Helm's atomic upgrade chooses; None without one."""
    good = [
        state
        for state in history
        if 0 < state.revision <= wanted and state.status in (Status.DEPLOYED, Status.SUPERSEDED)
    ]
    return max(good, key=lambda state: state.revision, default=None)


def timestamp(text: str) -> float | None:
    """RFC 3339 text as seconds since the epoch; None when it cannot be read, names no offset, or is year 1 (unset)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None and moment.year > 1 else None


def different_times(one: str, other: str) -> bool:
    """Whether two shown times are different moments; unset ones, and two spellings of one moment, are not.

    Where either is shown in whole seconds, less than a second is no difference. Texts that cannot be read are compared.
    """
    if one == other:
        return False
    first, second = timestamp(one), timestamp(other)
    if first is not None and second is not None:
        return abs(first - second) >= (1.0 if first.is_integer() or second.is_integer() else _SHORTEST_SECONDS)
    told = all(text and not text.startswith(_UNSET_YEAR) for text in (one, other))
    return told and first is second


def _created_later(before: str, now: str) -> bool:
    first, second = timestamp(before), timestamp(now)
    return different_times(before, now) and (first is None or second is None or first < second)
