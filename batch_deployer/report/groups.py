"""Counts of a story: totals, and by wave, cloud and release; failures that share a cause."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from batch_deployer.model.deployment import Outcome
from batch_deployer.report.deployment_history import IN_FLIGHT, DeploymentHistory
from batch_deployer.report.document import Deferred, Failure, Group, NotStartedReason, SlowDeployment, Totals
from batch_deployer.report.rows import reason_of
from batch_deployer.report.run_history import RunHistory, WaveTimes
from batch_deployer.util.text import clean, utc

WORDS = (*(outcome.value for outcome in Outcome), IN_FLIGHT)
"""All that can stand as an outcome in a report."""
_NO_FAILURES = frozenset({Outcome.NOT_STARTED.value, Outcome.DEFERRED.value, IN_FLIGHT})
_MOST_DEFERRED = 1000
_MOST_CLUSTERS = 20


def success_words(story: RunHistory) -> frozenset[str]:
    """The outcomes of this run that are what was wanted."""
    found = {(record.outcome, record.deployment.undo is None): record for record in story.records.values()}
    return frozenset(record.word for record in found.values() if record.succeeded)


def totals(story: RunHistory) -> Totals:
    """Counts over all deployments."""
    outcomes: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    good = writes = refusals = uncertain = 0
    for record in story.records.values():
        outcomes[record.word] += 1
        good += record.succeeded
        actions[record.action] += 1
        writes += record.attempts
        refusals += record.refusals
        uncertain += record.uncertain
    return Totals(
        deployments=len(story.records),
        good=good,
        outcomes={word: outcomes[word] for word in WORDS},
        actions=dict(sorted(actions.items())),
        writes=writes,
        refusals=refusals,
        uncertain=uncertain,
    )


@dataclass(slots=True)
class _Tally:
    outcomes: Counter[str] = field(default_factory=Counter)
    good: int = 0
    started: float | None = None
    ended: float | None = None

    def add(self, word: str, good: bool, started: float | None, ended: float | None) -> None:  # noqa: FBT001 - as it is counted
        self.outcomes[word] += 1
        self.good += good
        if started is not None and (self.started is None or started < self.started):
            self.started = started
        if ended is not None and (self.ended is None or ended > self.ended):
            self.ended = ended

    def group(self, name: str, started: float | None = None, passed: float | None = None) -> Group:
        begin = self.started if started is None else started
        return Group(
            name=clean(name),
            deployments=self.outcomes.total(),
            good=self.good,
            outcomes={word: self.outcomes[word] for word in WORDS if self.outcomes[word]},
            started=None if begin is None else utc(begin),
            ended=None if self.ended is None else utc(self.ended),
            duration=None if begin is None or self.ended is None else round(max(0.0, self.ended - begin), 3),
            passed=None if passed is None else utc(passed),
        )


def groups(story: RunHistory) -> tuple[list[Group], list[Group], list[Group]]:
    """By wave (in order, empty ones included), by cloud, by release (both in plan order)."""
    waves = defaultdict(_Tally, {index: _Tally() for index in range(len(story.waves))})
    clouds: dict[str, _Tally] = defaultdict(_Tally)
    releases: dict[str, _Tally] = defaultdict(_Tally)
    for record in story.records.values():
        deployment, word, good = record.deployment, record.word, record.succeeded
        ended = None if record.outcome in (Outcome.NOT_STARTED, Outcome.DEFERRED) else record.finished
        for tally in (waves[deployment.wave], clouds[deployment.cluster.cloud], releases[deployment.release.label]):
            tally.add(word, good, record.started, ended)
    by_wave = []
    for index, tally in waves.items():
        known = index < len(story.waves)
        name = story.plan.waves[index].name if known else str(index)
        times = story.waves[index] if known else WaveTimes()
        by_wave.append(tally.group(name, times.started, times.passed))
    return (
        by_wave,
        [tally.group(name) for name, tally in clouds.items()],
        [tally.group(name) for name, tally in releases.items()],
    )


def failures(story: RunHistory) -> list[Failure]:
    """Deployments that ended badly, those with one fingerprint and outcome together, most frequent first."""
    found: dict[tuple[str, str], list[DeploymentHistory]] = defaultdict(list)
    for record in story.records.values():
        if not record.succeeded and record.word not in _NO_FAILURES:
            found[record.fingerprint or record.reason, record.word].append(record)
    return sorted(
        (_failure(fingerprint, outcome, records) for (fingerprint, outcome), records in found.items()),
        key=lambda failure: (-failure.count, failure.fingerprint, failure.outcome),
    )


def _failure(fingerprint: str, outcome: str, records: list[DeploymentHistory]) -> Failure:
    clusters = list(dict.fromkeys(clean(record.deployment.cluster.name) for record in records))
    times = [record.finished for record in records if record.finished is not None]
    return Failure(
        fingerprint=clean(fingerprint, 200),
        outcome=outcome,
        count=len(records),
        reason=clean(records[0].reason),
        example=clean(records[0].deployment.key),
        clusters=clusters[:_MOST_CLUSTERS],
        cluster_count=len({record.deployment.cluster.id for record in records}),
        first=utc(min(times)) if times else None,
        last=utc(max(times)) if times else None,
    )


def deferred(story: RunHistory, most: int = _MOST_DEFERRED) -> list[Deferred]:
    """What is set aside, with its cluster's phase and since when."""
    found = (record for record in story.records.values() if record.word == Outcome.DEFERRED)
    return [
        Deferred(
            key=clean(record.deployment.key),
            cluster_name=clean(record.deployment.cluster.name),
            name=clean(record.deployment.release.name),
            cause=str(record.deferral or ""),
            phase=clean(record.phase),
            since=None if record.deferred is None else utc(record.deferred),
            reason=reason_of(story, record),
        )
        for record in islice(found, most)
    ]


def held_back(story: RunHistory, most: int = 20) -> list[NotStartedReason]:
    """Why deployments were not started, most frequent reason first."""
    reasons = Counter(
        reason_of(story, record) for record in story.records.values() if record.word == Outcome.NOT_STARTED
    )
    return [NotStartedReason(reason=reason, count=count) for reason, count in reasons.most_common(most)]


def slowest(records: Iterable[DeploymentHistory], most: int = 10) -> list[SlowDeployment]:
    """The longest from first write to end, of those that were written at all."""
    written = [record for record in records if record.started is not None and record.duration is not None]
    written.sort(key=lambda record: (-(record.duration or 0.0), record.deployment.key))
    return [
        SlowDeployment(
            key=clean(record.deployment.key),
            cluster_name=clean(record.deployment.cluster.name),
            name=clean(record.deployment.release.name),
            outcome=record.word,
            duration=round(record.duration or 0.0, 3),
        )
        for record in written[:most]
    ]
