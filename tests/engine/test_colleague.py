"""Somebody else works on the same releases: nothing of theirs is rolled back or deleted."""

from dataclasses import replace

import pytest
from colleagues import (
    NEW_CHART,
    OLD_CHART,
    SAME,
    SLOW,
    THEIRS,
    Quick,
    Reacts,
    a_plan,
    does,
    interfere,
    only,
    ours,
    sent,
    upgraded,
)

from batch_deployer.clock.virtual import EPOCH
from batch_deployer.engine.engine import PriorState
from batch_deployer.model import events as e
from batch_deployer.model.deployment import OnFailure
from batch_deployer.plan.retry import plan_retry
from batch_deployer.plan.rollback import plan_rollback
from batch_deployer.settings import Limits, Rate
from batch_deployer.simulator.faults.rules import Effect
from batch_deployer.simulator.provider import SimulatedProvider

# -- what somebody else does before a run is rolled back ---------------------------------------------------------------

INTERFERENCES = {
    "upgrades": [("other_upgrade", {})],
    "upgrades with our own values": [("other_upgrade", {"values": SAME})],
    "creates another chart anew": [("other_recreate", {"chart_id": OLD_CHART})],
    "creates the same anew": [("other_recreate", {"chart_id": NEW_CHART, "values": SAME})],
    "creates the same anew up to our revision": [
        ("other_recreate", {"chart_id": NEW_CHART, "values": SAME, "revision": 3})
    ],
    "deletes": [("other_delete", {})],
}


@pytest.mark.parametrize("what", INTERFERENCES)
@pytest.mark.parametrize("wait", [6.0, 900.0])
@pytest.mark.parametrize("created", [True, False])
def test_a_rollback_touches_nothing_that_somebody_else_changed_since(make, act, what, wait, created):
    plan = a_plan(make)
    first = act(plan) if created else act(plan, world=upgraded(make, plan))
    assert only(make, first, plan) == ("deployed", "")
    interfere(first, plan, INTERFERENCES[what])
    before = ours(first)
    back = plan_rollback(plan, first.events, delete_created=True).plan
    show = act(back, fleet=first.fleet, epoch=first.ended_at + wait)
    outcome, reason = only(make, show, back)
    assert sent(show) == []
    assert ours(show) == before
    if what == "deletes":
        assert (outcome, reason) == (
            ("unchanged", "already absent") if created else ("rejected", "no longer there, so it cannot be rolled back")
        )
    else:
        assert outcome == "rejected"
        assert reason.startswith(f"{THEIRS} since: ")
        assert show.ending.exit_code == 1


def test_several_clusters_where_somebody_else_works_do_not_halt_the_rollback_of_the_others(make, act):
    plan = make.plan(8)
    first = act(plan)
    for deployment in plan.deployments[:5]:
        assert first.fleet.interfere(deployment.key, Effect.OTHER_RECREATE, first.ended_at + 5.0)
    back = plan_rollback(plan, first.events, delete_created=True).plan
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 600.0)
    assert make.tally(show, back) == {"rejected": 5, "rolled_back": 3}
    assert show.ending.exit_code == 1


@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate"])
@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("at", [30.0, 56.0])
def test_what_somebody_else_does_while_the_write_waits_its_turn_is_seen_before_it_leaves(
    make, act, effect, created, at
):
    plan = replace(a_plan(make), clouds=make.plan(1, limits=SLOW).clouds)
    first = act(plan) if created else act(plan, world=upgraded(make, plan))
    back = plan_rollback(plan, first.events, delete_created=True).plan
    recent = {"sim": [first.ended_at + 10.0]}  # the only write of this minute
    show = act(
        back,
        fleet=first.fleet,
        epoch=first.ended_at + 10.0,
        past=PriorState(recent_writes=recent),
        at={at: does(plan, effect)},
    )
    assert show.seconds > at
    outcome, reason = only(make, show, back)
    assert (outcome, reason.startswith(THEIRS)) == ("rejected", True)
    assert sent(show) == []


@pytest.mark.parametrize(
    ("effect", "created", "acts"),
    [
        ("other_upgrade", True, "never"),
        ("other_upgrade", True, "late"),
        *(("other_upgrade", False, acts) for acts in ("never", "at_once", "late")),
        *(("other_recreate", created, acts) for created in (True, False) for acts in ("never", "at_once", "late")),
    ],
)
def test_a_write_of_unknown_fate_is_not_sent_again_over_somebody_elses_work(make, act, acts, created, effect):
    plan = a_plan(make)
    first = act(plan) if created else act(plan, world=upgraded(make, plan))
    back = plan_rollback(plan, first.events, delete_created=True).plan
    calls = frozenset({"update_release", "delete_release"})
    first.fleet.set_faults([make.rule("error", status=504, acts=acts, late=120.0, attempts=(2,), calls=calls)])
    # The upgrade was the first update of this release; the first delete is counted apart.
    if created:
        first.fleet.set_faults([make.rule("error", status=504, acts=acts, late=120.0, attempts=(1,), calls=calls)])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0, at={8.0: does(plan, effect)})
    assert len(sent(show)) == 1
    outcome, reason = only(make, show, back)
    assert outcome in ("failed", "rejected")
    assert THEIRS in reason or "was made after it was deleted" in reason
    assert show.ending.exit_code == 1


@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate", "other_delete"])
@pytest.mark.parametrize("operation", ["upgrade", "rollback", "delete"])
def test_between_a_lost_write_and_its_repetition_somebody_elses_work_is_seen(make, act, operation, effect):
    plan = replace(a_plan(make), clouds=make.plan(1, limits=SLOW).clouds)
    world = make.world(plan) if operation == "delete" else upgraded(make, plan)
    fleet = SimulatedProvider(world)
    first = act(plan, fleet=fleet) if operation != "upgrade" else None
    now = plan if first is None else plan_rollback(plan, first.events, delete_created=True).plan
    lost = make.rule("error", status=504, acts="never", calls=frozenset({"update_release", "delete_release"}))
    fleet.set_faults([lost])
    epoch = EPOCH if first is None else first.ended_at + 100.0

    def deed():
        fleet.set_faults([])
        assert fleet.interfere(plan.deployments[0].key, Effect(effect), fleet._latest + 0.1)

    show = act(now, fleet=fleet, epoch=epoch, listener=Reacts(e.Missing, deed))
    outcome, reason = only(make, show, now)
    assert len(sent(show)) == 1, (outcome, reason)
    if (operation, effect) == ("delete", "other_delete"):
        assert outcome == "rolled_back"
    else:
        assert outcome in ("failed", "rejected")
        assert THEIRS in reason or "was made after it was deleted" in reason


def test_a_cluster_whose_polls_are_slow_is_rolled_back_all_the_same(make, act):
    plan = make.plan(3, limits=SLOW)
    first = act(plan)
    back = plan_rollback(plan, first.events, delete_created=True).plan
    first.fleet.set_faults([make.rule("slow", seconds=20.0, calls=frozenset({"list_releases"}))])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 100.0)
    assert make.tally(show, back) == {"rolled_back": 3}


def test_fresh_polls_before_each_write_cost_a_few_reads_and_no_time(make, act):
    limits = Limits(writes=Rate(10, 60.0), reads=Rate(10, 1.0))
    plan = make.plan(60, limits=limits)
    first = act(plan)
    back = plan_rollback(plan, first.events, delete_created=True).plan
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 100.0)
    assert make.tally(show, back) == {"rolled_back": 60}
    assert show.seconds < 400.0, "60 deletes at 10 a minute"
    assert len(show.sent("list_releases")) < 10 * 60


def test_a_rollback_that_is_tried_again_goes_on_from_what_it_left_itself(make, act):
    plan = a_plan(make)
    first = act(plan, world=upgraded(make, plan))
    back = plan_rollback(plan, first.events, delete_created=True).plan
    first.fleet.set_faults([make.rule("fail", calls=frozenset({"update_release"}))])
    second = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0)
    assert only(make, second, back)[0] == "failed"
    part = plan_retry(back, second.events, failed=True, not_started=False)
    first.fleet.set_faults([])
    third = act(part, fleet=first.fleet, epoch=second.ended_at + 10.0)
    assert only(make, third, part) == ("rolled_back", "back to what revision 2 was")


def test_a_rollback_that_is_tried_again_leaves_what_somebody_else_changed_meanwhile(make, act):
    plan = a_plan(make)
    first = act(plan, world=upgraded(make, plan))
    back = plan_rollback(plan, first.events, delete_created=True).plan
    first.fleet.set_faults([make.rule("fail", calls=frozenset({"update_release"}))])
    second = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0)
    interfere(second, plan, [("other_upgrade", {})])
    first.fleet.set_faults([])
    part = plan_retry(back, second.events, failed=True, not_started=False)
    third = act(part, fleet=first.fleet, epoch=second.ended_at + 600.0)
    assert only(make, third, part) == (
        "rejected",
        f"{THEIRS} since: revision 5, ours was 4; other values run: replicas, image",
    )
    assert sent(third) == []


@pytest.mark.parametrize("same_values", [True, False])
@pytest.mark.parametrize("read", ["at once", "late", "never"])
def test_a_resumed_rollback_does_not_claim_the_revision_that_somebody_else_made(make, act, stage, same_values, read):
    """Killed before it left; what it would have returned to is read from the history again."""
    plan = a_plan(make)
    fleet = SimulatedProvider(upgraded(make, plan))
    first = act(plan, fleet=fleet)
    back = plan_rollback(plan, first.events, delete_created=True).plan
    # The third entry is the intent: durable, and nothing was sent.
    show = act(back, fleet=fleet, epoch=first.ended_at + 10.0, trap=stage.Trap(moment="commit", number=3, luck=1.0))
    assert [type(event).__name__ for event in show.events][-2:] == ["Planned", "Intended"]
    interfere(show, plan, [("other_upgrade", {"values": SAME} if same_values else {})])
    faults = {"at once": [], "late": [make.rule("error", status=503, calls=frozenset({"release_history"}), first=3)]}
    faults["never"] = [make.rule("error", status=503, calls=frozenset({"release_history"}))]
    fleet.set_faults(faults[read])
    last = stage.resume(back, show, after=100.0)
    assert sent(last) == []
    outcome, reason = only(make, last, back)
    if read == "never":
        assert outcome == "rolled_back", "a doubt is no proof"
    else:
        assert (outcome, THEIRS in reason) == ("failed", True)


# -- on_failure: rollback ----------------------------------------------------------------------------------------------


def failing(make, **more):
    """An upgrade that fails, and a minute until the rollback may leave."""
    plan = replace(a_plan(make, on_failure=OnFailure.ROLLBACK, **more), clouds=make.plan(1, limits=SLOW).clouds)
    return plan, upgraded(make, plan), [make.rule("fail", attempts=(1,))]


def settled_at(make, act):
    plan, world, faults = failing(make)
    show = act(plan, world=world, faults=faults)
    assert only(make, show, plan)[0] == "rolled_back"
    return show.of(e.StepCompleted)[0].at - show.events[0].at


@pytest.mark.parametrize(
    ("effect", "wish", "named"),
    [
        ("other_upgrade", {}, "revision 4, ours was 3"),
        ("other_upgrade", {"values": SAME}, "revision 4, ours was 3"),
        ("other_recreate", {}, "revision 1, ours was 3"),
        ("other_recreate", {"chart_id": NEW_CHART, "values": SAME, "revision": 3}, "created at "),
        ("other_delete", {}, ""),
        ("vanish", {}, "it is no longer there"),
    ],
)
def test_a_failed_upgrade_is_not_rolled_back_over_somebody_elses_work(make, act, effect, wish, named):
    at = settled_at(make, act) + 5.0
    plan, world, faults = failing(make)
    show = act(plan, world=world, faults=faults, at={at: does(plan, effect, **wish)})
    outcome, reason = only(make, show, plan)
    assert (outcome, show.ending.exit_code) == ("failed", 1)
    assert f"and is not rolled back: {THEIRS} since: {named}" in reason
    assert "timed out waiting for the condition" in reason, "the failure itself is told"
    assert show.of(e.Finished)[0].fingerprint == THEIRS
    assert sent(show) == ["update_release"]


@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate", "other_delete"])
@pytest.mark.parametrize("undoing", [True, False])
def test_what_the_history_shows_after_the_poll_is_respected(make, act, effect, undoing):
    """Somebody acts between the poll and the read of the history: no time passes that would ask for another poll."""
    plan = a_plan(make, on_failure=OnFailure.LEAVE if undoing else OnFailure.ROLLBACK)
    fleet = SimulatedProvider(upgraded(make, plan), faults=[make.rule("fail", attempts=(1,))])
    epoch, now = EPOCH, plan
    if undoing:
        first = act(plan, fleet=fleet)
        epoch, now = first.ended_at + 10.0, plan_rollback(plan, first.events, delete_created=True).plan
    deed = does(plan, effect)
    show = act(now, fleet=fleet, epoch=epoch, api=lambda inner, _: Quick(inner, fleet, "FAILED", deed))
    outcome, reason = only(make, show, now)
    assert (outcome, show.ending.exit_code) == ("rejected" if undoing else "failed", 1)
    assert THEIRS in reason or "no longer there" in reason
    assert ours(show) == ["upgrade"]


def test_a_history_that_goes_on_beyond_the_polls_is_believed(make, act):
    """Lists that lag for ever show our failed upgrade; the history shows what somebody else has made since."""
    plan = a_plan(make, on_failure=OnFailure.ROLLBACK)
    fleet = SimulatedProvider(upgraded(make, plan), faults=[make.rule("fail", attempts=(1,))])

    class Lags:
        failed = None

        def __init__(self, inner):
            self._inner = inner

        async def call(self, call, on_sent):
            answer = await self._inner.call(call, on_sent)
            if call.kind == "list_releases" and answer.body:
                if self.failed is None and answer.body[0].status == "FAILED":
                    self.failed = answer.body
                    does(plan, "other_upgrade")(None, fleet)
                return answer.but(body=self.failed or answer.body)
            return answer

        def __getattr__(self, name):
            return getattr(self._inner, name)

    show = act(plan, fleet=fleet, api=lambda inner, _: Lags(inner))
    outcome, reason = only(make, show, plan)
    assert (outcome, "its history goes on after revision 3" in reason) == ("failed", True)
    assert ours(show) == ["upgrade"]


def test_a_history_without_the_newest_revision_does_not_prevent_a_rollback(make, act):
    plan = a_plan(make, on_failure=OnFailure.ROLLBACK)
    fleet = SimulatedProvider(upgraded(make, plan), faults=[make.rule("fail", attempts=(1,))])
    show = act(plan, fleet=fleet, api=lambda inner, _: Quick(inner, fleet, "", None, lambda body: body[:2]))
    assert only(make, show, plan)[0] == "rolled_back"


@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate", "other_delete"])
def test_a_resumed_run_does_not_roll_back_over_somebody_elses_work(make, act, stage, effect):
    plan, world, faults = failing(make)
    whole = act(plan, world=world, faults=faults)
    settled = 1 + next(number for number, event in enumerate(whole.events) if isinstance(event, e.StepCompleted))
    show = act(plan, world=world, faults=faults, trap=stage.Trap(moment="entry", number=settled + 1, luck=1.0))
    assert isinstance(show.events[-1], e.StepCompleted)
    interfere(show, plan, [(effect, {})])
    last = stage.resume(plan, show, after=60.0)
    outcome, reason = only(make, last, plan)
    assert (outcome, THEIRS in reason) == ("failed", True)
    assert sent(last) == []


def test_a_stale_poll_after_the_failure_does_not_stop_the_rollback(make, act):
    """A replica that lags by one revision is waited for, and the rollback is sent all the same."""
    plan, world, faults = failing(make)

    class Lags:
        def __init__(self, inner):
            self._inner, self._left = inner, 3

        async def call(self, call, on_sent):
            answer = await self._inner.call(call, on_sent)
            if call.kind == "list_releases" and answer.body and answer.body[0].status == "FAILED":
                if self.failed_seen and self._left:
                    self._left -= 1
                    return answer.but(body=[self.before])
                self.failed_seen = True
            elif call.kind == "list_releases" and answer.body and answer.body[0].revision == 2:
                self.before = answer.body[0]
            return answer

        failed_seen = False

        def __getattr__(self, name):
            return getattr(self._inner, name)

    show = act(plan, world=world, faults=faults, api=lambda inner, _: Lags(inner))
    assert only(make, show, plan)[0] == "rolled_back"
