"""Why a deployment has not been started: its wave, its needs, an operator, a throttle, or just its turn."""

from collections.abc import Iterator
from dataclasses import dataclass

from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.report.deployment_history import DeploymentHistory, State
from batch_deployer.report.run_history import RunHistory
from batch_deployer.util.text import span, utc

_UNDER_WAY = frozenset({State.SENDING, State.READING_BACK, State.WATCHING})


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that is waited for."""

    what: str
    until: float | None = None
    """Wall time at which it ends or is decided, when that is known."""
    note: str = ""
    """What to add to the time; without a time, what ends the wait."""


def why_not_started(story: RunHistory, record: DeploymentHistory, now: float) -> list[Blocker]:
    """All that holds it now, the strongest first; never empty."""
    found = [
        *_stopped(story),
        *_deferred(record),
        *_wave(story, record, now),
        *_needs(story, record),
        *_throttle(story, record, now),
    ]
    if record.why and record.deferral is None:
        found.append(Blocker(record.why))
    return found or [_turn(story, record)]


def _stopped(story: RunHistory) -> Iterator[Blocker]:
    for halt in story.halted:
        yield Blocker(f"nothing: starting was halted ({halt.scope}) at {utc(halt.at)}: {halt.reason}")
    if story.stopping is not None:
        yield Blocker(f"the run to be resumed: signal {story.stopping.signal} came at {utc(story.stopping.at)}")
    if story.paused is not None:
        yield Blocker(
            f"an operator: the run is paused since {utc(story.paused)}", note="`batch-deployer control RUN continue`"
        )


_ENDS = {
    Deferral.CLUSTER: "the cluster is ready; it is looked at again as long as the run lasts",
    Deferral.OPERATOR: "`batch-deployer control RUN retry KEY`",
    Deferral.NEEDS: "that one is deployed",
    Deferral.CLOUD: "the cloud answers; it is asked again as long as the run lasts",
}


def _deferred(record: DeploymentHistory) -> Iterator[Blocker]:
    if record.deferral is not None:
        since = f" (deferred since {utc(record.deferred)})" if record.deferred is not None else ""
        yield Blocker(f"{record.why}{since}", note=_ENDS[record.deferral])


def _wave(story: RunHistory, record: DeploymentHistory, now: float) -> Iterator[Blocker]:
    wave = record.deployment.wave
    if not 0 < wave < len(story.waves) or story.waves[wave].started is not None:
        if 0 <= wave < len(story.waves) and story.waves[wave].started is None:
            yield Blocker(f"its wave {story.plan.waves[wave].name!r} to start")
        return
    gate = next((index for index in range(wave) if story.waves[index].passed is None), wave - 1)
    spec = story.plan.waves[gate]
    before = [
        other for other in story.records.values() if other.deployment.wave == gate and other.state is not State.DEFERRED
    ]
    ended = [other for other in before if other.state is State.ENDED]
    failed = sum(1 for other in ended if other.outcome is not None and not other.succeeded)
    allowed = "any number" if spec.max_failures is None else str(spec.max_failures.of(len(before)))
    what = (
        f"its wave {story.plan.waves[wave].name!r} to start: wave {spec.name!r} must pass its gate first "
        f"({len(ended)} of {len(before)} ended, {failed} not good, {allowed} allowed"
    )
    if len(ended) < len(before):
        yield Blocker(
            what + ")", note=f"wave {spec.name!r} has ended" + (f" and soaked {span(spec.soak)}" if spec.soak else "")
        )
        return
    soaked = max((other.finished or now for other in ended), default=now) + spec.soak
    yield Blocker(what + f"; soak {span(spec.soak)})", until=soaked, note=" when its soak is over")


def _needs(story: RunHistory, record: DeploymentHistory) -> Iterator[Blocker]:
    deployment = record.deployment
    if not deployment.release.needs:
        return
    for other in story.records.values():
        needed = other.deployment.release.qualified_name in deployment.release.needed
        if needed and not other.succeeded and other.deployment.cluster.id == deployment.cluster.id:
            where = other.word if other.outcome else other.state.value.replace("_", " ")
            yield Blocker(
                f"release {other.deployment.release.seen_from(deployment.release.namespace)!r} on the same cluster, which it needs: {where}"
            )


def _throttle(story: RunHistory, record: DeploymentHistory, now: float) -> Iterator[Blocker]:
    cloud = record.deployment.cluster.cloud
    for bucket in ("writes", "reads"):
        throttling = story.throttles.get((cloud, bucket))
        last = throttling.last if throttling else None
        if last is not None and last.at + last.wait > now:
            said = f": {last.message}" if last.message else ""
            yield Blocker(f"cloud {cloud}: its {bucket} are throttled{said}", until=last.at + last.wait)


def _turn(story: RunHistory, record: DeploymentHistory) -> Blocker:
    """Nothing in particular: a free slot or its turn among the writes of its cloud."""
    cluster = record.deployment.cluster
    mates = [other for other in story.records.values() if other.deployment.cluster.cloud == cluster.cloud]
    busy = [other for other in mates if other.state in _UNDER_WAY]
    here = [
        other.deployment.release.seen_from(record.deployment.release.namespace)
        for other in busy
        if other.deployment.cluster.id == cluster.id
    ]
    limits = story.plan.clouds[cluster.cloud].limits
    on_cluster = sum(1 for other in mates if other.deployment.cluster.id == cluster.id)
    if here and len(here) >= max(1, limits.per_cluster.of(on_cluster)):
        return Blocker(f"its cluster, which is busy with {', '.join(here)} (per_cluster {limits.per_cluster})")
    if busy and len(busy) >= max(1, limits.in_flight.of(len(mates))):
        return Blocker(
            f"a free slot in cloud {cluster.cloud}: {len(busy)} are under way (in_flight {limits.in_flight})"
        )
    queue = sum(1 for other in mates if other.state is State.WAITING and other.outcome is not Outcome.UNCHANGED)
    return Blocker(
        f"its turn among the {queue} of cloud {cluster.cloud} that wait, at most {limits.writes} writes",
        note=f"within about {span(queue / limits.writes.per_second)}, if nothing else holds them",
    )
