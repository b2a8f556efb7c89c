"""The real engine on the virtual clock against a simulated fleet: what `rehearse` runs, and what scenarios are made of."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from batch_deployer.app.null_listener import NullListener
from batch_deployer.clock.virtual import EPOCH, run_virtually, virtual_clock
from batch_deployer.engine.context import Ports
from batch_deployer.engine.engine import Engine, PriorState
from batch_deployer.engine.result import RunResult
from batch_deployer.model.events import Event
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Clock, Control, Fence, Listener
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.in_process import SimulatedApi
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.world import World
from batch_deployer.state.journal.memory import MemoryJournal


class OpenFence:
    """A fence that always lets through: there is nobody to take over in a rehearsal."""

    trouble = ""

    def may_write(self) -> bool:
        """Yes."""
        return True

    def missing(self) -> str:
        """Nothing."""
        return ""

    def overtaken(self) -> bool:
        """No."""
        return False


def placeholder(name: str) -> str:
    """Stand in for a secret: a rehearsal never reads real ones."""
    return f"secret {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRun:
    """How one rehearsal went."""

    ending: RunResult
    events: Sequence[Event]
    fleet: SimulatedProvider
    seconds: float
    """Virtual seconds from start to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalSetup:
    """What a rehearsal may put in place of the defaults."""

    fleet: SimulatedProvider | None = None
    """A fleet that already lived through something; None: a fresh one in which the plan can succeed."""
    history: Sequence[Event] = ()
    """The journal of an earlier part of this run."""
    past: PriorState | None = None
    fence: Fence | None = None
    listener: Listener | None = None
    control: Control | None = None
    epoch: float = EPOCH
    """Wall seconds at the start."""
    clock: Clock | None = None


def play(
    plan: Plan, *, seed: int = 0, faults: Sequence[FaultRule] = (), stage: RehearsalSetup | None = None
) -> RehearsalRun:
    """Run a plan to its end on a fresh virtual clock."""
    return run_virtually(run_rehearsal(plan, seed=seed, faults=faults, stage=stage or RehearsalSetup()))


async def run_rehearsal(plan: Plan, *, seed: int, faults: Sequence[FaultRule], stage: RehearsalSetup) -> RehearsalRun:
    """Run a plan on the running (virtual) loop."""
    clock = stage.clock or virtual_clock(stage.epoch)
    fleet = stage.fleet or SimulatedProvider(World.from_plan(plan), seed=seed, faults=faults)
    journal = MemoryJournal(stage.history)
    ports = Ports(
        apis={name: SimulatedApi(fleet, name, clock) for name in plan.clouds},
        clock=clock,
        journal=journal,
        fence=stage.fence or OpenFence(),
        secrets=placeholder,
        listener=stage.listener or NullListener(),
        draw=random.Random(f"engine {seed}").random,  # noqa: S311 - seeded chance is wanted here, not secrecy
        control=stage.control,
    )
    past = stage.past or PriorState(history=stage.history)
    engine = Engine(plan, ports, past)
    started = clock.monotonic()
    ending = await engine.run()
    return RehearsalRun(ending=ending, events=journal.history(), fleet=fleet, seconds=clock.monotonic() - started)
