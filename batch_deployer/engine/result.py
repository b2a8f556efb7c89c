"""How a run ended: its exit code and one line."""

import signal as signals
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.rollout import succeeded
from batch_deployer.errors import IllegalTransition
from batch_deployer.model.deployment import Outcome
from batch_deployer.rules.lifecycle import Phase

MAX_NAMED = 5
"""Deployments that one message names."""
EXIT_CODES = {"auth": 5, "deadline": 6, "fence": 7, "limits": 1, "state": 1}
OVERTAKEN = "another run has taken over the lock while this process was stopped; it writes nothing more"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    exit_code: int
    reason: str = ""
    """One line; empty when all went well."""


def result_of(run: RunContext, signal: int) -> RunResult:
    """How a run has ended. `signal`: the one that stopped it; 0: none."""
    unfinished = sum(track.phase is not Phase.FINISHED for track in run.states.values())
    deferred = [track for track in run.states.values() if track.outcome is Outcome.DEFERRED]
    bad = sum(track.phase is Phase.FINISHED and not succeeded(track) for track in run.states.values()) - len(deferred)
    if signal and unfinished:
        name = signals.Signals(signal).name
        return RunResult(128 + signal, f"stopped by {name} with {unfinished} deployments unfinished; resumable")
    if run.halted is None and run.ports.fence.overtaken():
        return RunResult(7, OVERTAKEN)
    if run.halted is not None and (unfinished or bad or run.halted.scope in {"fence", "state", "deferred"}):
        return RunResult(EXIT_CODES.get(run.halted.scope, 4), run.halted.reason)
    if run.denied:
        return RunResult(5, f"permission is missing; {bad} deployments did not succeed")
    if not bad:
        return _of_deferred(deferred, len(run.states))
    failed = (track for track in run.states.values() if track.outcome is not Outcome.DEFERRED)
    reasons = Counter(track.reason for track in failed if track.outcome and not succeeded(track))
    (reason, alike), *_ = reasons.most_common(1)
    cause = f": {reason}" if alike == bad else f"; most often: {reason}" if alike > 1 else ""
    return RunResult(1, f"{bad} of {len(run.states)} deployments did not succeed{cause}")


def raise_endless_wait(run: RunContext) -> NoReturn:
    """Raise IllegalTransition that names what can never start: holding the lock for ever would help nobody."""
    stuck = [track.deployment for track in run.states.values() if track.phase is not Phase.FINISHED]
    named = ", ".join(f"{each.cluster.name}/{each.release.qualified_name}" for each in stuck[:MAX_NAMED])
    more = f" and {len(stuck) - MAX_NAMED:,} more" if len(stuck) > MAX_NAMED else ""
    raise IllegalTransition(f"nothing is under way or due, and these deployments can never start: {named}{more}")


def _of_deferred(deferred: Sequence[DeploymentState], total: int) -> RunResult:
    """How a run ended of which nothing failed."""
    if not deferred:
        return RunResult(0)
    why = Counter(track.reason for track in deferred).most_common(1)[0][0]
    cause = f"{why}" if all(track.reason == why for track in deferred) else f"most often: {why}"
    if len(deferred) == total:
        return RunResult(1, f"nothing was deployed: all {total:,} deployments are deferred ({cause})")
    return RunResult(0, f"{len(deferred):,} of {total:,} deployments are deferred ({cause}); all others are as wanted")
