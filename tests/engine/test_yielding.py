"""Whose turn it is: the loop is given away between many answers at once, and a run never waits for nothing."""

from itertools import count

import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.engine.engine import STALL_SECONDS
from batch_deployer.engine.write_queue import WriteQueue
from batch_deployer.model import events as e


@pytest.mark.parametrize("should_yield", [True, False])
def test_after_each_answer_and_each_commit_others_have_the_loop_only_when_its_turn_is_crowded(
    make, act, monkeypatch, should_yield
):
    given_away = []
    sleep = SystemClock.sleep

    async def watched(clock, seconds):
        if seconds == 0.0:
            given_away.append(clock)
        await sleep(clock, seconds)

    asked = []

    def every_other_time(_):
        asked.append(should_yield)
        return should_yield and len(asked) % 2 == 1

    monkeypatch.setattr(SystemClock, "should_yield", every_other_time)
    monkeypatch.setattr(SystemClock, "sleep", watched)
    plan = make.plan(3)
    show = act(plan)

    answers, commits = len(show.calls), 3
    assert make.tally(show, plan) == {"deployed": 3}
    assert len(given_away) == (answers + commits if should_yield else 0)


def test_nobody_gives_way_for_ever_in_a_loop_that_stays_crowded(make, act, monkeypatch):
    """Others come first in each of its turns, and may take them whole: for seconds, when all installs end at once."""
    asked = count()

    def always(_):
        assert next(asked) < 10_000, "still waiting"
        return True

    monkeypatch.setattr(SystemClock, "should_yield", always)
    plan = make.plan(3)
    assert make.tally(act(plan), plan) == {"deployed": 3}


def test_a_run_that_would_wait_for_nothing_sees_it_at_once_and_looks_again(make, act, monkeypatch):
    """Whatever bug would make it so: here a cluster that is forgotten when it first offers its write."""
    push, forgotten = WriteQueue.push, []

    def forgetful(line, queue, track):
        if len(forgotten) < 2:
            forgotten.append(queue)  # it offers twice in a row: as its deployment gets ready, and as the look is over
        else:
            push(line, queue, track)

    monkeypatch.setattr(WriteQueue, "push", forgetful)
    plan = make.plan(1)
    show = act(plan)
    assert make.tally(show, plan) == {"deployed": 1}
    assert [call.at for call in show.sent("create_release")] == [pytest.approx(STALL_SECONDS, abs=1.0)]
    assert ["report this bug" in warning.message for warning in show.of(e.Warned)] == [True]
