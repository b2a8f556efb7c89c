"""A sample of the soak's bad days: everything goes wrong at once, and the fleet's ledger is the judge."""

from dataclasses import replace

import msgspec
import pytest


@pytest.mark.parametrize("seed", range(40))
def test_on_a_bad_day_nothing_is_lost_and_nothing_is_done_twice(adverse, seed):
    found = adverse.trial(seed)
    assert found.bad == [], f"replay: python tests/soak/adverse.py --seed {seed}"


def test_the_bad_days_are_bad(adverse):
    days = [adverse.trial(seed) for seed in range(40)]
    assert sum(day.deaths for day in days) >= 15
    writes = sum(number for day in days for kind, number in day.calls.items() if kind.endswith("e_release"))
    assert sum(day.unclear for day in days) / writes > 0.15
    assert all(sum(day.outcomes[name] for day in days) for name in ("deployed", "failed", "timed_out"))


def test_the_judge_sees_a_second_create(adverse, stage, monkeypatch):
    # The engine believes at once that an ambiguous write never took effect, and sends it again.
    from batch_deployer.engine import read_back

    monkeypatch.setattr(read_back, "absent_long_enough", lambda run, track: True)
    found = [adverse.trial(seed) for seed in range(8)]
    assert any(day.doubled for day in found)


def test_the_judge_sees_a_deployment_that_is_lost(adverse, monkeypatch):
    from batch_deployer.rules import observation

    monkeypatch.setattr(
        "batch_deployer.engine.read_back.classify_uncertain_write",
        lambda *_, **__: (observation.WriteOutcome.CONFLICT, "no idea"),
    )
    found = [adverse.trial(seed) for seed in range(8)]
    assert any(day.lost for day in found)


def test_the_judge_sees_a_limit_that_is_not_kept(adverse, monkeypatch):
    real = adverse.scene

    def stricter(seed):
        day = real(seed)
        clouds = tuple(msgspec.structs.replace(cloud, reads="1/s") for cloud in day.world.clouds)
        return replace(day, world=msgspec.structs.replace(day.world, clouds=clouds))

    monkeypatch.setattr(adverse, "scene", stricter)
    assert adverse.trial(0).over_limit


def test_the_judge_sees_a_secret_that_leaks(adverse, monkeypatch):
    from batch_deployer.engine import context

    def telling(spec, chart, values, state, **more):
        found = run_compare(spec, chart, values, state, **more)
        return msgspec.structs.replace(found, reason=f"{found.reason} {values}") if found.reason else found

    run_compare = context.compare
    monkeypatch.setattr(context, "compare", telling)
    found = [adverse.trial(seed) for seed in range(4)]
    assert any(day.leaked for day in found)


def test_the_same_seed_tells_the_same_story_twice(adverse):
    for seed in range(3):
        first, again = (adverse.perform(adverse.scene(seed)) for _ in range(2))
        assert [show.events for show in first[0]] == [show.events for show in again[0]]
        assert [show.ending for show in first[0]] == [show.ending for show in again[0]]


def test_the_soak_prints_what_it_found_and_how_to_replay_a_failure(adverse, capsys, monkeypatch):
    assert adverse.main(["--runs", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("adverse: runs 2, deaths ")
    assert ", lost 0, doubled 0, over limit 0, leaked 0, touched 0\n" in out
    monkeypatch.setattr(adverse, "trial", lambda seed: adverse.Findings(lost=["somebody"]))
    assert adverse.main(["--seed", "7"]) == 1
    out = capsys.readouterr().out
    assert "seed 7: lost: somebody\n" in out
    assert "tests/soak/adverse.py --seed 7\n" in out
