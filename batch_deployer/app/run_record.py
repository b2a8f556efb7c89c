"""What a run records of itself besides the work: what it leaves alone, what failed, how it ended."""

import time
from collections.abc import Callable, Mapping

from batch_deployer.app.listeners import EventListeners
from batch_deployer.app.shortages import shortage_behind
from batch_deployer.engine.result import RunResult
from batch_deployer.errors import AuthFailed, BatchDeployerError
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Outcome
from batch_deployer.state.journal.sqlite import SqliteJournal


async def record_end(journal: SqliteJournal, audience: EventListeners, ending: RunResult, *before: e.RunEvent) -> None:
    """Record how the run ended, and what is to be told before that."""
    last = (*before, e.RunFinished(at=time.time(), exit_code=ending.exit_code, reason=ending.reason))
    await journal.record(*last)
    for event in last:
        audience.on_event(event)


async def record_failure(
    journal: SqliteJournal, audience: EventListeners, error: BatchDeployerError, redact: Callable[[str], str]
) -> None:
    """Record that an error ended the run."""
    reason = redact(str(error))
    scope = "auth" if isinstance(error, AuthFailed) else "run"
    halted = e.Halted(at=time.time(), scope=scope, reason=reason)
    await record_end(journal, audience, RunResult(error.exit_code, reason), halted)


async def record_left(journal: SqliteJournal, audience: EventListeners, left: Mapping[str, str]) -> None:
    """Give deployments (key to run) that a later run has written since their outcome."""
    ended = [
        e.Finished(
            at=time.time(),
            key=key,
            outcome=Outcome.NOT_STARTED,
            reason=f"left as it is: run {run} has written it since",
        )
        for key, run in left.items()
    ]
    await journal.record(*ended)
    for event in ended:
        audience.on_event(event)


def failure_after_the_end(error: Exception, redact: Callable[[str], str]) -> str:
    """A warning of what failed once the end of the run had been recorded."""
    why = shortage_behind(error) or f"{type(error).__name__}: {error}"
    return f"after the end of the run: {redact(why)}"
