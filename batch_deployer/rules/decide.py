"""What to do to a deployment, decided from one fresh observation of its cluster."""

from collections.abc import Callable
from typing import TypedDict

import msgspec

from batch_deployer.model.api import PENDING, ReleaseState, Status
from batch_deployer.model.deployment import (
    Action,
    ConfirmedState,
    Deployment,
    OnExisting,
    ReleaseSpec,
    RollbackStep,
    is_protected,
)
from batch_deployer.rules.ownership import OTHER_VALUES, THEIRS, changed_since, contradiction
from batch_deployer.rules.unchanged import Comparison

_KNOWN = frozenset(status.value for status in Status)


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An action, why, and the observation it rests on."""

    action: Action
    reason: str = ""
    status: str = ""
    """Status observed; empty when absent."""
    revision: int = 0
    updated_at: str = ""
    created_at: str = ""
    cause: str = ""
    """With BLOCKED: what failures of this kind have in common, where the reason names particulars."""
    note: str = ""
    """What the plan shows beside the reason; it changes nothing."""
    settling: bool = False
    """With BLOCKED: somebody else's operation is under way; look again, then decide anew."""
    deferred: bool = False
    """With BLOCKED: the cluster is not ready now; a run looks again as long as it lasts."""
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    """Paths of values, as a Comparison has them."""

    @property
    def word(self) -> str:
        """What `plan` calls it."""
        return "deferred" if self.deferred else self.action.value

    @property
    def explanation(self) -> str:
        """Reason and note as one text."""
        return "; ".join(part for part in (self.reason, self.note) if part)

    @property
    def basis(self) -> str:
        """The observation as one text, to see whether the world moved since."""
        if self.action is Action.CREATE:
            return f"{self.action} ABSENT 0"  # one that is still listed as deleted soon is no longer
        return f"{self.action} {self.status or 'ABSENT'} {self.revision} {self.updated_at}".rstrip()


def decide(
    deployment: Deployment,
    state: ReleaseState | None,
    *,
    differs: Callable[[ReleaseState], Comparison],
    overdue: bool = False,
    now: ConfirmedState | None = None,
) -> Decision:
    """Choose the action. `state` is the release as observed (None: absent).

    differs: how the release as observed differs from what is wanted.
    now: the observation in the form in which a run notes what it left; needed to undo.
    overdue: the release has been pending for longer than the deployment's timeout, so that it counts as stuck.
    """
    if deployment.undo is not None:
        return _decide_undo(deployment.release, deployment.undo, state, now, overdue=overdue)
    if state is None or state.status == Status.DELETED:
        # Polls that still show the deleted release must not be taken for the new one.
        revision, updated_at = (state.revision, state.updated_at) if state is not None else (0, "")
        return Decision(action=Action.CREATE, reason="absent", revision=revision, updated_at=updated_at)
    seen = _seen(state)
    found = differs(state)
    if state.status in PENDING and overdue and deployment.release.on_existing is OnExisting.REPLACE:
        stuck = f"stuck in {state.status}"
        action, reason = _by_policy(deployment.release, stuck, healthy=False, status=state.status)
        return Decision(action=action, reason=reason, **seen)
    if state.status in PENDING:
        if not found.reason:
            return Decision(action=Action.ADOPT, reason=f"already under way ({state.status}) as wanted", **seen)
        return Decision(
            action=Action.BLOCKED, settling=True, reason=f"{state.status} by somebody else ({found.reason})", **seen
        )
    if state.status == Status.DELETING:
        return Decision(action=Action.BLOCKED, settling=True, reason="somebody else is deleting it", **seen)
    healthy = state.status in (Status.DEPLOYED, Status.SUPERSEDED)
    if healthy and not found.reason:
        return Decision(action=Action.UNCHANGED, reason="runs as wanted", extra=found.extra, **seen)
    why = found.reason if healthy else f"status {state.status}"
    action, reason = _by_policy(deployment.release, why, healthy=healthy, status=state.status)
    return Decision(action=action, reason=reason, changed=found.changed, removed=found.removed, **seen)


def unknown_status(status: str) -> str:
    """How a status that is no word of the API is reported; empty for one that is."""
    if status in _KNOWN:
        return ""
    shown = f'the cloud shows the status "{status}"' if status else "the cloud shows no status"
    return f"{shown}, which this program does not know"


def _by_policy(spec: ReleaseSpec, why: str, *, healthy: bool, status: str) -> tuple[Action, str]:
    """Apply on_existing to a release that exists and is not as wanted."""
    if status not in _KNOWN and spec.on_existing is not OnExisting.REPLACE:
        return Action.BLOCKED, f"{unknown_status(status)}, so it is left as it is; look at the release"
    match spec.on_existing:
        case OnExisting.SKIP if healthy:
            return Action.UNCHANGED, f"left as it is (on_existing: skip): {why}"
        case OnExisting.SKIP:
            return Action.BLOCKED, f"left as it is (on_existing: skip), but it is not healthy: {why}"
        case OnExisting.FAIL:
            return Action.BLOCKED, f"exists (on_existing: fail): {why}"
        case OnExisting.REPLACE if is_protected(spec.namespace, spec.name):
            return Action.BLOCKED, "belongs to the platform and is never replaced"
        case OnExisting.REPLACE if not spec.allow_destructive:
            return Action.BLOCKED, "on_existing: replace needs allow_destructive: true"
        case OnExisting.REPLACE:
            return Action.REPLACE, why
    if status not in (Status.DEPLOYED, Status.SUPERSEDED, Status.FAILED):
        return Action.BLOCKED, f"{why}: delete it by hand, or set on_existing: replace with allow_destructive: true"
    return Action.UPGRADE, why


def _decide_undo(
    spec: ReleaseSpec, undo: RollbackStep, state: ReleaseState | None, now: ConfirmedState | None, *, overdue: bool
) -> Decision:
    """Return a release to what it was before a run, unless somebody else touched it since."""
    if state is None or state.status == Status.DELETED:
        if undo.action is Action.DELETE:
            return Decision(action=Action.UNCHANGED, reason="already absent")
        return Decision(action=Action.BLOCKED, reason="no longer there, so it cannot be rolled back")
    seen = _seen(state)
    if undo.blocked:
        return Decision(action=Action.BLOCKED, reason=undo.blocked, cause=THEIRS, **seen)
    if differs := changed_since(undo.expected, now or ConfirmedState(revision=state.revision)):
        named = contradiction(state, chart_name="", version="", values_json=spec.values_json)
        reason = f"{THEIRS} since: {differs.replace(OTHER_VALUES, named or OTHER_VALUES)}"
        return Decision(action=Action.BLOCKED, reason=reason, cause=THEIRS, **seen)
    # Helm lets a rollback or a delete through where an operation is stuck; one that may still end is waited for.
    if (state.status in PENDING and not overdue) or state.status == Status.DELETING:
        return Decision(action=Action.BLOCKED, settling=True, reason=f"{state.status}: not settled yet", **seen)
    if undo.action is Action.DELETE:
        if is_protected(spec.namespace, spec.name):
            return Decision(action=Action.BLOCKED, reason="belongs to the platform and is never deleted", **seen)
        return Decision(action=Action.DELETE, reason="created by the run that is undone", **seen)
    return Decision(action=Action.ROLLBACK, reason=f"back to revision {undo.revision}", **seen)


class _Seen(TypedDict):
    status: str
    revision: int
    updated_at: str
    created_at: str


def _seen(state: ReleaseState) -> _Seen:
    return {
        "status": state.status,
        "revision": state.revision,
        "updated_at": state.updated_at,
        "created_at": state.created_at,
    }
