"""A sample of the soak with a colleague: nothing of theirs is touched, and the judge sees it when it is."""

import pytest

SEEDS = range(40)


def found(colleague, name):
    return [line for seed in SEEDS for line in getattr(colleague.trial(seed), name)]


@pytest.mark.parametrize("part", range(5))
def test_nothing_of_a_colleague_is_touched_and_no_outcome_is_wrong(colleague, part):
    for seed in range(part, 100, 5):
        day = colleague.trial(seed)
        assert (day.touched, day.wrong, day.lost) == ([], [], []), (
            f"replay: python tests/soak/colleague.py --seed {seed}"
        )


def test_the_colleague_is_at_work_and_processes_die(colleague):
    days = [colleague.trial(seed) for seed in SEEDS]
    assert sum(day.theirs for day in days) > 300
    assert sum(day.deaths for day in days) > 15
    for outcome in ("deployed", "rolled_back", "failed (theirs)", "rejected (theirs)"):
        assert sum(day.outcomes[outcome] for day in days) > 20, outcome


def test_the_judge_sees_a_rollback_that_compares_nothing(colleague, monkeypatch):
    monkeypatch.setattr("batch_deployer.rules.decide.changed_since", lambda ours, now: "")
    assert len(found(colleague, "touched")) > 20


def test_the_judge_sees_a_rollback_that_compares_revisions_only(colleague, monkeypatch):
    def revisions(ours, now):
        return "revision" if ours.revision != now.revision else ""

    monkeypatch.setattr("batch_deployer.rules.decide.changed_since", revisions)
    assert found(colleague, "touched")


def test_the_judge_sees_values_of_somebody_else_called_deployed(colleague, monkeypatch):
    for module in ("poll_results", "read_back"):
        monkeypatch.setattr(f"batch_deployer.engine.{module}.contradicts_sent", lambda run, track, state: "")
    assert found(colleague, "wrong")


def test_the_judge_sees_somebody_blamed_who_was_not_there(colleague, monkeypatch):
    monkeypatch.setattr(
        "batch_deployer.engine.poll_results.contradicts_sent", lambda run, track, state: "other values run: size"
    )
    assert found(colleague, "wrong")


def test_the_soak_prints_what_it_found(colleague, capsys, monkeypatch):
    assert colleague.main(["--runs", "2"]) == 0
    assert ", touched 0, wrong 0, lost 0\n" in capsys.readouterr().out
    monkeypatch.setattr(colleague, "trial", lambda seed: colleague.Findings(touched=["theirs"]))
    assert colleague.main(["--seed", "7"]) == 1
    assert "seed 7: touched: theirs\n" in capsys.readouterr().out
