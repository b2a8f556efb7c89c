"""Whether a release is still the work of our own write, before a deployment goes on with it."""

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.model.api import ReleaseState, Status
from batch_deployer.model.deployment import Action, Operation, Outcome
from batch_deployer.rules.observation import different_times
from batch_deployer.rules.ownership import THEIRS, changed_since, contradiction
from batch_deployer.rules.responses import fingerprint


def differs_from_wanted(run: RunContext, track: DeploymentState, state: ReleaseState) -> str:
    """How chart and values of what runs differ from what is wanted."""
    spec = track.deployment.release
    return run.compare(track, spec, state).reason


def contradicts_sent(run: RunContext, track: DeploymentState, state: ReleaseState | None) -> str:
    """How chart and values prove that what runs is not what the current operation sent; empty without proof."""
    if state is None or track.operation is Operation.DELETE:
        return ""
    if track.operation is Operation.ROLLBACK and track.action is not Action.ADOPT:
        sent = track.return_state
        if sent is None:  # a resumed run has not read the history
            return ""
        return contradiction(
            state, chart_name=sent.chart_name, version=sent.chart_version, values_json=sent.values_json
        )
    spec = track.deployment.release
    name = run.catalogue(track).chart_name(spec)
    return contradiction(state, chart_name=name, version=spec.version, values_json=spec.values_json)


def end_as_theirs(run: RunContext, track: DeploymentState, differs: str, state: ReleaseState | None) -> None:
    """End a deployment because somebody else changed its release; nothing more is sent to it."""
    reason = f"{THEIRS}: {differs}"
    if track.completed_steps and track.reason:
        reason = f"the {track.steps[0]} failed ({track.reason}) and is not rolled back: {THEIRS} since: {differs}"
    run.finish(track, Outcome.FAILED, reason, cause=THEIRS, last=state)


def end_as_conflict(run: RunContext, track: DeploymentState, reason: str, *, last: ReleaseState | None = None) -> None:
    """End a deployment because somebody else's release is in its place."""
    run.finish(track, Outcome.REJECTED, f"conflict: {reason}", cause=fingerprint("conflict", reason), last=last)


def changed_before_rollback(run: RunContext, track: DeploymentState, state: ReleaseState | None) -> tuple[str, bool]:
    """How a release differs from what our failed upgrade left, and whether that may be a stale poll."""
    if state is None or state.status == Status.DELETED:
        return "it is no longer there", True
    if state.status == Status.DELETING:
        return f"it is being deleted ({state.status})", False
    if track.confirmed is None:
        return "", False
    differs = changed_since(track.confirmed, run.confirmed_state(state))
    recreated = different_times(state.created_at, track.confirmed.created_at)
    return differs, bool(differs) and not recreated and state.revision < track.confirmed.revision
