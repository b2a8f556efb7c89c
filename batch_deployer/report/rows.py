"""One report row for each deployment of a story."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice

from batch_deployer.report.deployment_history import DeploymentHistory, State
from batch_deployer.report.document import DeploymentRow, Epochs, Times
from batch_deployer.report.run_history import RunHistory
from batch_deployer.util.text import clean, utc

_KEPT = 10_000
"""Rows that are kept for the next format; more would outweigh what making them anew costs."""


class Rows:
    """The rows of a story that does not change meanwhile. Each is made once, unless there are too many to keep."""

    def __init__(self, story: RunHistory) -> None:
        """Nothing is made yet."""
        self._story = story
        self._made: dict[str, DeploymentRow] | None = {} if len(story.records) <= _KEPT else None

    def __iter__(self) -> Iterator[DeploymentRow]:
        """Every deployment of the plan exactly once, in plan order."""
        return map(self.of, self._story.records.values())

    def failures_first(self, good: frozenset[str], most: int) -> Iterator[DeploymentRow]:
        """At most `most` deployments, those first whose outcome is not among the `good` ones; else in plan order."""
        records = self._story.records.values()
        bad = (record for record in records if record.word not in good)
        fine = (record for record in records if record.word in good)
        return map(self.of, islice(chain(bad, fine), most))

    def of(self, record: DeploymentHistory) -> DeploymentRow:
        """The row of one deployment."""
        made = self._made
        if made is None:
            return row(self._story, record)
        key = record.deployment.key
        line = made.get(key)
        if line is None:
            line = made[key] = row(self._story, record)
        return line


def row(story: RunHistory, record: DeploymentHistory) -> DeploymentRow:
    """What a report says of one deployment; all foreign text cleaned."""
    deployment = record.deployment
    release, cluster = deployment.release, deployment.cluster
    return DeploymentRow(
        key=clean(deployment.key),
        cluster_id=shared(cluster.id),
        cluster_name=shared(cluster.name),
        cloud=shared(cluster.cloud),
        namespace=shared(release.namespace),
        name=shared(release.name),
        chart=shared(release.chart.name or release.chart.id),
        version=shared(release.version),
        wave=shared(wave_name(story, deployment.wave)),
        action=record.action,
        outcome=record.word,
        state=str(record.state),
        status=clean(record.status),
        phase=shared(record.phase),
        deferred_since=_utc(record.deferred),
        revision=record.revision,
        attempts=record.attempts,
        refusals=record.refusals,
        uncertain=record.uncertain,
        times=Times(
            planned=_utc(record.planned),
            started=_utc(record.started),
            accepted=_utc(record.accepted),
            finished=_utc(record.finished),
        ),
        epochs=Epochs(
            planned=record.planned, started=record.started, accepted=record.accepted, finished=record.finished
        ),
        duration=_rounded(record.duration),
        install_duration=_rounded(record.install_duration),
        reason=reason_of(story, record),
        fingerprint=clean(record.fingerprint),
        request_ids=[clean(request_id) for request_id in record.request_ids.splitlines()],
    )


@lru_cache(maxsize=1024)
def shared(text: str) -> str:
    """A text that many deployments share, cleaned."""
    return clean(text)


def wave_name(story: RunHistory, wave: int) -> str:
    """The name of a wave by its index."""
    waves = story.plan.waves
    return waves[wave].name if 0 <= wave < len(waves) else str(wave)


def reason_of(story: RunHistory, record: DeploymentHistory) -> str:
    """Why it ended so; for one that has no outcome, where it was left and what that means."""
    if record.state is State.ENDED:
        return clean(record.reason)
    if record.state is State.WAITING:
        held = record.why or (story.halted[-1].reason if story.halted else "")
        left = "not started yet" if story.alive else "not started before the run ended"
        return clean(f"{left}: {held}" if held else left)
    if record.state is State.DEFERRED:
        return clean(record.why)
    operation = record.operation.value if record.operation else "release"
    left = {
        State.SENDING: f"the {operation} may have left; nothing is known of it until it is read back",
        State.REFUSED: f"the last {operation} was not executed ({record.why}); another try was due",
        State.READING_BACK: f"the {operation} may have been executed ({record.why}); it must be read back",
        State.WATCHING: f"the cloud was still at work on it (last status {record.status or 'not seen yet'})",
        State.BETWEEN: f"the {operation} is done, the next step was not sent yet",
    }[record.state]
    return clean(left)


def _utc(at: float | None) -> str | None:
    return None if at is None else utc(at)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
