"""The plan that takes a run back: what it changed returns to the revision before, waves in reverse. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_deployer.model import events as e
from batch_deployer.model.deployment import (
    Action,
    ConfirmedState,
    Deployment,
    Operation,
    Outcome,
    ReleaseSpec,
    RollbackStep,
)
from batch_deployer.plan.plan import Plan, budget_totals
from batch_deployer.rules.ownership import THEIRS

KEPT = "the run created it; --delete-created deletes such releases"
_KILLED = "the fate of its write is not known; resume the run first"
_NOT_CONFIRMED = "no poll has confirmed what the run made of it; look at the release by hand"
_NOT_CONFIRMED_YET = "no poll has confirmed yet what its write made; resume the run first"
_NEVER_KNOWN = "the fate of its write was never known; look at the release by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """How to take a run back."""

    plan: Plan
    """Deployments with an `plan_rollback` each; empty when there is nothing to take back."""
    left: Mapping[str, str]
    """Key to reason for what the run changed, or may have changed, and this plan does not take back."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left but what the user chose to keep."""
        return all(why == KEPT for why in self.left.values())

    def without(self, later: Mapping[str, str], note: str) -> "RollbackPlan":
        """The same, but for keys that later runs wrote (key to run); `note` goes into the report."""
        plan = self.plan
        deployments = tuple(each for each in plan.deployments if each.key not in later)
        left = {key: f"run {run} has written it since" for key, run in later.items()}
        kept = replace(plan, deployments=deployments, warnings=(*plan.warnings, note))
        return replace(self, plan=kept, left={**self.left, **left})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What one deployment's events say of its writes."""

    effective: Sequence[tuple[Operation, int]]
    """Writes that took effect, in order, each with the revision seen before it."""
    pending: bool
    """Whether the last write's fate is unknown."""
    outcome: Outcome | None
    cause: str
    confirmed: ConfirmedState | None
    """The release as the last confirmed poll showed it."""
    name: str = ""
    """Name that the cloud gave the release; empty when it is the plan's."""


def plan_rollback(plan: Plan, events: Iterable[e.Event], *, delete_created: bool) -> RollbackPlan:
    """The plan that undoes what `events`, the journal of a run of `plan`, say was changed.

    Upgraded releases return to the revision they had; created ones are deleted only with `delete_created`.
    Each undo names what the run left behind, so that what others changed since is not touched.
    Releases that need others go back before those they need.
    """
    stories: dict[str, list[e.DeploymentEvent]] = {deployment.key: [] for deployment in plan.deployments}
    for event in events:
        if isinstance(event, e.DeploymentEvent) and event.key in stories:
            stories[event.key].append(event)
    undone: list[Deployment] = []
    left: dict[str, str] = {}
    for deployment in plan.deployments:
        verdict = _judge(deployment, _fold(stories[deployment.key]), delete_created=delete_created)
        if isinstance(verdict, RollbackStep):
            undone.append(replace(deployment, undo=verdict, wave=len(plan.waves) - 1 - deployment.wave))
        elif verdict:
            left[deployment.key] = verdict
    # A soak looks for faults of something new; going back brings back what was there before.
    waves = tuple(replace(wave, soak=0.0) for wave in reversed(plan.waves))
    last = len(plan.waves) - 1
    totals = {_mirrored(scope, last): total for scope, total in budget_totals(plan).items()}
    deployments = _dependents_first(undone)
    return RollbackPlan(plan=replace(plan, deployments=deployments, waves=waves, totals=totals, expected={}), left=left)


def _mirrored(scope: str, last: int) -> str:
    """The scope of a budget in a plan whose waves run in reverse."""
    kind, _, number = scope.partition(" ")
    return f"wave {last - int(number)}" if kind == "wave" else scope


def _fold(story: Iterable[e.DeploymentEvent]) -> _Changes:
    effective: list[tuple[Operation, int]] = []
    intent: tuple[Operation, int] | None = None
    outcome: Outcome | None = None
    name = cause = ""
    confirmed: ConfirmedState | None = None
    for event in story:
        if isinstance(event, e.Accepted):
            name = event.name or name
        match event:
            case e.Intended():
                intent = (event.operation, event.revision)
            case e.Accepted() | e.Confirmed() if intent:
                effective.append(intent)
                intent = None
            case e.StepCompleted():
                confirmed = event.confirmed
            case e.Refused() | e.Missing():
                intent = None
            case e.Finished():
                outcome, cause, confirmed = event.outcome, event.fingerprint, event.confirmed
                if event.outcome is Outcome.REJECTED:
                    intent = None
            case _:
                pass
    return _Changes(
        effective=effective, pending=intent is not None, outcome=outcome, cause=cause, confirmed=confirmed, name=name
    )


def _judge(deployment: Deployment, changes: _Changes, *, delete_created: bool) -> RollbackStep | str:
    """How to undo it; or why it is left; or an empty text when the run did not change it."""
    if deployment.release.parameters.dry_run:
        return ""
    if changes.pending and changes.cause == THEIRS:
        return f"{THEIRS} while the run worked on it"
    if changes.pending:
        return _KILLED if changes.outcome is None else _NEVER_KNOWN
    if not changes.effective:
        return ""
    if changes.outcome is None:
        return _NOT_CONFIRMED_YET
    first, baseline = changes.effective[0]
    match first:
        case Operation.CREATE if delete_created:
            return bind(RollbackStep(action=Action.DELETE, name=changes.name), changes.confirmed, changes.cause)
        case Operation.CREATE:
            return KEPT
        case Operation.DELETE:
            return "its earlier revisions were deleted and cannot come back"
        case Operation.UPGRADE | Operation.ROLLBACK:
            if changes.outcome is Outcome.ROLLED_BACK and deployment.undo is None:
                return ""
            plan_rollback = RollbackStep(action=Action.ROLLBACK, revision=baseline, name=changes.name)
            return bind(plan_rollback, changes.confirmed, changes.cause)


def bind(plan_rollback: RollbackStep, confirmed: ConfirmedState | None, cause: str) -> RollbackStep:
    """Bound to what a run left behind; blocked where the run knew that somebody else changed it, or never knew."""
    if cause == THEIRS:
        return replace(plan_rollback, blocked=f"{THEIRS} while the run worked on it")
    if confirmed is None:
        return replace(plan_rollback, blocked=_NOT_CONFIRMED)
    return replace(plan_rollback, expected=confirmed)


def _dependents_first(undone: Sequence[Deployment]) -> tuple[Deployment, ...]:
    """Turn `needs` round: whatever is needed waits for those that need it."""
    needed_by: dict[tuple[str, str], list[ReleaseSpec]] = {}
    for deployment in undone:
        for need in deployment.release.needed:
            needed_by.setdefault((deployment.cluster.id, need), []).append(deployment.release)
    return tuple(
        replace(
            deployment,
            release=replace(
                deployment.release,
                needs=tuple(
                    other.seen_from(deployment.release.namespace)
                    for other in needed_by.get((deployment.cluster.id, deployment.release.qualified_name), ())
                ),
            ),
        )
        for deployment in undone
    )
