"""A sample of the moments at which a process may die, on the virtual clock."""

import pytest

from batch_deployer.model import events as e

SEED = 0


@pytest.fixture(scope="session")
def whole(cuts):
    return cuts.undisturbed(SEED)


def test_the_run_that_nobody_kills_has_something_of_everything(whole):
    assert {outcome for outcome, _ in whole.outcomes().values()} == {"deployed", "failed", "rolled_back"}
    assert {event.__class__.__name__ for event in whole.events} >= {
        "Uncertain",
        "Confirmed",
        "StepCompleted",
        "WavePassed",
    }
    assert {entry.operation for entry in whole.fleet.ledger.entries} == {"create", "upgrade", "rollback", "delete"}


@pytest.mark.parametrize("part", range(10))
def test_whenever_the_process_dies_a_resumed_run_ends_as_if_it_had_not(cuts, whole, part):
    for trap in cuts.sample(whole, 60, SEED)[part::10]:
        assert cuts.trial(trap, whole, SEED) == [], (
            f"replay: tests/soak/cuts.py --trap {trap.moment}:{trap.number}:{SEED}"
        )


def test_a_run_that_dies_again_and_again_ends_all_the_same(cuts, stage, whole):
    plan = cuts.plan()
    show = stage.act(plan, world=cuts.world(plan), faults=cuts.FAULTS, trap=stage.Trap(moment="sent", number=9))
    deaths = 1
    while show.ending is None:
        moment, number = (("entry", 4), ("sent", 7), ("replied", 8), ("unsent", 9))[deaths % 4]
        trap = stage.Trap(moment=moment, number=number, luck=1.0) if deaths < 20 else None
        show = stage.resume(plan, show, trap=trap, after=3.0)
        deaths += show.ending is None
    assert deaths >= 10
    assert {key: outcome for key, (outcome, _) in show.outcomes().items()} == {
        key: outcome for key, (outcome, _) in whole.outcomes().items()
    }
    assert not show.fleet.ledger.duplicates


def test_the_judge_sees_what_happens_when_an_intent_is_sent_before_it_is_durable(cuts, stage, whole, monkeypatch):
    survivors = stage.MortalJournal.survivors

    def without_open_intents(self, luck):
        left = list(survivors(self, luck))
        newest = {event.key: event for event in left if hasattr(event, "key")}
        return [each for each in left if not (isinstance(each, e.Intended) and newest[each.key] is each)]

    monkeypatch.setattr(stage.MortalJournal, "survivors", without_open_intents)
    sent = [trap for trap in cuts.traps(whole) if trap.moment == "sent"]
    assert [trap for trap in sent if cuts.trial(trap, whole, SEED)]
