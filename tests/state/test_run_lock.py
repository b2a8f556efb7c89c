"""One run of a manifest at a time, across crashes, suspensions and clock jumps."""

import asyncio
import os
import signal
import threading
import time

import pytest

from batch_deployer.errors import InputError, JournalError, LockHeld
from batch_deployer.settings import LeaseSettings
from batch_deployer.state.lock.lease import margin
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import Stamp, is_alive, now, start_time, this_host
from batch_deployer.state.lock.run_lock import RunLock

DEFAULT = LeaseSettings()
QUICK = LeaseSettings(length=0.6, heartbeat=0.05)
STEADY = LeaseSettings(length=30.0, heartbeat=0.02)

HOLDER = """
import asyncio, sys
from pathlib import Path
from batch_deployer.state.lock.run_lock import RunLock
from batch_deployer.settings import LeaseSettings

async def hold():
    length, heartbeat = map(float, sys.argv[2:4])
    settings = LeaseSettings(length=length, heartbeat=heartbeat)
    async with RunLock(Path(sys.argv[1]), "nightly", "first", settings, length / 4).hold() as fence:
        # Each line asked for is one answer, given at once.
        print("held", flush=True)
        for _ in sys.stdin:
            print(fence.may_write(), flush=True)

asyncio.run(hold())
"""


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path / "locks")


@pytest.fixture
def holder(python, leases):
    """`holder(settings)`: another process that holds the lock of `nightly` as run `first`."""

    def start(settings=DEFAULT):
        child = python(HOLDER, leases.path, settings.length, settings.heartbeat)
        assert child.stdout.readline() == "held\n", child.stderr.read()
        return child

    return start


def ask(child):
    child.stdin.write("\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def lock(leases, run="second", settings=DEFAULT, name="nightly", **more):
    return RunLock(leases.path, name, run, settings, settings.length / 4, **more)


async def until(happened):
    """Wait for what a thread or another process does."""
    while not happened():  # noqa: ASYNC110 - neither can set an event of ours
        await asyncio.sleep(0.01)


async def hold_once(lock, **how):
    async with lock.hold(**how) as fence:
        return fence.may_write()


def test_a_free_lock_is_taken_and_permits_writes_until_it_is_left(leases):
    async def hold():
        async with lock(leases).hold() as fence:
            inside = fence.may_write()
        return inside, fence.may_write()

    assert asyncio.run(hold()) == (True, False)
    assert leases.current("nightly").released


def test_a_lock_that_is_held_says_by_whom_since_when_until_when_and_what_to_do(leases, holder):
    child = holder()
    with pytest.raises(LockHeld) as caught:
        asyncio.run(hold_once(lock(leases)))
    message = str(caught.value)
    assert message.startswith(
        f"nightly is being run already: run first, process {child.pid} on {this_host().host}, since 20"
    )
    assert ", lease until 20" in message
    assert "batch-deployer status first" in message
    assert "--overlap wait" in message
    assert "\n" not in message


def test_another_manifest_has_a_lock_of_its_own(leases, holder):
    holder()
    assert asyncio.run(hold_once(lock(leases, name="weekly")))


def test_one_process_does_not_hold_a_lock_twice(leases):
    async def twice():
        async with lock(leases, "one").hold():
            return await hold_once(lock(leases, "two"))

    with pytest.raises(LockHeld, match="run one"):
        asyncio.run(twice())


def test_many_who_want_a_lock_at_once_get_it_one_at_a_time(leases):
    inside, most = 0, 0

    async def want(number):
        nonlocal inside, most
        async with lock(leases, f"run-{number}", STEADY).hold(wait=True):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def all_want():
        await asyncio.gather(*(want(number) for number in range(5)))

    asyncio.run(all_want())
    assert most == 1


def test_the_lock_of_a_killed_holder_is_free_at_once(leases, holder):
    child = holder()
    child.kill()
    child.wait()
    assert asyncio.run(hold_once(lock(leases)))


def test_the_lock_of_a_killed_holder_is_free_even_while_its_parent_has_not_noticed(leases, holder):
    child = holder()
    os.kill(child.pid, signal.SIGKILL)
    while start_time(child.pid):
        pass
    assert asyncio.run(hold_once(lock(leases)))


def test_a_stopped_holder_keeps_its_lease_but_not_longer_and_never_writes_again(leases, holder):
    child = holder(QUICK)
    while ask(child) != "True":
        pass
    child.send_signal(signal.SIGSTOP)
    held = leases.current("nightly")
    assert not held.free(this_host(), held.renewed, is_alive)

    async def take_over():
        async with lock(leases, settings=STEADY).hold(wait=True) as fence:
            child.send_signal(signal.SIGCONT)
            first = ask(child)
            # Its heartbeat wakes as well, and finds the lease gone for good.
            await asyncio.sleep(4 * QUICK.heartbeat)
            return first, ask(child), fence.may_write()

    assert asyncio.run(take_over()) == ("False", "False", True)
    assert ask(child) == "False"


def test_a_stopped_holder_whose_lease_nobody_took_goes_on(leases, holder):
    child = holder(QUICK)
    child.send_signal(signal.SIGSTOP)
    while not (held := leases.current("nightly")).expired(this_host(), now()):
        time.sleep(0.01)
    child.send_signal(signal.SIGCONT)
    while leases.current("nightly").renewed == held.renewed:
        time.sleep(0.01)
    while ask(child) != "True":
        pass


def test_waiting_ends_when_the_holder_leaves(leases, holder):
    child = holder(STEADY)

    async def wait():
        waiting = asyncio.ensure_future(lock(leases, settings=STEADY).wait())
        await asyncio.sleep(5 * STEADY.heartbeat)
        still = not waiting.done()
        child.stdin.close()
        await waiting
        return still

    assert asyncio.run(wait())
    assert lock(leases).holder() is None


def test_heartbeats_go_on_while_the_event_loop_is_stuck(leases):
    async def stall():
        async with lock(leases, settings=STEADY).hold():
            begun = leases.current("nightly").renewed
            while leases.current("nightly").renewed == begun:
                time.sleep(0.01)  # noqa: ASYNC251 - the point of the test

    asyncio.run(stall())


class Clock:
    """A settable clock for the fence."""

    def __init__(self):
        self.now = Stamp(1000.0, 50_000.0)

    def __call__(self):
        return self.now

    def move(self, boot=0.0, wall=0.0):
        self.now = Stamp(self.now.boot + boot, self.now.wall + wall)


def test_the_fence_closes_a_write_timeout_and_a_margin_before_the_lease_ends(leases):
    clock = Clock()

    async def hold():
        async with RunLock(leases.path, "nightly", "r", LeaseSettings(length=120.0), 60.0, clock=clock).hold() as fence:
            clock.move(boot=120.0 - 60.0 - margin(120.0) - 0.01)
            before = fence.may_write()
            clock.move(boot=0.02)
            return before, fence.may_write()

    assert margin(120.0) > 0
    assert asyncio.run(hold()) == (True, False)


def test_the_fence_does_not_care_when_the_wall_clock_is_set(leases):
    clock = Clock()

    async def hold():
        async with lock(leases, clock=clock).hold() as fence:
            answers = []
            for jump in (-1e6, 2e6):
                clock.move(wall=jump)
                answers.append(fence.may_write())
            return answers

    assert asyncio.run(hold()) == [True, True]


def test_a_lease_too_short_for_its_writes_is_refused(leases):
    with pytest.raises(InputError, match=r"a lease of 60s .* writes of up to 60s; use a longer lease"):
        RunLock(leases.path, "nightly", "r", LeaseSettings(length=60.0), 60.0)


def test_a_fence_whose_lease_was_taken_over_never_opens_again(leases):
    async def hold():
        async with lock(leases, settings=STEADY).hold() as fence:
            later = Leases(leases.path, lambda: Stamp(now().boot + 60.0, now().wall))
            later.take(new_lease("nightly", "thief", 30.0, now()))
            await until(lambda: fence.lost)
            return fence.may_write()

    assert asyncio.run(hold()) is False
    assert (leases.current("nightly").run, leases.current("nightly").released) == ("thief", False)


def test_a_heartbeat_that_fails_for_a_while_is_noted_and_made_good(leases, monkeypatch):
    failing = threading.Event()
    renew = Leases.renew

    def sometimes(self, mine):
        if failing.is_set():
            raise JournalError("the disk is full")
        return renew(self, mine)

    monkeypatch.setattr(Leases, "renew", sometimes)

    async def hold():
        async with lock(leases, settings=STEADY).hold() as fence:
            failing.set()
            await until(lambda: fence.trouble)
            trouble, open_still = fence.trouble, fence.may_write()
            failing.clear()
            await until(lambda: not fence.trouble)
            return trouble, open_still, fence.may_write()

    assert asyncio.run(hold()) == ("the disk is full", True, True)


def test_no_thread_outlives_the_lock(leases):
    before = set(threading.enumerate())
    asyncio.run(hold_once(lock(leases)))
    assert set(threading.enumerate()) <= before
