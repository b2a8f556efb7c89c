"""Reads of one release at its own address: a list that leaves a release out does not prove that it is absent."""

from collections.abc import Mapping

from batch_deployer.execution.jobs import ReleaseJob
from batch_deployer.execution.run import Run
from batch_deployer.execution.track import Track
from batch_deployer.model.api import ReleaseState
from batch_deployer.model.deployment import key_of
from batch_deployer.rules.release_names import made_from_template

RECENT_SECONDS = 15.0
"""Age up to which a read that found nothing confirms what a list says."""


def read_release(run: Run, track: Track, at: float = 0.0) -> None:
    """Schedule a read of the release, unless one is scheduled already; nothing is decided before it is answered."""
    if track.reading:
        return
    track.reading = True
    board, queue = run.place(track)
    job = ReleaseJob(queue=queue, track=track)
    if at > run.now():
        board.later(at, job)
    else:
        board.ask(job)


def is_absence_confirmed(run: Run, track: Track) -> bool:
    """Whether the release's own address found nothing a moment ago; if not, schedule the read that finds out."""
    if run.now() - track.absence_confirmed_at <= RECENT_SECONDS:
        return True
    read_release(run, track)
    return False


def listed_state(run: Run, track: Track, states: Mapping[tuple[str, str], ReleaseState]) -> ReleaseState | None:
    """State of a deployment's release in a list, also under a name that the cloud made from `name_template`."""
    spec = track.deployment.release
    state = states.get((spec.namespace, track.name))
    if state is not None or spec.parameters.name_template is None or track.name != spec.name:
        return state
    cluster_id, chart_name = track.deployment.cluster.id, run.catalogue(track).chart_name(spec)
    others = (each for each in states.values() if key_of(cluster_id, each.namespace, each.name) not in run.tracks)
    found = max(made_from_template(spec, chart_name, others), key=lambda each: each.created_at, default=None)
    if found is not None:
        track.name = found.name
    return found
