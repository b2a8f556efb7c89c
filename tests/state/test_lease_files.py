"""Leases: when they end, and that at any instant, whoever is stopped where, only one can believe in his."""

import contextlib
import dataclasses
import os
import shutil
import threading

import msgspec
import pytest

from batch_deployer.errors import JournalError, LockHeld
from batch_deployer.state.lock import lease_files as folder_of_leases
from batch_deployer.state.lock.lease import Lease
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import Host, Stamp, is_alive, start_time

HOME = Host(host="h", boot="b", space="s")
LENGTH = 120.0


class Clock:
    """A settable clock."""

    def __init__(self):
        self.now = Stamp(1000.0, 50_000.0)

    def __call__(self):
        return self.now

    def move(self, seconds):
        self.now = Stamp(self.now.boot + seconds, self.now.wall + seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(tmp_path, clock):
    return Leases(tmp_path / "locks", clock)


@pytest.fixture
def take(leases, clock):
    """`take("run")`: take the lease of `nightly`."""
    return lambda run: leases.take(new_lease("nightly", run, LENGTH, clock()))


def files(leases):
    return sorted(path.name for path in leases.path.rglob("*") if path.is_file())


@pytest.fixture
def lease():
    """`lease(boot=..)`: a lease of 120 s at HOME, renewed at 1,000 s since boot and 50,000 s since the epoch."""

    def make(**changes):
        values = {"name": "n", "run": "r", "host": HOME, "pid": 7, "born": "1", "since": 1.0}
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
    ("host", "alive", "free"),
    [
        (HOME, True, False),
        (HOME, False, True),
        (dataclasses.replace(HOME, host="other"), False, False),
        (dataclasses.replace(HOME, space="container"), False, False),
        (dataclasses.replace(HOME, boot="later"), False, False),
    ],
)
def test_a_process_number_is_believed_only_where_it_counts(lease, host, alive, free):
    assert lease().free(host, Stamp(1001.0, 50_001.0), lambda pid, start_time: alive) is free


def test_a_process_number_used_again_is_not_the_holder():
    assert is_alive(os.getpid(), start_time(os.getpid()))
    assert not is_alive(os.getpid(), "1")


def test_where_start_times_are_unknown_any_process_of_that_number_counts(python):
    child = python("")
    child.wait()
    assert not is_alive(child.pid, "")
    assert is_alive(os.getpid(), "")


def test_a_lease_given_back_is_free_and_its_run_no_longer_live(lease):
    given_back = lease(released=True)
    assert given_back.free(HOME, Stamp(1001.0, 50_001.0), lambda pid, start_time: True)
    assert not given_back.present(HOME, Stamp(1001.0, 50_001.0), lambda pid, start_time: True)


def test_a_run_stopped_past_its_lease_is_still_live(lease):
    assert lease().present(HOME, Stamp(9000.0, 60_000.0), lambda pid, start_time: True)


def test_a_lease_is_renewed_until_another_takes_over(leases, clock, take):
    mine = take("one")
    clock.move(LENGTH - 1)
    mine = leases.renew(mine)
    assert mine.renewed == clock()
    clock.move(LENGTH - 1)
    with pytest.raises(LockHeld, match="run one"):
        take("two")
    clock.move(1)
    theirs = take("two")
    assert leases.renew(mine) is None
    assert leases.renew(theirs) is not None
    assert leases.current("nightly").run == "two"


def test_a_late_renewal_goes_on_if_nobody_took_over(leases, clock, take):
    mine = take("one")
    clock.move(10 * LENGTH)
    renewed = leases.renew(mine)
    assert (renewed.renewed, renewed.generation) == (clock(), mine.generation + 1)
    with pytest.raises(LockHeld, match="run one"):
        take("two")
    assert leases.renew(mine) is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_holder_stopped_in_the_middle_of_a_beat_finds_out(leases, clock, take, monkeypatch, when):
    mine = take("one")
    clock.move(LENGTH / 2)
    write = folder_of_leases.files.write
    taken = []

    def stopped(path, text):
        monkeypatch.undo()
        if when == "after":
            write(path, text)
            clock.move(LENGTH / 2)
        clock.move(LENGTH)
        taken.append(take("two"))
        if when == "before":
            write(path, text)

    monkeypatch.setattr(folder_of_leases.files, "write", stopped)
    assert leases.renew(mine) is None
    assert leases.current("nightly") == taken[0]


def test_a_beat_that_may_have_been_overlooked_does_not_count(leases, clock, take, monkeypatch):
    mine = take("one")
    clock.move(LENGTH - 1)
    write = folder_of_leases.files.write

    def slow(path, text):
        write(path, text)
        clock.move(1)  # somebody who looked just before the write may be about to take over

    monkeypatch.setattr(folder_of_leases.files, "write", slow)
    assert leases.renew(mine).generation == mine.generation + 1


def test_only_one_of_two_who_take_over_at_once_succeeds(leases, clock, take, monkeypatch):
    take("dead")
    clock.move(LENGTH)
    link = os.link

    def late(*names):
        monkeypatch.undo()
        take("faster")
        return link(*names)

    monkeypatch.setattr("os.link", late)
    with pytest.raises(LockHeld, match="run faster"):
        take("slower")


def test_a_straggler_whose_generation_has_come_and_gone_gets_nothing(leases, clock, take, monkeypatch):
    mine = take("one")
    clock.move(LENGTH)
    link = os.link

    def very_late(*names):
        monkeypatch.undo()
        for run in ("two", "three"):
            take(run)
            clock.move(LENGTH)
        return link(*names)

    monkeypatch.setattr("os.link", very_late)
    assert leases.renew(mine) is None
    assert leases.current("nightly").run == "three"


def test_a_taker_stopped_while_clearing_up_removes_nothing_newer(leases, clock, take, monkeypatch):
    take("one")
    clock.move(LENGTH)
    latest = folder_of_leases._latest
    calls = []

    def stopped(folder):
        found = latest(folder)
        calls.append(found)
        if len(calls) == 2:  # the look after the claim
            monkeypatch.undo()
            clock.move(LENGTH)
            take("three")
        return found

    monkeypatch.setattr(folder_of_leases, "_latest", stopped)
    take("two")
    assert leases.current("nightly").run == "three"


def test_giving_back_a_lease_that_was_taken_over_leaves_the_new_one(leases, clock, take):
    mine = take("one")
    clock.move(LENGTH)
    theirs = take("two")
    leases.release(mine)
    assert leases.current("nightly") == theirs
    with pytest.raises(LockHeld, match="run two"):
        take("three")


def test_threads_that_race_for_a_lease_never_share_it(leases, clock):
    winners = []

    def race(number):
        with contextlib.suppress(LockHeld):
            winners.append(leases.take(new_lease("nightly", f"run-{number}", LENGTH, clock())).run)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winners == [leases.current("nightly").run]


def test_takeovers_leave_one_private_file(leases, clock, take):
    old = os.umask(0)
    try:
        for run in ("one", "two", "three"):
            clock.move(LENGTH)
            leases.renew(take(run))
    finally:
        os.umask(old)
    assert files(leases) == ["00000003.json"]
    assert {path.stat().st_mode & 0o777 for path in leases.path.rglob("*.json")} == {0o600}


@pytest.mark.parametrize("name", ["a/b", "..", "", "x" * 500, "nächtlich", "a b"])
def test_any_name_has_a_lock_of_its_own(leases, clock, name):
    assert leases.take(new_lease(name, "one", LENGTH, clock())).name == name
    with pytest.raises(LockHeld):
        leases.take(new_lease(name, "two", LENGTH, clock()))
    assert leases.take(new_lease(name + "!", "three", LENGTH, clock())).run == "three"


def test_a_damaged_lease_is_named_with_advice(leases, take):
    take("one")
    next(leases.path.rglob("*.json")).write_text("{")
    with pytest.raises(JournalError, match=r"the lock .*00000001\.json is damaged: .*remove it"):
        take("two")


def test_a_heartbeat_whose_folder_is_gone_is_no_renewal(leases, take):
    mine = take("one")
    shutil.rmtree(leases.path)
    assert leases.renew(mine) is None


def test_a_lease_keeps_all_it_says_when_stored(leases, take):
    mine = take("one")
    assert leases.current("nightly") == mine
    assert msgspec.json.decode(msgspec.json.encode(mine), type=Lease) == mine


def test_a_run_is_live_while_its_lease_is_held(leases, take):
    assert leases.live_runs() == set()
    mine = take("one")
    assert leases.live_runs() == {"one"}
    leases.release(mine)
    assert leases.live_runs() == set()
