"""Operators, signals, deadlines, and other runs."""

import signal

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.model import events as e
from batch_deployer.ports import Command
from batch_deployer.settings import Limits, Rate, Settings, ShutdownSettings

SLOW = Limits(writes=Rate(5, 60.0), reads=Rate(50, 1.0))


class Operator:
    """Commands at times, on the stage's clock."""

    def __init__(self, *commands):
        self._left = list(commands)
        self._polls = 0

    def poll(self):
        # Polled once a second: the number of polls is the time.
        self._polls += 1
        if self._left and self._polls >= self._left[0][0]:
            return self._left.pop(0)[1]
        return None


def sends(show):
    return [called.at for called in show.sent("create_release")]


def test_a_paused_run_writes_nothing_watches_on_and_continues_where_it_was(make, act):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, control=Operator((30, Command.PAUSE), (430, Command.CONTINUE)))
    assert not [at for at in sends(show) if 31.0 < at < 429.0]
    assert [at for at in sends(show) if at > 429.0]
    assert make.tally(show, plan) == {"deployed": 20}
    assert [type(event) for event in show.events if isinstance(event, e.Paused | e.Continued)] == [
        e.Paused,
        e.Continued,
    ]
    ended_while_paused = [at for at in show.finishes().values() if 31.0 < at - show.events[0].at < 429.0]
    assert len(ended_while_paused) == 5


def test_a_run_halted_by_an_operator_ends_when_what_is_under_way_has_ended(make, act):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, control=Operator((10, Command.HALT)))
    assert make.tally(show, plan) == {"deployed": 5, "None": 15}
    assert show.ending.exit_code == 4
    assert show.of(e.Halted)[0].scope == "operator"


def test_halt_works_on_a_paused_run_too(make, act):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, control=Operator((10, Command.PAUSE), (20, Command.HALT)))
    assert show.ending.exit_code == 4
    assert len(sends(show)) == 5


def test_continue_does_not_lift_a_halt(make, act):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, control=Operator((5, Command.PAUSE), (6, Command.HALT), (7, Command.CONTINUE)))
    assert len(sends(show)) == 5


def stop_at(*seconds, number=signal.SIGTERM):
    return {each: lambda engine, _: engine.stop(number) for each in seconds}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_first_signal_stops_writing_and_watches_for_the_grace(make, act, stage, number, code):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, at=stop_at(10.0, number=number))
    assert show.ending.exit_code == code
    assert "resumable" in show.ending.reason
    assert max(sends(show)) < 10.0
    assert show.seconds == pytest.approx(40.0, abs=1.0)
    last = stage.resume(plan, show)
    assert make.tally(last, plan) == {"deployed": 20}
    assert set(last.fleet.ledger.creates.values()) == {1}


def test_it_ends_as_soon_as_nothing_is_left_under_way(make, act):
    """Though a cluster that cannot be looked at would be asked again and again."""
    plan = make.plan(20, limits=SLOW, settings=Settings(stop=ShutdownSettings(grace=1000.0)))
    show = act(plan, at=stop_at(10.0), faults=[make.rule("unreachable", cluster="cluster-19")])
    assert show.ending.exit_code == 143
    assert make.tally(show, plan) == {"deployed": 5, "None": 15}
    assert show.seconds == pytest.approx(max(show.finishes().values()) - show.events[0].at, abs=0.1)


def test_a_second_signal_ends_at_once(make, act):
    plan = make.plan(20, limits=SLOW)
    show = act(plan, at=stop_at(10.0, 12.0))
    assert show.ending.exit_code == 143
    assert show.seconds == pytest.approx(12.0, abs=0.5)


def test_a_signal_after_the_last_outcome_changes_nothing(make, act):
    plan = make.plan(2)
    whole = act(plan)
    show = act(plan, at=stop_at(whole.seconds - 0.001))
    assert show.ending.exit_code in (0, 143)
    assert (show.ending.exit_code == 0) == (make.tally(show, plan) == {"deployed": 2})


def test_a_missed_deadline_leaves_nothing_under_way_unexplained(make, act):
    plan = make.plan(20, limits=SLOW, settings=Settings(deadline=65.0, stop=ShutdownSettings(grace=5.0)))
    show = act(plan)
    assert show.ending.exit_code == 6
    assert "65 s" in show.ending.reason
    assert max(sends(show)) < 65.0
    tally = make.tally(show, plan)
    assert tally["timed_out"] + tally["deployed"] == len(sends(show))
    overdue = [reason for outcome, reason in make.outcomes(show, plan).values() if outcome == "timed_out"]
    assert overdue
    assert all("at the run's deadline" in reason and "last status" in reason for reason in overdue)
    assert show.seconds == pytest.approx(70.0, abs=1.0)


def test_a_deadline_that_is_kept_is_not_noticed(make, act):
    plan = make.plan(4, settings=Settings(deadline=3600.0))
    assert act(plan).ending.exit_code == 0


class Lease:
    """Lets through for so many questions."""

    trouble = ""

    def __init__(self, number):
        self.left = number

    def may_write(self):
        self.left -= 1
        return self.left >= 0

    def missing(self):
        return ""

    def overtaken(self):
        return False


@pytest.mark.parametrize("questions", range(12))
def test_no_write_leaves_once_the_lease_may_have_been_taken_over(make, act, questions):
    plan = make.plan(10)
    show = act(plan, fence=Lease(questions))
    # Each write asks twice: before its intent is journaled, and right before it leaves.
    assert len(sends(show)) <= questions // 2
    assert show.ending.exit_code == 7
    assert show.of(e.Halted)[0].scope == "fence"
    assert len(show.fleet.ledger.creates) == len(sends(show))


def test_what_a_lost_lease_held_back_is_no_write_of_unknown_fate(make, act, stage):
    plan = make.plan(4)
    show = act(plan, fence=Lease(3))
    held = show.of(e.Refused)
    assert {event.why for event in held} == {"held back before it was sent"}
    last = stage.resume(plan, show)
    assert make.tally(last, plan) == {"deployed": 4}
    assert len(last.fleet.ledger.creates) == 4


def test_nothing_is_sent_once_the_journal_is_full(make, act, stage):
    plan = make.plan(10)

    class Full(stage.MortalJournal):
        async def record(self, *events):
            if len(self.events) > 20:
                raise JournalError("cannot write the journal: no space left")
            await super().record(*events)

    original, stage.MortalJournal = stage.MortalJournal, Full
    try:
        fleet = stage.SimulatedProvider(make.world(plan))
        with pytest.raises(JournalError, match="no space left"):
            act(plan, fleet=fleet)
    finally:
        stage.MortalJournal = original
    assert len(fleet.ledger.creates) < 10
