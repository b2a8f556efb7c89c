"""One limit that several runs share: what the server sees, whatever each of them does and however it ends."""

import heapq
import itertools
import math
import random

import pytest

from batch_deployer.rules.shared_ledger import Member, Mode, SharedLedger
from batch_deployer.rules.shared_limit import (
    AHEAD_SECONDS,
    LEASE_SECONDS,
    USABLE_SECONDS,
    LimitState,
    SlotRequest,
    Usage,
    grant,
)
from batch_deployer.rules.shared_rate_limit import SharedRateLimiter
from batch_deployer.settings import Rate

RATE = Rate(10, 60.0)


class Runner:
    """One run of many calls, over a ledger that others use, too."""

    def __init__(self, ledger, name, rate):
        self.ledger, self.rate = ledger, rate
        self.me = Member(id=0, run=name, process=name, mode=Mode.JOINING, renewed=0.0, rates={})
        self.bucket = SharedRateLimiter(rate)
        self.bucket.usable_until = -math.inf
        self.runs = 1
        self.joined = False

    def exchange(self, now, alive=lambda _process: True, journals=()):
        """`journals`: arrivals that a run that joins reads in them."""
        before, sharing = self.me.id, self.bucket.sharing
        request = self.bucket.request(now, 100, self.runs)
        membership, replies = self.ledger.exchange(
            self.me, {"writes": request}, now, sharing=sharing, begins=not self.joined, alive=alive
        )
        if not (membership.alone or (sharing and membership.ready)):
            self.bucket.unreported(request)
        joins, self.joined = membership.ready and not self.joined, self.joined or membership.ready
        if joins and not membership.sharing:
            for at in [at for at in journals if at > now - 2 * self.rate.period][-self.rate.count :]:
                self.bucket.depart(self.bucket.take(at), at)
        if before and before != self.me.id:
            self.bucket.leave_grants()
        if self.joined and not membership.alone:
            self.bucket.share()
        self.bucket.usable_until = now + USABLE_SECONDS if membership.ready else -math.inf
        self.bucket.take_in(replies["writes"], now)
        self.runs = 1 + len(membership.others)
        return membership


def peak(arrivals, period):
    arrivals = sorted(arrivals)
    first = most = 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] >= period:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("seed", range(80))
def test_whatever_the_runs_do_the_server_never_sees_more_than_the_limit(seed):
    """Runs come and go, hang, die between a call and its answer, and are cut off from the ledger."""
    draw = random.Random(seed)
    rate = draw.choice([RATE, Rate(5, 5.0), Rate(20, 1.0), Rate(3, 20.0)])
    ledger, arrivals, order = SharedLedger(), [], itertools.count()
    dead, agenda = set(), []

    def at(when, what, *args):
        heapq.heappush(agenda, (when, next(order), what, args))

    def start(now):
        runner = Runner(ledger, f"r{next(order)}", rate)
        at(now, exchange, runner)
        at(now, send, runner)
        at(now + draw.uniform(5, 12 * rate.period), end, runner)

    def exchange(now, runner):
        if runner.me.process in dead:
            return
        if draw.random() > 0.02:
            runner.exchange(now, lambda process: process not in dead, arrivals)
        pause = draw.choice([0.05, 0.3, 1.0]) if draw.random() > 0.02 else draw.uniform(4.0, 20.0)
        at(now + pause, exchange, runner)

    def send(now, runner):
        if runner.me.process in dead:
            return
        while runner.bucket.earliest(now) <= now:
            slot = runner.bucket.take(now)
            if runner.bucket.paused(now) or draw.random() < 0.05:
                runner.bucket.abandon(slot, now)
                continue
            runner.bucket.depart(slot, now)
            took = draw.uniform(0.01, 0.2)
            arrivals.append(now + draw.uniform(0.0, 0.004))
            at(now + took, answer, runner, slot, now)
        at(now + draw.uniform(0.01, 0.1), send, runner)

    def answer(now, runner, slot, departed):
        if runner.me.process not in dead:
            runner.bucket.answered(slot, departed, now)
            runner.bucket.admitted(now, departed)

    def end(now, runner):
        if draw.random() < 0.5:
            runner.bucket.share()
            runner.ledger.leave(runner.me.id, {"writes": runner.bucket.request(now, 0, 1)}, now)
        dead.add(runner.me.process)

    keeper = Runner(ledger, "keeper", rate)
    at(0.0, exchange, keeper)
    at(0.0, send, keeper)
    for _ in range(6):
        at(draw.uniform(0.0, 10 * rate.period), start)
    while agenda and agenda[0][0] < 15 * rate.period:
        now, _, what, args = heapq.heappop(agenda)
        what(now, *args)
    assert peak(arrivals, rate.period) <= rate.count
    assert len(arrivals) >= (0.4 if rate.period > 1 else 0.1) * 15 * rate.count


def test_a_run_that_is_alone_holds_nothing_in_the_ledger_and_shares_when_another_comes():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    assert first.exchange(0.0).alone
    for _ in range(4):
        first.bucket.depart(first.bucket.take(0.0), 0.0)
    assert first.exchange(1.0).alone
    assert ledger.limits["writes"].slots == {}
    assert not second.exchange(1.5).ready
    assert second.bucket.earliest(1.5) == math.inf
    assert first.exchange(2.0).others == ("b",)
    assert first.bucket.earliest(2.0) == math.inf
    first.exchange(2.0)
    assert len(ledger.limits["writes"].slots) >= 4
    assert second.exchange(2.1).sharing
    for _ in range(20):
        second.exchange(2.2)
        while second.bucket.earliest(2.2) <= 2.2:
            second.bucket.depart(second.bucket.take(2.2), 2.2)
    assert len(ledger.limits["writes"].slots) == 10


def test_what_is_known_of_a_dead_run_counts_until_its_window_has_passed_and_what_it_did_not_use_does_too():
    ledger = SharedLedger()
    runners = [Runner(ledger, name, RATE) for name in "abc"]
    for _ in range(4):
        for runner in runners:
            runner.exchange(0.0)
    gone, left, _ = runners
    assert gone.bucket.earliest(0.0) <= AHEAD_SECONDS
    gone.bucket.depart(gone.bucket.take(0.0), 0.0)
    left.exchange(1.0, lambda process: process != "a")
    mine = {key: arrived for key, arrived in ledger.limits["writes"].slots.items() if key[0] == gone.me.id}
    assert mine
    assert set(mine.values()) == {1.0}
    left.exchange(1.0 + 60.2)
    assert not [key for key in ledger.limits["writes"].slots if key[0] == gone.me.id]


def test_a_run_that_hung_is_put_out_and_uses_nothing_of_what_it_was_granted():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    for _ in range(3):
        first.exchange(0.0)
        second.exchange(0.0)
    assert first.bucket.earliest(0.1) < 1.0
    assert first.bucket.earliest(USABLE_SECONDS) == math.inf
    assert first.bucket.paused(USABLE_SECONDS)
    second.exchange(LEASE_SECONDS + 0.1)
    assert [member.run for member in ledger.members.values()] == ["b"]
    assert first.exchange(LEASE_SECONDS + 5.0).others == ("b",)
    assert all(each.at >= LEASE_SECONDS for each in first.bucket._grants)


def test_a_rate_that_one_run_learned_and_its_pause_hold_for_all():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    for _ in range(4):
        first.exchange(0.0)
        second.exchange(0.0)
    first.bucket.depart(first.bucket.take(0.0), 0.0)
    first.bucket.throttled(1.0, 30.0, 0.0, 1)
    first.exchange(1.1)
    second.exchange(1.2)
    assert second.bucket.factor == pytest.approx(0.9)
    assert second.bucket.earliest(1.2) >= 31.0
    assert second.exchange(1.3).ready
    assert second.bucket.factor == pytest.approx(0.9)


def test_of_different_limits_the_strictest_holds_for_all_together():
    state = LimitState(releases=[], rates=[Rate(10, 60.0), Rate(3, 10.0)])
    reply = grant(state, SlotRequest(rate=Rate(10, 60.0), wanted=20), 0.0)
    assert len(reply.grants) == 3
    assert reply.next_at > 0.0


def test_a_slot_that_is_given_back_is_free_at_once():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", Rate(1, 60.0)), Runner(ledger, "b", Rate(1, 60.0))
    for now in (0.0, 0.0, 0.0, 0.1):
        first.exchange(now)
        second.exchange(now)
    assert first.bucket.earliest(0.2) <= 0.2
    assert second.bucket.earliest(0.2) == math.inf
    request = first.bucket.request(5.0, 0, 2)
    assert [usage.arrived for usage in request.used] == [None]
    ledger.exchange(first.me, {"writes": request}, 5.0, sharing=True, begins=False, alive=lambda _: True)
    second.exchange(5.1)
    assert second.bucket.earliest(5.2) <= 5.2


def test_after_a_restart_all_calls_count_from_then_and_nobody_is_left():
    ledger = SharedLedger()
    runners = [Runner(ledger, name, RATE) for name in "ab"]
    for _ in range(3):
        for runner in runners:
            runner.exchange(1000.0)
    slots = len(ledger.limits["writes"].slots)
    ledger.restart(5.0)
    assert ledger.members == {}
    assert list(ledger.limits["writes"].slots.values()) == [5.0] * slots


def test_nothing_is_told_twice_and_what_did_not_arrive_is_told_again():
    bucket = SharedRateLimiter(RATE)
    bucket.share()
    bucket.take_in(grant(LimitState(releases=[], rates=[RATE]), SlotRequest(rate=RATE, wanted=2), 0.0), 0.0)
    bucket.depart(bucket.take(0.0), 0.0)
    request = bucket.request(0.1, 0, 1)
    assert [usage.slot for usage in request.used] == [0]
    assert bucket.request(0.1, 0, 1).used == []
    bucket.unreported(request)
    assert bucket.request(0.1, 0, 1).used == [Usage(0, request.used[0].arrived)]


def test_a_run_that_was_put_out_and_finds_that_another_died_alone_waits_for_a_whole_window():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    first.exchange(0.0)
    second.exchange(20.0)  # the first hung
    assert second.bucket.earliest(20.0) == 20.0
    first.exchange(20.5)
    assert first.bucket.earliest(20.5) == math.inf
    first.exchange(21.0, lambda process: process != "b")
    first.exchange(21.1)
    assert first.bucket.earliest(21.1) >= 81.0


def test_a_run_that_finds_itself_alone_counts_what_the_others_left():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    for now in (0.0, 0.0, 0.0, 0.0):
        first.exchange(now)
        second.exchange(now)
    second.bucket.depart(second.bucket.take(0.0), 0.0)
    ledger.leave(second.me.id, {"writes": second.bucket.request(0.1, 0, 2)}, 0.1)
    ledger.leave(first.me.id, {"writes": first.bucket.request(0.1, 0, 2)}, 0.1)
    left = len(ledger.limits["writes"].slots)
    third, sent = Runner(ledger, "c", RATE), 0
    assert third.exchange(1.0).alone
    while third.bucket.earliest(1.0) <= 1.0:
        third.bucket.depart(third.bucket.take(1.0), 1.0)
        sent += 1
    assert 0 < left == 10 - sent


def test_a_call_without_an_answer_counts_as_if_it_arrived_late():
    ledger = SharedLedger()
    first, second = Runner(ledger, "a", RATE), Runner(ledger, "b", RATE)
    for now in (0.0, 0.0, 0.0, 0.0):
        first.exchange(now)
        second.exchange(now)
    slot = first.bucket.take(0.0)
    first.bucket.depart(slot, 0.0)
    first.exchange(1.0)
    assert ledger.limits["writes"].slots[first.me.id, slot] == pytest.approx(6.0)
    first.bucket.answered(slot, 0.0, 1.1)
    first.exchange(2.0)
    assert ledger.limits["writes"].slots[first.me.id, slot] == pytest.approx(1.1)


def test_what_is_learned_during_an_exchange_is_not_undone_by_its_answer():
    bucket = SharedRateLimiter(RATE)
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.request(0.0, 0, 1)
    bucket.throttled(0.1, 5.0, 0.0, 1)
    bucket.take_in(grant(LimitState(releases=[], rates=[RATE]), SlotRequest(rate=RATE), 0.0), 0.2)
    assert bucket.factor == pytest.approx(0.9)
    assert bucket.request(0.3, 0, 1).learned_rate == pytest.approx(0.9 * RATE.per_second)
