"""A journal that lost its last events, a cloud whose reads are behind, and a server that accepts a second create."""

import pytest

from batch_deployer.engine.engine import PriorState

STALE = 2.0


def cut_and_resume(make, act, stage, number, lost_reads):
    """Kill at a call, lose the last two seconds of the journal, and resume at once."""
    plan = make.plan(12, ("web", "db"))
    faults = [make.rule("stale", seconds=STALE), make.rule("allow_collision")]
    first = act(plan, faults=faults, trap=stage.Trap(moment="sent", number=number, luck=1.0))
    assert first.ending is None
    kept = [event for event in first.events if event.at <= first.ended_at - 1.5]
    past = PriorState(history=kept, lost_reads=lost_reads)
    return plan, act(plan, fleet=first.fleet, history=kept, past=past, epoch=first.ended_at + 0.1)


@pytest.mark.parametrize("number", [30, 40, 50])
def test_nothing_is_created_twice_once_reads_show_what_the_journal_has_lost(make, act, stage, number):
    plan, last = cut_and_resume(make, act, stage, number, lost_reads=60.0)
    assert last.fleet.ledger.duplicates == []
    assert set(last.fleet.ledger.creates.values()) == {1}
    assert {outcome for outcome, _ in make.outcomes(last, plan).values()} <= {"deployed", "unchanged"}
    assert last.sent("create_release") == [] or min(call.at for call in last.sent("create_release")) >= 60.0


def test_the_judge_sees_doubled_creates_where_reads_are_believed_at_once(make, act, stage):
    doubled = [
        cut_and_resume(make, act, stage, number, lost_reads=0.0)[1].fleet.ledger.duplicates for number in (30, 40, 50)
    ]
    assert any(doubled)
