"""Reads of one release at its own address: a list that leaves a release out does not prove that it is absent."""

from collections.abc import Mapping

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import ReleaseJob
from batch_deployer.model.api import ReleaseState, ShowRelease
from batch_deployer.model.deployment import key_of
from batch_deployer.rules.release_names import made_from_template
from batch_deployer.rules.responses import Verdict

RECENT_SECONDS = 15.0
"""Age up to which a read that found nothing confirms what a list says."""

UNANSWERED = frozenset({Verdict.TRANSIENT, Verdict.LOCKED, Verdict.UNSETTLED, Verdict.STATE})
"""Verdicts on a read that say nothing about the release; it is read again."""
MAX_FAILED_READS = 6
"""Reads of one address without a usable answer, after which the list alone counts."""


def show_call(track: DeploymentState) -> ShowRelease:
    """The call that reads a deployment's release."""
    cluster_id, namespace = track.deployment.cluster.id, track.deployment.release.namespace
    return ShowRelease(cluster_id=cluster_id, namespace=namespace, name=track.name)


def read_release(run: RunContext, track: DeploymentState, at: float = 0.0) -> None:
    """Schedule a read of the release, unless one is scheduled already; nothing is decided before it is answered."""
    if track.reading:
        return
    track.reading = True
    scheduler, queue = run.locate(track)
    job = ReleaseJob(queue=queue, track=track)
    if at > run.now():
        scheduler.later(at, job)
    else:
        scheduler.ask(job)


def is_absence_confirmed(run: RunContext, track: DeploymentState) -> bool:
    """Whether the release's own address found nothing a moment ago; if not, schedule the read that finds out."""
    if run.now() - track.absence_confirmed_at <= RECENT_SECONDS:
        return True
    read_release(run, track)
    return False


def is_read_first(track: DeploymentState) -> bool:
    """Whether a list alone does not decide that a release is absent, even before the first write.

    A rollback must find what it takes back, lists may leave the provider's namespace out, and a create with `replace`
    would take an existing release over.
    """
    spec = track.deployment.release
    return track.deployment.undo is not None or spec.namespace == "kube-system" or spec.parameters.replace is True


def listed_state(
    run: RunContext, track: DeploymentState, states: Mapping[tuple[str, str], ReleaseState]
) -> ReleaseState | None:
    """State of a deployment's release in a list, also under a name that the cloud made from `name_template`."""
    spec = track.deployment.release
    state = states.get((spec.namespace, track.name))
    if state is not None or spec.parameters.name_template is None or track.name != spec.name:
        return state
    cluster_id, chart_name = track.deployment.cluster.id, run.catalogue(track).chart_name(spec)
    others = (each for each in states.values() if key_of(cluster_id, each.namespace, each.name) not in run.states)
    found = max(made_from_template(spec, chart_name, others), key=lambda each: each.created_at, default=None)
    if found is not None:
        track.name = found.name
    return found
