"""The real engine on the virtual clock, with a hand on everything that a scenario wants to break.

`rehearsal.play` is what users get. This stage has trapdoors beside: a process that dies at a chosen journal record or
call, a journal whose last commits are lost, a wall clock that jumps, and a log of every call.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batch_deployer.app.null_listener import NullListener
from batch_deployer.app.rehearsal_summary import OpenFence, placeholder
from batch_deployer.clock.system import SystemClock
from batch_deployer.clock.virtual import EPOCH, run_virtually
from batch_deployer.engine.context import Ports
from batch_deployer.engine.engine import Engine, PriorState
from batch_deployer.engine.result import RunResult
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Call
from batch_deployer.plan.plan import Plan
from batch_deployer.rules.recent_writes import arrivals
from batch_deployer.rules.wall_clock import set_ahead_since
from batch_deployer.simulator.in_process import SimulatedApi
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.world import World

COMMIT = 0.002
"""Seconds that a commit of the journal takes: long enough for other lanes to run in between."""
AT_GATEWAY = 0.006
"""Seconds after a call's start at which it has been executed and its answer is still on the way."""

ENDLESS = 7 * 86400.0
"""A run that has not ended after so many virtual seconds never will: TimeoutError."""


class Crash(BaseException):
    """The process is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """Where the process dies: at the n-th (from 1) journal entry, or at some moment of the n-th call."""

    moment: str
    """`entry` (before it is taken), `commit` (durable, nothing sent yet), `unsent`, `sent` (reply lost) or `replied`."""
    number: int
    luck: float = 0.0
    """Share of the entries after the last commit that survive (they may, a power loss takes them all)."""


@dataclass(slots=True)
class Death:
    """Counts towards a trap. Once sprung, nothing is taken or sent any more."""

    trap: Trap | None
    entries: int = 0
    calls: int = 0
    sprung: bool = False

    def check(self, moment: str, number: int) -> None:
        """Die here if the trap says so, or if death has come already."""
        trap = self.trap
        if trap is not None and trap.moment == moment and trap.number == number:
            self.sprung = True
        if self.sprung:
            raise Crash


class MortalJournal:
    """ports.Journal that knows what a power loss would leave of it."""

    def __init__(self, events: Sequence[e.Event], death: Death) -> None:
        self.events = list(events)
        self.durable = len(self.events)
        self._death = death

    async def record(self, *events: e.Event) -> None:
        self.note(*events)
        number = self._death.entries
        await asyncio.sleep(COMMIT)
        self._death.check("", 0)
        self.durable = len(self.events)
        self._death.check("commit", number)

    def note(self, *events: e.Event) -> None:
        for event in events:
            self._death.entries += 1
            self._death.check("entry", self._death.entries)
            self.events.append(event)

    async def flush(self) -> None:
        self._death.check("", 0)
        self.durable = len(self.events)

    def history(self) -> Sequence[e.Event]:
        return list(self.events)

    def survivors(self, luck: float) -> Sequence[e.Event]:
        """What is left after a power loss."""
        return self.events[: self.durable + round(luck * (len(self.events) - self.durable))]


class JumpyClock(SystemClock):
    """The wall jumps: at each (virtual seconds, by) it is set forwards or backwards. Durations are not touched."""

    def __init__(self, epoch: float, jumps: Sequence[tuple[float, float]] = ()) -> None:
        super().__init__(epoch)
        self._jumps = tuple(jumps)

    def wall(self) -> float:
        now = self.monotonic()
        return super().wall() + sum(by for at, by in self._jumps if at <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call as it left."""

    number: int
    """From 1, in the order of leaving; traps count alike."""
    at: float
    """Virtual seconds."""
    cloud: str
    call: Call
    answer: Answer


class LoggedApi:
    """ports.Api that writes down every call and may take the process with it."""

    def __init__(self, inner: Any, cloud: str, log: list[Called], death: Death) -> None:
        self._inner = inner
        self._cloud = cloud
        self._log = log
        self._death = death

    async def call(self, call: Call, on_sent: Callable[[], None]) -> Answer:
        death, loop = self._death, asyncio.get_running_loop()
        death.calls += 1
        number, at = death.calls, loop.time()
        death.check("unsent", number)
        if death.trap is not None and death.trap.moment == "sent" and death.trap.number == number:
            task = asyncio.ensure_future(self._inner.call(call, on_sent))
            await asyncio.sleep(AT_GATEWAY)
            task.cancel()
            death.check("sent", number)
        answer = await self._inner.call(call, on_sent)
        self._log.append(Called(number=number, at=at, cloud=self._cloud, call=call, answer=answer))
        death.check("replied", number)
        return answer

    async def renew(self, credential: int) -> None:
        await self._inner.renew(credential)

    async def close(self) -> None:
        await self._inner.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """How it went."""

    ending: RunResult | None
    """None: the process died."""
    events: Sequence[e.Event]
    """What the journal holds; after a death, what survived it."""
    fleet: SimulatedProvider
    calls: Sequence[Called]
    seconds: float
    ended_at: float
    """True wall seconds at the end, jumps left out."""
    entries: int
    """Journal entries of this process."""
    engine: Engine | None
    """None when the process died before it had one."""

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Key to (outcome, reason), from the journal alone."""
        return {event.key: (str(event.outcome), event.reason) for event in self.events if isinstance(event, e.Finished)}

    def finishes(self) -> dict[str, float]:
        """Key to the wall seconds at which it got its outcome."""
        return {event.key: event.at for event in self.events if isinstance(event, e.Finished)}

    def of(self, kind: type) -> list[Any]:
        """All events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def sent(self, kind: str) -> list[Called]:
        """All calls of one kind."""
        return [called for called in self.calls if called.call.kind == kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """What a scenario may put in place of the defaults."""

    fleet: SimulatedProvider | None = None
    world: World | None = None
    faults: Sequence[Any] = ()
    history: Sequence[e.Event] = ()
    past: PriorState | None = None
    epoch: float = EPOCH
    jumps: Sequence[tuple[float, float]] = ()
    """(virtual seconds, by): when the wall clock jumps, and how far."""
    trap: Trap | None = None
    fence: Any = None
    control: Any = None
    opening: Any = None
    """Opening of a maintenance window."""
    listener: Any = None
    secrets: Callable[[str], str] = placeholder
    api: Callable[[Any, str], Any] = lambda inner, _: inner
    """Wraps the simulated API of a cloud."""
    at: Mapping[float, Callable[[Engine, SimulatedProvider], None]] = field(default_factory=dict)
    """Virtual seconds to what happens then."""


def act(plan: Plan, *, seed: int = 0, **props: Any) -> Show:
    """Play a plan to its end, or to its process's death."""
    return run_virtually(_act(plan, seed, Props(**props)))


def resume(plan: Plan, show: Show, *, seed: int = 0, after: float = 30.0, **props: Any) -> Show:
    """Go on with what is left of an earlier show, so many seconds after its end."""
    epoch = show.ended_at + after
    off = sum(by for at, by in props.get("jumps", ()) if at <= 0)
    past = PriorState(history=show.events, recent_writes=_recent(plan, show.events, off))
    # Each part of a real run begins with its start; the one that is played begins with the clock as it is now.
    started = e.RunStarted(at=epoch + off, run="r", manifest=plan.name, resumed=True, boot=BOOT, monotonic=epoch)
    history = (*show.events, started)
    return act(plan, seed=seed, fleet=show.fleet, history=history, past=past, epoch=epoch, **props)


BOOT = "one"
"""All parts run within one boot; what is true of the wall is its monotonic time."""


def _recent(plan: Plan, events: Sequence[e.Event], off: float) -> Mapping[str, Sequence[float]]:
    """The writes in a journal, by cloud, as the state folder gives them to the next process. `off`: error of the wall now."""
    cloud_of = {each.key: each.cluster.cloud for each in plan.deployments}
    times: dict[str, list[float]] = {name: [] for name in plan.clouds}
    first = e.RunStarted(at=0.0, run="r", manifest=plan.name, boot=BOOT)
    ahead = set_ahead_since((first, *events), BOOT, off)
    for intent, until in arrivals(reversed(events)):
        times[cloud_of[intent.key]].append(until + ahead)
    return times


async def _act(plan: Plan, seed: int, props: Props) -> Show:
    loop = asyncio.get_running_loop()
    true_clock = SystemClock(props.epoch)
    fleet = props.fleet or SimulatedProvider(props.world or World.from_plan(plan), seed=seed, faults=props.faults)
    death = Death(props.trap)
    journal = MortalJournal(props.history, death)
    log: list[Called] = []
    apis = {name: props.api(SimulatedApi(fleet, name, true_clock), name) for name in plan.clouds}
    ports = Ports(
        apis={name: LoggedApi(api, name, log, death) for name, api in apis.items()},
        clock=JumpyClock(props.epoch, props.jumps),
        journal=journal,
        fence=props.fence or OpenFence(),
        secrets=props.secrets,
        listener=props.listener or NullListener(),
        draw=random.Random(f"engine {seed}").random,
        control=props.control,
        opening=props.opening,
    )
    ending = None
    engine = None
    try:
        # What a kill has kept from the journal of an earlier part is written as the engine is made.
        engine = Engine(plan, ports, props.past or PriorState(history=props.history))
        for seconds, happen in props.at.items():
            loop.call_later(seconds, happen, engine, fleet)
        async with asyncio.timeout(ENDLESS):
            ending = await engine.run()
    except Crash:
        death.sprung = True
    return Show(
        ending=ending,
        events=journal.history() if ending else journal.survivors(props.trap.luck if props.trap else 0.0),
        fleet=fleet,
        calls=log,
        seconds=loop.time(),
        ended_at=true_clock.wall(),
        entries=death.entries,
        engine=engine,
    )
