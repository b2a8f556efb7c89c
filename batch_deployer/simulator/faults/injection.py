"""Which rule hits which request: matching and chance, both independent of the order in which requests arrive."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from batch_deployer.model.api import Status
from batch_deployer.simulator.faults.rules import ANSWERS, INCIDENTS, WRITE_EFFECTS, Effect, FaultRule
from batch_deployer.simulator.keyed_random import uniform
from batch_deployer.simulator.world.entities import SimCluster


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What one request is about."""

    cloud: str
    kind: str
    cluster_id: str = ""
    cluster_name: str = ""
    namespace: str = ""
    release: str = ""
    chart_id: str = ""
    chart_name: str = ""

    @property
    def identity(self) -> str:
        """Requests with the same identity are attempts at the same thing."""
        return f"{self.kind} {self.cloud} {self.cluster_id}/{self.namespace}/{self.release}"


class OperationOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a write that takes effect."""

    final: Status | None = None
    """Instead of success."""
    stuck: bool = False
    stale: float = 0.0
    """Simulated seconds for which readers lag."""
    collide: bool = False
    later: tuple[tuple[Effect, float], ...] = ()
    """Incidents and when they happen, simulated seconds after the write."""


_CALM = OperationOutcome()
_FINALS = {Effect.FAIL: Status.FAILED, Effect.UNKNOWN: Status.UNKNOWN}
_PER_CLUSTER = (Effect.UNREACHABLE, Effect.FORBIDDEN)


class FaultInjector:
    """The rules of a fleet, each with a name that keys its chance."""

    def __init__(self, seed: int | str, rules: Sequence[FaultRule]) -> None:
        """The order of the rules is their rank."""
        self.seed = seed
        self.rules = tuple(rules)
        named = [(rule.name or f"{rule.effect}#{number}", rule) for number, rule in enumerate(rules)]
        self._answers = [(name, rule) for name, rule in named if rule.effect in ANSWERS]
        self._fates = [(name, rule) for name, rule in named if rule.effect in WRITE_EFFECTS]
        self._phases = [(name, rule) for name, rule in named if rule.effect == Effect.PHASE]

    def answer(self, subject: Subject, attempt: int, elapsed: float) -> FaultRule | None:
        """The first rule that spoils the answer to this attempt, if any."""
        for name, rule in self._answers:
            about = (subject.cluster_id, 0) if rule.effect in _PER_CLUSTER else (subject.identity, attempt)
            if _hits(rule, subject, attempt, elapsed) and self._happens(rule, name, *about):
                return rule
        return None

    def outcome(self, subject: Subject, attempt: int, elapsed: float, revision: int) -> OperationOutcome:
        """What becomes of the write that makes this revision; drawn per revision, so a repeated write fares alike."""
        if not self._fates:
            return _CALM
        final: Status | None = None
        stuck = collide = False
        stale = 0.0
        later: list[tuple[Effect, float]] = []
        for name, rule in self._fates:
            if not (_hits(rule, subject, attempt, elapsed) and self._happens(rule, name, subject.identity, revision)):
                continue
            if rule.effect in _FINALS:
                final = final or _FINALS[rule.effect]
            elif rule.effect in INCIDENTS:
                later.append((rule.effect, rule.duration))
            stuck = stuck or rule.effect == Effect.STUCK
            collide = collide or rule.effect == Effect.ALLOW_COLLISION
            stale = max(stale, rule.duration) if rule.effect == Effect.STALE else stale
        return OperationOutcome(final=final, stuck=stuck, stale=stale, collide=collide, later=tuple(later))

    def phase(self, cluster: SimCluster, elapsed: float) -> str:
        """The phase that a cluster is in."""
        for name, rule in self._phases:
            if (
                rule.open(elapsed)
                and _globs(rule.cloud, cluster.cloud)
                and _globs(rule.cluster, cluster.id, cluster.name)
                and self._happens(rule, name, cluster.id, 0)
            ):
                return rule.phase
        return cluster.phase

    def _happens(self, rule: FaultRule, name: str, about: str, number: int) -> bool:
        return rule.probability >= 1 or uniform(self.seed, "fault", name, about, number) < rule.probability


def _hits(rule: FaultRule, subject: Subject, attempt: int, elapsed: float) -> bool:
    return (
        rule.covers(subject.kind)
        and rule.open(elapsed)
        and rule.counts(attempt)
        and _globs(rule.cloud, subject.cloud)
        and _globs(rule.cluster, subject.cluster_id, subject.cluster_name)
        and _globs(rule.release, f"{subject.namespace}/{subject.release}", subject.release)
        and _globs(rule.chart, subject.chart_id, subject.chart_name)
        and (rule.effect not in _PER_CLUSTER or bool(subject.cluster_id))
    )


def _globs(pattern: str, *texts: str) -> bool:
    """Whether any text that is there matches; the pattern `*` matches even when none is."""
    return pattern == "*" or any(text.strip("/") and fnmatchcase(text, pattern) for text in texts)
