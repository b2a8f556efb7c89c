"""What one process is to run."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from batch_deployer import __version__
from batch_deployer.app.secrets import SecretStore
from batch_deployer.model import events as e
from batch_deployer.plan.plan import Plan
from batch_deployer.rules.wall_clock import WindowOpening
from batch_deployer.state.lock.process import this_host
from batch_deployer.state.run_dir import RunDir
from batch_deployer.state.state_dir import StateDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What this process is to run, and where it leaves its traces."""

    plan: Plan
    run_id: str
    state: StateDir
    store: SecretStore
    folder: RunDir | None = None
    """Set for a run that is taken up again."""
    left: Callable[[], tuple[Mapping[str, str], str]] = lambda: ({}, "")
    """Asked once the lock is held: deployments without an outcome that a later run wrote (key to run), which are left as they
    are, and what the report says of it."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What later commands want to know of a new run."""
    wait: bool = False
    """Wait for the lock instead of failing."""
    seed: int | None = None
    """Of the spread of retries; None: by chance."""
    deadline: float | None = None
    """Seconds in which something may be started; None: no deadline."""
    opening: Callable[[], WindowOpening | None] = lambda: None
    """The opening of the maintenance window that it starts in; writes leave only within it."""
    may_start: Callable[[], None] = lambda: None
    """Asked once the lock is held, since waiting for it takes time; raises WindowMissed."""
    simulated: bool = False
    """What is learned from a simulated cloud must not be believed of a real one."""


def run_started(task: Task, *, resumed: bool) -> e.RunStarted:
    """The first event of this process."""
    place = this_host()
    return e.RunStarted(
        at=time.time(),
        run=task.run_id,
        manifest=task.plan.name,
        pid=os.getpid(),
        resumed=resumed,
        version=__version__,
        host=place.host,
        boot=place.boot,
        monotonic=time.monotonic(),
    )
