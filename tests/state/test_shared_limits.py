"""Shared rate limits in `limits.db`: rows, deaths, restarts of the host, locks."""

import asyncio
import dataclasses
import json
import sqlite3
import subprocess
import sys
import time

import pytest

from batch_deployer.errors import JournalError, StateLocked
from batch_deployer.rules.shared_limit import SlotRequest, Usage
from batch_deployer.settings import Rate
from batch_deployer.state import shared_limits as module
from batch_deployer.state.lock.process import this_host
from batch_deployer.state.shared_limits import StoredLimits

RATES = {"writes": Rate(10, 60.0), "reads": Rate(10, 1.0)}
SCOPE = "https://cce|p"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "limits.db"


def requests(wanted=0, used=(), first=0):
    return {
        "writes": SlotRequest(rate=RATES["writes"], wanted=wanted, used=used, first=first),
        "reads": SlotRequest(rate=RATES["reads"]),
    }


def rows(path, sql):
    with sqlite3.connect(path) as database:
        return database.execute(sql).fetchall()


async def share(first, second):
    """Two runs that share from now on."""
    assert (await first.join(RATES)).alone
    assert not (await second.join(RATES)).ready
    assert (await first.exchange(requests(), sharing=False)).membership.others == ("second",)
    assert (await first.exchange(requests(), sharing=True)).membership.sharing
    assert (await second.join(RATES)).sharing


def run(scenario, path, scope=SCOPE):
    async def scenes():
        first, second = StoredLimits(path, SCOPE, "first"), StoredLimits(path, scope, "second")
        try:
            return await scenario(first, second)
        finally:
            await first.close()
            await second.close()

    return asyncio.run(scenes())


def test_each_slot_is_a_row_and_those_of_two_runs_add_up(path):
    async def scenario(first, second):
        await share(first, second)
        mine = await first.exchange(requests(wanted=6), sharing=True)
        theirs = await second.exchange(requests(wanted=9), sharing=True)
        return mine.replies["writes"], theirs.replies["writes"], rows(path, "SELECT member, arrived FROM limit_slots")

    mine, theirs, found = run(scenario, path)
    assert (len(mine.grants), len(theirs.grants)) == (6, 4)
    assert theirs.next_at > time.monotonic()
    assert sorted(found) == [(1, None)] * 6 + [(2, None)] * 4


def test_runs_of_two_projects_know_nothing_of_each_other(path):
    async def scenario(first, second):
        return (await first.join(RATES)).alone, (await second.join(RATES)).alone

    assert run(scenario, path, scope="https://cce|other") == (True, True)


def test_a_run_that_leaves_takes_its_row_along_and_leaves_what_was_sent(path):
    async def scenario(first, second):
        await share(first, second)
        grants = (await second.exchange(requests(wanted=2), sharing=True)).replies["writes"].grants
        arrived = time.monotonic() + 6.0
        used = [Usage(grants[0].slot, arrived), Usage(grants[1].slot, None)]
        await second.leave(requests(used=used))
        return arrived, rows(path, "SELECT run FROM limit_members"), rows(path, "SELECT arrived FROM limit_slots")

    arrived, members, slots = run(scenario, path)
    assert members == [("first",)]
    assert slots == [(pytest.approx(arrived),)]


def test_a_process_that_died_is_put_out_at_once_and_its_slots_count_from_then(path, monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    place = this_host()
    process = json.dumps([place.host, place.boot, place.space, child.pid, module.start_time(child.pid)])

    async def scenario(first, second):
        second._me.process = process
        await share(first, second)
        await second.exchange(requests(wanted=3), sharing=True)
        second._me.id = 0  # it leaves nothing behind in an orderly way
        assert (await first.exchange(requests(), sharing=True)).membership.others == ("second",)
        child.kill()
        child.wait()
        now = time.monotonic()
        assert (await first.exchange(requests(), sharing=True)).membership.others == ()
        return now, rows(path, "SELECT arrived FROM limit_slots WHERE member = 2")

    now, slots = run(scenario, path)
    assert slots == [(pytest.approx(now, abs=1.0),)] * 3
    child.stdin.close()


@pytest.mark.parametrize("what", ["another boot id", "a clock that is behind"])
def test_after_a_restart_of_the_host_every_call_counts_from_now_and_no_run_is_left(path, monkeypatch, what):
    async def scenario(first, second):
        await share(first, second)
        await first.exchange(requests(wanted=4), sharing=True)
        first._me.id = second._me.id = 0
        if what == "another boot id":
            later = dataclasses.replace(this_host(), boot="another")
            monkeypatch.setattr(module, "this_host", lambda: later)
        else:
            with sqlite3.connect(path) as database:
                database.execute("UPDATE limit_clock SET at = at + 1e6")
                database.execute("UPDATE limit_members SET renewed = renewed + 1e6")
        third = StoredLimits(path, SCOPE, "third")
        now = time.monotonic()
        found = await third.exchange(requests(), sharing=False)
        await third.close()
        return now, found

    now, found = run(scenario, path)
    assert found.membership.alone
    assert list(found.replies["writes"].arrived) == [pytest.approx(now, abs=1.0)] * 4


def test_a_file_that_is_locked_is_told_apart_from_one_that_cannot_be_used(path, tmp_path):
    async def scenario(first, _second):
        await first.join(RATES)
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(StateLocked, match="another process keeps it locked"):
            await first.exchange(requests(wanted=1), sharing=True)
        blocker.execute("ROLLBACK")
        blocker.close()
        assert time.monotonic() - began < 8.0
        assert (await first.exchange(requests(), sharing=True)).membership.sharing

    run(scenario, path)
    path.write_bytes(b"nonsense" * 1000)
    broken = StoredLimits(path, SCOPE, "r")
    with pytest.raises(JournalError) as told:
        asyncio.run(broken.join(RATES))
    assert not isinstance(told.value, StateLocked)


def test_a_run_that_is_alone_writes_seldom(path):
    async def scenario(first, _second):
        await first.join(RATES)
        before = path.stat().st_mtime_ns
        for _ in range(50):
            assert (await first.exchange(requests(), sharing=False)).membership.alone
        return before, path.stat().st_mtime_ns

    before, after = run(scenario, path)
    assert before == after


def test_a_run_moves_to_the_project_that_a_late_login_told(path):
    async def scenario(first, second):
        assert (await first.join(RATES)).alone
        assert (await second.join(RATES)).alone
        second.move(SCOPE)
        moved = await second.exchange(requests(), sharing=False)
        return moved, rows(path, "SELECT DISTINCT scope FROM limit_members")

    moved, scopes = run(scenario, path, scope="the manifest's words")
    assert not moved.membership.ready
    assert moved.rejoined
    assert scopes == [(SCOPE,)]


def test_a_run_that_was_put_out_never_takes_part_as_another_one(path, monkeypatch):
    """Its number is not used again, though nothing of it is left in the file."""
    clock = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)

    async def scenario():
        nonlocal clock
        slept, second, third = (StoredLimits(path, SCOPE, name) for name in ("slept", "second", "third"))
        assert (await slept.join(RATES)).alone
        clock += 3600.0
        await second.join(RATES)
        await second.close()
        clock += 3600.0
        assert rows(path, "SELECT count(*) FROM limit_members") == [(0,)]
        assert (await third.join(RATES)).alone
        woken = await slept.exchange(requests(wanted=10), sharing=False)
        runs = rows(path, "SELECT run FROM limit_members ORDER BY run")
        await third.close()
        await slept.close()
        return woken, runs

    woken, runs = asyncio.run(scenario())
    assert woken.rejoined
    assert woken.membership.others == ("third",)
    assert runs == [("slept",), ("third",)]
