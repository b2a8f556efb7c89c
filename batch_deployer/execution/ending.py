"""How a run ended: its exit code and one line."""

import signal as signals
from collections import Counter
from dataclasses import dataclass

from batch_deployer.execution.rollout import succeeded
from batch_deployer.execution.run import Run
from batch_deployer.rules.lifecycle import Phase

EXIT_CODES = {"auth": 5, "deadline": 6, "fence": 7, "state": 1}
OVERTAKEN = "another run has taken over the lock while this process was stopped; it writes nothing more"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    exit_code: int
    reason: str = ""
    """One line; empty when all went well."""


def ending_of(run: Run, signal: int) -> Ending:
    """How a run has ended. `signal`: the one that stopped it; 0: none."""
    unfinished = sum(track.phase is not Phase.FINISHED for track in run.tracks.values())
    bad = sum(track.phase is Phase.FINISHED and not succeeded(track) for track in run.tracks.values())
    if signal and unfinished:
        name = signals.Signals(signal).name
        return Ending(128 + signal, f"stopped by {name} with {unfinished} deployments unfinished; resumable")
    if run.halted is None and run.ports.fence.overtaken():
        return Ending(7, OVERTAKEN)
    if run.halted is not None and (unfinished or bad or run.halted.scope in {"fence", "state"}):
        return Ending(EXIT_CODES.get(run.halted.scope, 4), run.halted.reason)
    if run.denied:
        return Ending(5, f"permission is missing; {bad} deployments did not succeed")
    if not bad:
        return Ending(0)
    reasons = Counter(track.reason for track in run.tracks.values() if track.outcome and not succeeded(track))
    (reason, alike), *_ = reasons.most_common(1)
    cause = f": {reason}" if alike == bad else f"; most often: {reason}" if alike > 1 else ""
    return Ending(1, f"{bad} of {len(run.tracks)} deployments did not succeed{cause}")
