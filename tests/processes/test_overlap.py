"""One run of a manifest at a time, also when its process is stopped and wakes up after another took over."""

import os
import shutil
import signal
import time

import pytest

SLOW = 40.0
"""Speed at which installs take about a second, so that a run can be met at work."""


def begin(stage, told, *arguments, run="first", **environment):
    """A runner that has had two writes accepted."""
    process = stage.start("run", "m.yaml", "--yes", "--run-id", run, "--log-format", "json", *arguments, **environment)
    runner = told(process)
    runner.until('"accepted"', times=2)
    return runner


@pytest.fixture
def busy(make_stage, ordeal):
    stage = make_stage(0, ordeal.CALM, speed=SLOW)
    stage.edit("writes: 12/s", "writes: 6/s")
    return stage


@pytest.mark.slow
def test_a_runner_stopped_past_its_lease_writes_nothing_after_another_took_over(busy, told, report):
    first = begin(busy, told, MORTAL_LEASE="3")
    os.kill(first.process.pid, signal.SIGSTOP)
    second = told(
        busy.start("run", "m.yaml", "--yes", "--run-id", "second", "--overlap", "wait", MORTAL_LEASE="3")
    ).end()
    assert second[0] == 0, second[2]
    writes = busy.provider.get("entries")
    calls = busy.provider.get("stats")["calls"]
    os.kill(first.process.pid, signal.SIGCONT)
    code, out, err = first.end()
    assert code == 7, out + err
    assert "another run has taken over the lock while this process was stopped; it writes nothing more\n" in err
    assert busy.provider.get("entries") == writes
    now = busy.provider.get("stats")["calls"]["sim"]
    kinds = ("create_release", "update_release", "delete_release")
    assert [now[kind] for kind in kinds] == [calls["sim"][kind] for kind in kinds]
    assert busy.provider.ledger()["duplicates"] == []
    assert report(busy, "first")["run"]["exit_code"] == 7
    assert len(report(busy, "first")["deployments"]) == 12


@pytest.mark.slow
def test_another_runner_fails_is_skipped_or_waits_as_told(busy, told, report, post):
    first = begin(busy, told)
    post(busy, "first", "pause")
    first.until('"paused"')
    waiting = busy.start("run", "m.yaml", "--yes", "--run-id", "third", "--overlap", "wait")
    code, out, err = told(busy.start("run", "m.yaml", "--yes")).end()
    assert (code, out) == (7, "")
    assert err.startswith(f"error: ordeal is being run already: run first, process {first.process.pid} on ")
    assert err.count("\n") == 1
    code, out, err = told(busy.start("run", "m.yaml", "--yes", "--overlap", "skip")).end()
    assert (code, out) == (0, "")
    assert err.startswith("skipped: ordeal is being run already: run first, ")
    assert waiting.poll() is None
    post(busy, "first", "continue")
    assert first.end()[0] == 0
    assert told(waiting).end()[0] == 0
    assert {each["outcome"] for each in report(busy, "third")["deployments"]} == {"unchanged"}
    assert set(busy.provider.ledger()["creates"].values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("wait", [False, True], ids=["lease over", "wait for it"])
def test_a_hung_run_is_resumed_once_its_lease_is_over(busy, told, report, events, wait):
    """The process that hung changes nothing when it wakes: neither the cloud, nor the journal, nor the report."""
    first = begin(busy, told, MORTAL_LEASE="3")
    os.kill(first.process.pid, signal.SIGSTOP)
    if wait:
        resumed = told(busy.start("resume", "first", "--overlap", "wait", MORTAL_LEASE="3")).end()
    else:
        code, _, err = told(busy.start("resume", "first", MORTAL_LEASE="3")).end()
        assert (code, "is live" in err) == (2, True), err
        time.sleep(3.5)
        resumed = told(busy.start("resume", "first", MORTAL_LEASE="3")).end()
        assert "is hung or gone, and its lease has run out; taking the run over" in resumed[2]
    assert resumed[0] == 0, resumed[2]
    assert report(busy, "first")["run"]["exit_code"] == 0
    told_so_far, entries = events(busy, "first"), busy.provider.get("entries")
    os.kill(first.process.pid, signal.SIGCONT)
    code, _, err = first.end()
    assert code in (1, 7), err
    assert "another" in err
    assert events(busy, "first") == told_so_far
    assert busy.provider.get("entries") == entries
    assert report(busy, "first")["run"]["exit_code"] == 0
    assert busy.provider.ledger()["duplicates"] == []


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["moved", "removed", "lock removed"])
def test_a_state_folder_that_goes_while_a_run_uses_it_ends_the_run(busy, told, fate):
    """Without its lock nobody is kept from starting a second run, so nothing more is written."""
    busy.edit("writes: 6/s", "writes: 2/s")
    runner = begin(busy, told)
    if fate == "moved":
        busy.state.rename(busy.state.with_name("elsewhere"))
    else:
        shutil.rmtree(busy.state if fate == "removed" else busy.state / "locks")
    time.sleep(1.0)
    stats = busy.provider.get("stats")["calls"]["sim"]
    code, out, err = runner.end()
    assert code == 1, out + err
    assert "the lock file " in err
    assert " is gone" in err
    assert "taken over" not in err
    later = busy.provider.get("stats")["calls"]["sim"]
    kinds = ("create_release", "update_release", "delete_release")
    before, after = (sum(sum(each.get(kind, {}).values()) for kind in kinds) for each in (stats, later))
    assert after - before <= 1
