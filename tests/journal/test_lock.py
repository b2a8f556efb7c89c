"""One run of a manifest at a time, across crashes, suspensions and clock jumps."""

import asyncio
import dataclasses
import os
import signal
import threading
import time

import pytest

from batch_deployer.errors import BadInput, JournalError, LockHeld
from batch_deployer.journal.lease import Lease, margin
from batch_deployer.journal.lock import RunLock
from batch_deployer.journal.machine import Place, Stamp, born, here, is_alive, stamp
from batch_deployer.journal.shared import SharedState
from batch_deployer.settings import LeaseSettings

DEFAULT = LeaseSettings()
QUICK = LeaseSettings(length=0.6, heartbeat=0.05)
STEADY = LeaseSettings(length=30.0, heartbeat=0.02)
HOME = Place(host="h", boot="b", space="s")

HOLDER = """
import asyncio, sys
from pathlib import Path
from batch_deployer.journal.lock import RunLock
from batch_deployer.journal.shared import SharedState
from batch_deployer.settings import LeaseSettings

async def hold():
    length, heartbeat = map(float, sys.argv[2:4])
    settings = LeaseSettings(length=length, heartbeat=heartbeat)
    async with RunLock(SharedState(Path(sys.argv[1])), "nightly", "first", settings, length / 4).hold() as fence:
        # Each line asked for is one answer, given at once.
        print("held", flush=True)
        for _ in sys.stdin:
            print(fence.may_write(), flush=True)

asyncio.run(hold())
"""


@pytest.fixture
def shared(tmp_path):
    return SharedState(tmp_path / "state.db")


@pytest.fixture
def holder(python, shared):
    """`holder(settings)`: another process that holds the lock of `nightly` as run `first`."""

    def start(settings=DEFAULT):
        child = python(HOLDER, shared.path, settings.length, settings.heartbeat)
        assert child.stdout.readline() == "held\n", child.stderr.read()
        return child

    return start


def ask(child):
    child.stdin.write("\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def lock(shared, run="second", settings=DEFAULT, name="nightly", **more):
    return RunLock(shared, name, run, settings, settings.length / 4, **more)


async def until(happened):
    """Wait for what a thread or another process does."""
    while not happened():  # noqa: ASYNC110 - neither can set an event of ours
        await asyncio.sleep(0.01)


async def hold_once(lock, **how):
    async with lock.hold(**how) as fence:
        return fence.may_write()


def test_a_free_lock_is_taken_and_permits_writes_until_it_is_left(shared):
    async def hold():
        async with lock(shared).hold() as fence:
            inside = fence.may_write()
        return inside, fence.may_write()

    assert asyncio.run(hold()) == (True, False)
    assert shared.lease("nightly") is None


def test_a_lock_that_is_held_says_by_whom_since_when_until_when_and_what_to_do(shared, holder):
    child = holder()
    with pytest.raises(LockHeld) as caught:
        asyncio.run(hold_once(lock(shared)))
    message = str(caught.value)
    assert message.startswith(
        f"nightly is being run already: run first, process {child.pid} on {here().host}, since 20"
    )
    assert ", lease until 20" in message
    assert "batch-deployer status first" in message
    assert "--overlap wait" in message
    assert "\n" not in message


def test_another_manifest_has_a_lock_of_its_own(shared, holder):
    holder()
    assert asyncio.run(hold_once(lock(shared, name="weekly")))


def test_one_process_does_not_hold_a_lock_twice(shared):
    async def twice():
        async with lock(shared, "one").hold():
            return await hold_once(lock(shared, "two"))

    with pytest.raises(LockHeld, match="run one"):
        asyncio.run(twice())


def test_many_who_want_a_lock_at_once_get_it_one_at_a_time(shared):
    inside, most = 0, 0

    async def want(number):
        nonlocal inside, most
        async with lock(shared, f"run-{number}", STEADY).hold(wait=True):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def all_want():
        await asyncio.gather(*(want(number) for number in range(5)))

    asyncio.run(all_want())
    assert most == 1


def test_the_lock_of_a_killed_holder_is_free_at_once(shared, holder):
    child = holder()
    child.kill()
    child.wait()
    assert asyncio.run(hold_once(lock(shared)))


def test_the_lock_of_a_killed_holder_is_free_even_while_its_parent_has_not_noticed(shared, holder):
    child = holder()
    os.kill(child.pid, signal.SIGKILL)
    while born(child.pid):
        pass
    assert asyncio.run(hold_once(lock(shared)))


def test_a_stopped_holder_keeps_its_lease_but_not_longer_and_never_writes_again(shared, holder):
    child = holder(QUICK)
    while ask(child) != "True":
        pass
    child.send_signal(signal.SIGSTOP)
    held = shared.lease("nightly")
    assert not held.free(here(), held.renewed, is_alive)

    async def take_over():
        async with lock(shared, settings=STEADY).hold(wait=True) as fence:
            child.send_signal(signal.SIGCONT)
            first = ask(child)
            # Its heartbeat wakes as well, and finds the lease gone for good.
            await asyncio.sleep(4 * QUICK.heartbeat)
            return first, ask(child), fence.may_write()

    assert asyncio.run(take_over()) == ("False", "False", True)
    assert ask(child) == "False"


def test_a_stopped_holder_whose_lease_nobody_took_goes_on(shared, holder):
    child = holder(QUICK)
    child.send_signal(signal.SIGSTOP)
    while not (held := shared.lease("nightly")).expired(here(), stamp()):
        time.sleep(0.01)
    child.send_signal(signal.SIGCONT)
    while shared.lease("nightly").renewed == held.renewed:
        time.sleep(0.01)
    while ask(child) != "True":
        pass


def test_waiting_ends_when_the_holder_leaves(shared, holder):
    child = holder(STEADY)

    async def wait():
        waiting = asyncio.ensure_future(lock(shared, settings=STEADY).wait())
        await asyncio.sleep(5 * STEADY.heartbeat)
        still = not waiting.done()
        child.stdin.close()
        await waiting
        return still

    assert asyncio.run(wait())
    assert lock(shared).holder() is None


def test_heartbeats_go_on_while_the_event_loop_is_stuck(shared):
    async def stall():
        async with lock(shared, settings=STEADY).hold():
            begun = shared.lease("nightly").renewed
            while shared.lease("nightly").renewed == begun:
                time.sleep(0.01)  # noqa: ASYNC251 - the point of the test

    asyncio.run(stall())


class Clock:
    """A settable clock for the fence."""

    def __init__(self):
        self.now = stamp()

    def __call__(self):
        return self.now

    def move(self, boot=0.0, wall=0.0):
        self.now = Stamp(self.now.boot + boot, self.now.wall + wall)


def test_the_fence_closes_a_write_timeout_and_a_margin_before_the_lease_ends(shared):
    clock = Clock()

    async def hold():
        async with RunLock(shared, "nightly", "r", LeaseSettings(length=120.0), 60.0, clock=clock).hold() as fence:
            clock.move(boot=120.0 - 60.0 - margin(120.0) - 0.001)
            before = fence.may_write()
            clock.move(boot=0.001)
            return before, fence.may_write()

    assert margin(120.0) > 0
    assert asyncio.run(hold()) == (True, False)


def test_the_fence_does_not_care_when_the_wall_clock_is_set(shared):
    clock = Clock()

    async def hold():
        async with lock(shared, clock=clock).hold() as fence:
            answers = []
            for jump in (-1e6, 2e6):
                clock.move(wall=jump)
                answers.append(fence.may_write())
            return answers

    assert asyncio.run(hold()) == [True, True]


def test_a_lease_too_short_for_its_writes_is_refused(shared):
    with pytest.raises(BadInput, match=r"a lease of 60s .* writes of up to 60s; use a longer lease"):
        RunLock(shared, "nightly", "r", LeaseSettings(length=60.0), 60.0)


def test_a_fence_whose_lease_was_taken_over_never_opens_again(shared):

    async def hold():
        async with lock(shared, settings=STEADY).hold() as fence:
            mine = shared.lease("nightly")
            shared.take_lease(dataclasses.replace(mine, token="thief"), lambda held: True)
            await until(lambda: fence.lost)
            return fence.may_write()

    assert asyncio.run(hold()) is False
    assert shared.lease("nightly").token == "thief"


def test_a_heartbeat_that_fails_for_a_while_is_noted_and_made_good(shared, monkeypatch):
    failing = threading.Event()
    renew = shared.renew_lease

    def sometimes(*args):
        if failing.is_set():
            raise JournalError("the disk is full")
        return renew(*args)

    monkeypatch.setattr(shared, "renew_lease", sometimes)

    async def hold():
        async with lock(shared, settings=STEADY).hold() as fence:
            failing.set()
            await until(lambda: fence.trouble)
            trouble, open_still = fence.trouble, fence.may_write()
            failing.clear()
            await until(lambda: not fence.trouble)
            return trouble, open_still, fence.may_write()

    assert asyncio.run(hold()) == ("the disk is full", True, True)


@pytest.fixture
def lease():
    """`lease(boot=..)`: a lease of 120 s at HOME, renewed at 1,000 s since boot and 50,000 s since the epoch."""

    def make(**changes):
        values = {"name": "n", "run": "r", "token": "t", "place": HOME, "pid": 7, "born": "1", "since": 1.0}
        return Lease(**{**values, "renewed": Stamp(1000.0, 50_000.0), "length": 120.0, **changes})

    return make


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        (Stamp(1119.9, 50_119.9), False),
        (Stamp(1120.0, 50_120.0), True),
        (Stamp(1001.0, 90_000.0), False),
        (Stamp(1001.0, 10_000.0), False),
        (Stamp(1120.0, 50_001.0), True),
    ],
)
def test_within_one_boot_a_lease_ends_by_the_clock_that_nobody_sets(lease, now, expired):
    assert lease().expired(HOME, now) is expired


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        (Stamp(5.0, 50_119.0), False),
        (Stamp(9000.0, 50_119.0), False),
        (Stamp(5.0, 50_120.0), True),
        (Stamp(5.0, 0.0), True),
    ],
)
def test_after_a_reboot_a_lease_ends_by_the_wall_clock_even_if_that_was_reset(lease, now, expired):
    assert lease().expired(dataclasses.replace(HOME, boot="later"), now) is expired


@pytest.mark.parametrize(
    ("place", "alive", "free"),
    [
        (HOME, True, False),
        (HOME, False, True),
        (dataclasses.replace(HOME, host="other"), False, False),
        (dataclasses.replace(HOME, space="container"), False, False),
        (dataclasses.replace(HOME, boot="later"), False, False),
    ],
)
def test_a_process_number_is_believed_only_where_it_counts(lease, place, alive, free):
    assert lease().free(place, Stamp(1001.0, 50_001.0), lambda pid, born: alive) is free


def test_a_process_number_used_again_is_not_the_holder():
    assert is_alive(os.getpid(), born(os.getpid()))
    assert not is_alive(os.getpid(), "1")


def test_where_start_times_are_unknown_any_process_of_that_number_counts(python):
    child = python("")
    child.wait()
    assert not is_alive(child.pid, "")
    assert is_alive(os.getpid(), "")
