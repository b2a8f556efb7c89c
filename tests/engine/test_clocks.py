"""The wall clock is not to be trusted: it may be wrong, and it may be set while we run."""

import pytest

from batch_deployer.clock.virtual import EPOCH
from batch_deployer.engine.engine import PriorState
from batch_deployer.model import events as e
from batch_deployer.rules.wall_clock import WindowOpening, steady
from batch_deployer.settings import Limits, Rate

ACTED = {"effect": "error", "status": 504, "acts": "at_once", "attempts": (1,), "calls": frozenset({"create_release"})}


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_an_ambiguous_create_is_recognised_although_the_clock_was_set_before_it_left(make, act, jump):
    plan = make.plan(2)
    show = act(plan, faults=[make.rule(**ACTED)], jumps=[(0.05, jump)])
    assert make.tally(show, plan) == {"deployed": 2}
    assert set(show.fleet.ledger.creates.values()) == {1}


@pytest.mark.parametrize("moment", ["sent", "replied"])
def test_a_create_whose_process_died_is_recognised_although_its_clock_was_ahead(make, act, stage, moment):
    plan = make.plan(1)
    trap = stage.Trap(moment=moment, number=4)
    first = act(plan, jumps=[(0.0, 7200.0)], trap=trap)
    assert first.ending is None
    assert first.fleet.ledger.creates
    last = stage.resume(plan, first)
    assert make.tally(last, plan) == {"deployed": 1}
    assert set(last.fleet.ledger.creates.values()) == {1}


def test_a_release_made_long_before_ours_was_sent_is_a_conflict_by_the_cloud_s_clock(make, act):
    # The first look lags behind: it shows nothing, though a release of that name has been there for a day.
    plan = make.plan(1)
    running = [(plan.deployments[0], {"version": "1.0.0"})]
    blind = _Blind
    show = act(
        plan,
        world=make.world(plan, running),
        faults=[make.rule("error", status=504, attempts=(1,), calls=frozenset({"create_release"}))],
        api=blind,
    )
    outcome, reason = make.outcomes(show, plan)[plan.deployments[0].key]
    assert outcome == "rejected"
    assert "before ours was sent" in reason
    assert not show.fleet.ledger.creates


class _Blind:
    """Shows an empty list at the first look."""

    def __init__(self, inner, _):
        self._inner = inner
        self._blind = True

    async def call(self, call, on_sent):

        answer = await self._inner.call(call, on_sent)
        if call.kind == "list_releases" and self._blind:
            self._blind = False
            return answer.but(body=[])
        return answer

    async def renew(self, credential):
        await self._inner.renew(credential)

    async def close(self):
        await self._inner.close()


def test_a_resumed_deployment_is_not_overdue_because_the_clock_was_set_back_meanwhile(make, act, stage):
    plan = make.plan(1)
    first = act(plan, jumps=[(0.0, -7200.0)], trap=stage.Trap(moment="entry", number=6, luck=1.0))
    assert any(isinstance(event, e.Accepted) for event in first.events)
    assert first.ending is None
    last = stage.resume(plan, first, after=1.0)
    assert make.tally(last, plan) == {"deployed": 1}


def test_writes_of_the_last_minutes_count_even_if_they_were_noted_by_a_clock_that_was_ahead(make, act):
    plan = make.plan(3, limits=Limits(writes=Rate(10, 60.0)))
    noted = {"sim": [EPOCH + 7000 + number for number in range(9)]}
    show = act(plan, past=PriorState(recent_writes=noted))
    at = [called.at for called in show.sent("create_release")]
    assert at[0] < 60.0 < at[1]
    assert make.tally(show, plan) == {"deployed": 3}


def test_a_release_of_another_version_is_a_conflict_even_if_it_is_young(make, act):
    plan = make.plan(1)
    lost = make.rule("error", status=504, attempts=(1,), calls=frozenset({"create_release"}))
    show = act(plan, world=make.world(plan, [(plan.deployments[0], {})]), faults=[lost], api=_Blind)
    outcome, reason = make.outcomes(show, plan)[plan.deployments[0].key]
    assert outcome == "rejected"
    assert reason.endswith("but chart version 0.9.0 runs, 1.0.0 is wanted")


def an_opening(seconds, *, before=3600.0):
    return WindowOpening(opens=EPOCH - before, closes=EPOCH + seconds, name="22:00-05:00 UTC")


SLOW = Limits(writes=Rate(1, 10.0), reads=Rate(100, 1.0))


@pytest.mark.parametrize("step", [7200.0, -7200.0, 3600.0 * 24])
def test_no_write_leaves_outside_the_window_however_the_clock_is_set(make, act, step):
    plan = make.plan(10, limits=SLOW)
    show = act(plan, opening=an_opening(3600.0), jumps=[(35.0, step)])
    creates = [called.at for called in show.sent("create_release")]
    assert len(creates) == 4
    assert max(creates) < 35.0
    assert show.ending.exit_code == 6
    said = "has closed" if step > 0 else "is not open by the system clock: it opens in 59m"
    assert f"the window 22:00-05:00 UTC {said}" in show.ending.reason
    assert make.tally(show, plan)["deployed"] >= 1


def test_a_window_closes_by_the_clock_also_when_nobody_sets_it(make, act):
    plan = make.plan(10, limits=SLOW)
    show = act(plan, opening=an_opening(35.0))
    assert len(show.sent("create_release")) == 4
    assert show.ending.exit_code == 6


def test_a_window_that_closes_during_the_commit_holds_the_write_back(make, act, stage):
    plan = make.plan(1)
    whole = act(plan)
    (create,) = whole.sent("create_release")
    jumps = [(create.at - stage.COMMIT / 2, 7200.0)]
    show = act(plan, opening=an_opening(3600.0), jumps=jumps)
    assert show.of(e.Intended)
    assert not show.sent("create_release")
    assert show.ending.exit_code == 6


def test_without_a_window_a_clock_that_is_set_changes_nothing(make, act):
    plan = make.plan(5, limits=SLOW)
    show = act(plan, jumps=[(25.0, 7200.0)])
    assert make.tally(show, plan) == {"deployed": 5}


@pytest.mark.parametrize("jumps", [[(25.0, 7200.0)], [(25.0, -7200.0)], [(5.0, 7200.0), (25.0, -3600.0), (30.0, 1e8)]])
def test_durations_do_not_count_how_far_the_clock_was_set(make, act, jumps):
    plan = make.plan(5, limits=SLOW)
    plain = act(plan)
    show = act(plan, jumps=jumps)
    assert [warned.clock_step for warned in show.of(e.Warned)] == pytest.approx([by for _, by in jumps], abs=1.0)
    lasted, raw = ([event.at for event in steady(played.events)] for played in (plain, show)), show.events
    first, second = (max(times) - min(times) for times in lasted)
    assert second == pytest.approx(first, abs=2.0)
    assert max(event.at for event in raw) - min(event.at for event in raw) != pytest.approx(first, abs=600.0)
    took = [
        sorted(event.at for event in steady(played.events) if isinstance(event, e.Finished)) for played in (plain, show)
    ]
    assert took[1] == pytest.approx(took[0], abs=2.0)
