"""Several engines on one project: together they keep its limits and use them."""

import asyncio
import math
import random

import pytest

from batch_deployer.app.null_listener import NullListener
from batch_deployer.app.rehearsal_summary import OpenFence, placeholder
from batch_deployer.clock.system import SystemClock
from batch_deployer.clock.virtual import EPOCH, run_virtually
from batch_deployer.engine.context import Ports
from batch_deployer.engine.engine import Engine
from batch_deployer.errors import JournalError, StateLocked
from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Sent
from batch_deployer.ports import Exchanged
from batch_deployer.rules.shared_ledger import Member, Mode, SharedLedger
from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.in_process import SimulatedApi
from batch_deployer.simulator.provider import SimulatedProvider

TAKES = 0.01
"""Seconds of one exchange."""


class InMemory:
    """ports.SharedLimits of one run, over a ledger that several share."""

    def __init__(self, ledger, run, dead=frozenset(), locked=(0.0, 0.0), error=StateLocked):
        self.error = error
        self.ledger, self.run, self.dead, self.locked = ledger, run, dead, locked
        self.me = Member(id=0, run=run, process=run, mode=Mode.JOINING, renewed=0.0, rates={})
        self.exchanges = 0

    async def exchange(self, requests, *, sharing):
        self.exchanges += 1
        await asyncio.sleep(TAKES)
        now = asyncio.get_running_loop().time()
        if self.locked[0] <= now < self.locked[1]:
            await asyncio.sleep(1.0)
            raise self.error("it is so")
        before = self.me.id
        membership, replies = self.ledger.exchange(
            self.me, requests, now, sharing=sharing, begins=False, alive=lambda process: process not in self.dead
        )
        return Exchanged(
            membership=membership, replies=replies, renewed_at=now, rejoined=bool(before) and before != self.me.id
        )

    async def leave(self, requests):
        self.ledger.leave(self.me.id, requests, asyncio.get_running_loop().time())


class Journal:
    def __init__(self):
        self.events = []

    async def record(self, *events):
        await asyncio.sleep(0.002)
        self.events += events

    def note(self, *events):
        self.events += events

    async def flush(self):
        pass

    def history(self):
        return self.events


class Player:
    """One engine."""

    def __init__(self, name, plan, fleet, ledger, seed, *, api=lambda inner: inner, **more):
        self.name, self.journal = name, Journal()
        self.limits = InMemory(ledger, name, **more)
        clock = SystemClock(EPOCH)
        scope = plan.clouds["sim"].scope
        self.plan = plan
        self.ports = Ports(
            apis={"sim": api(SimulatedApi(fleet, "sim", clock))},
            clock=clock,
            journal=self.journal,
            fence=OpenFence(),
            secrets=placeholder,
            listener=NullListener(),
            draw=random.Random(seed).random,
            shared_limits={scope: self.limits},
        )
        self.ending = None

    async def play(self, after=0.0):
        await asyncio.sleep(after)
        self.engine = Engine(self.plan, self.ports)
        self.ending = await self.engine.run()

    def of(self, kind):
        return [event for event in self.journal.events if isinstance(event, kind)]


def parts(make, number, each, limits):
    """So many plans with clusters of their own, and one with all of them."""
    whole = make.plan(number * each, limits=limits)
    deployments = list(whole.deployments)
    cut = [make.plan(1, limits=limits, deployments=deployments[i * each : (i + 1) * each]) for i in range(number)]
    return whole, cut


def together(make, limits, *, number=3, each=20, starts=(0.0, 0.0, 0.0), fleet_more=None, **more):
    whole, plans = parts(make, number, each, limits)

    async def scenario():
        fleet = SimulatedProvider(make.world(whole, **(fleet_more or {})), seed=1)
        ledger = SharedLedger()
        players = [Player(f"run-{index}", plan, fleet, ledger, index, **more) for index, plan in enumerate(plans)]
        async with asyncio.timeout(86400):
            await asyncio.gather(*(player.play(after) for player, after in zip(players, starts, strict=False)))
        return fleet, players

    return run_virtually(scenario())


def writes(fleet):
    return sorted(entry.at for entry in fleet.ledger.entries if entry.operation == "create")


def used(times, rate):
    """Share of the limit that was used from the first write to the last."""
    lasted = times[-1] - times[0]
    return len(times) / (rate.count * (1 + int(lasted / rate.period)))


@pytest.mark.parametrize("rate", [Rate(10, 60.0), Rate(3, 5.0), Rate(10, 1.0), Rate(7, 90.0)])
@pytest.mark.parametrize("starts", [(0.0, 0.0, 0.0), (0.0, 0.4, 31.0)])
def test_three_engines_never_exceed_a_limit_and_use_nearly_all_of_it(make, rate, starts):
    limits = Limits(writes=rate, reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, players = together(make, limits, starts=starts, each=30)
    assert [player.ending.exit_code for player in players] == [0, 0, 0]
    for bucket, limit in (("writes", rate), ("reads", Rate(20, 1.0))):
        throttle = fleet.throttles["sim", bucket]
        assert (throttle.refused, throttle.peak <= limit.count) == (0, True)
    times = writes(fleet)
    assert len(times) == 90
    bound = (90 - rate.count) / rate.per_second
    assert times[-1] - times[0] <= bound / 0.95 + starts[-1] + 2.0


def test_an_engine_that_is_alone_looks_for_others_once_a_second_and_works_as_without_sharing(make, act):
    limits = Limits(writes=Rate(10, 60.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, (player,) = together(make, limits, number=1, each=40)
    unshared = act(make.plan(40, limits=limits))
    lasted = fleet.ledger.entries[-1].at - EPOCH
    assert writes(fleet) == pytest.approx(writes(unshared.fleet), abs=0.1)
    assert player.limits.exchanges <= 2.0 * lasted
    assert player.of(e.LimitShared) == []


def test_each_engine_names_the_others_while_they_are_there(make):
    limits = Limits(writes=Rate(10, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    _, players = together(make, limits, number=2, starts=(0.0, 5.0), each=30)
    first, second = ([event.runs for event in player.of(e.LimitShared)] for player in players)
    assert first[0] == ("run-1",)
    assert second[0] == ("run-0",)
    assert second[-1] == ()


def test_an_engine_whose_store_is_locked_waits_and_says_so_once(make):
    limits = Limits(writes=Rate(10, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, (player,) = together(make, limits, number=1, each=200, locked=(4.0, 30.0))
    assert player.ending.exit_code == 0
    times = [at - EPOCH for at in writes(fleet)]
    assert not [at for at in times if 4.0 + 6.0 < at < 30.0]
    assert [at for at in times if at > 30.0]
    warned = [event.message for event in player.of(e.Warned)]
    assert len([text for text in warned if "it is waited for" in text]) == 1
    assert fleet.throttles["sim", "writes"].peak <= 10


def test_a_rate_that_one_engine_learned_holds_for_all(make):
    """The server lets 5 a second pass, and 20 are configured; it names no time to wait."""

    class Strict:
        refused = 0
        window: list[float] = []  # noqa: RUF012 - of all runs together

        def __init__(self, inner):
            self.inner = inner

        async def call(self, call, on_sent):
            now = asyncio.get_running_loop().time()
            window = Strict.window
            window[:] = [at for at in window if at > now - 1.0]
            if call.writes and len(window) >= 5:
                on_sent()
                Strict.refused += 1
                return Answer(status=429, sent=Sent.YES, retry_after=1.0)
            window += [now] if call.writes else []
            return await self.inner.call(call, on_sent)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    limits = Limits(writes=Rate(20, 1.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(1000))
    _, players = together(make, limits, each=100, api=Strict)
    assert [player.ending.exit_code for player in players] == [0, 0, 0]
    last = [player.of(e.Measured)[-1].rates["writes"] for player in players]
    assert max(last) <= 12.0
    assert Strict.refused <= 0.25 * 300


def test_a_store_that_breaks_while_an_engine_is_alone_is_a_warning(make):
    limits = Limits(writes=Rate(10, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, (player,) = together(make, limits, number=1, each=200, locked=(4.0, math.inf), error=JournalError)
    assert player.ending.exit_code == 0
    assert writes(fleet)[-1] - EPOCH <= 25.0
    assert "no longer shared" in player.of(e.Warned)[0].message


def test_a_store_that_breaks_while_engines_share_ends_them(make):
    limits = Limits(writes=Rate(10, 60.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, players = together(make, limits, number=2, each=30, locked=(4.0, math.inf), error=JournalError)
    for player in players:
        assert player.ending.exit_code == 1
        assert "cannot be used: it is so" in player.ending.reason
    assert fleet.throttles["sim", "writes"].peak <= 10
    assert writes(fleet)[-1] - EPOCH <= 12.0


def test_a_call_that_has_lost_its_slot_while_it_waited_for_a_connection_is_not_sent(make):
    """As after SIGSTOP between the reservation of a slot and the first byte: the slot may belong to another run by then."""

    class Stalled:
        held_back = 0

        def __init__(self, inner):
            self.inner = inner

        async def call(self, call, on_sent):
            if 4.0 <= asyncio.get_running_loop().time() < 5.0:
                await asyncio.sleep(15.0)
            answer = await self.inner.call(call, on_sent)
            Stalled.held_back += "given to another run" in answer.message
            return answer

        def __getattr__(self, name):
            return getattr(self.inner, name)

    limits = Limits(writes=Rate(10, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(1000))
    fleet, (player,) = together(make, limits, number=1, each=200, locked=(4.0, 30.0), api=Stalled)
    assert player.ending.exit_code == 0
    assert Stalled.held_back > 0
    assert not [at for at in writes(fleet) if 10.0 < at - EPOCH < 30.0]
    assert len(writes(fleet)) == 200
