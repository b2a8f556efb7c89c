"""Rollbacks go to the last successful revision; stuck releases of ours can be rolled back, deleted and replaced."""

from dataclasses import replace

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, ConfirmedState, OnExisting, OnFailure, RollbackStep
from batch_deployer.plan.rollback import plan_rollback


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return str(outcome), reason


def restored(show):
    return [
        call.call.parameters.release_version
        for call in show.sent("update_release")
        if call.call.operation == "rollback"
    ]


@pytest.mark.parametrize(("status", "target"), [("FAILED", 2), ("DEPLOYED", 3)])
def test_a_failed_upgrade_goes_back_to_the_last_successful_revision(make, act, status, target):
    plan = make.plan(1, spec={"on_failure": OnFailure.ROLLBACK})
    world = make.world(plan, [(plan.deployments[0], {"revision": 3, "status": status})])
    show = act(plan, world=world, faults=[make.rule("fail", attempts=(1,))])
    outcome, reason = only(make, show, plan)
    assert outcome == "rolled_back"
    assert f"rolled back to revision {target}" in reason
    assert restored(show) == [target]


def test_without_any_successful_revision_the_release_is_left_and_told(make, act):
    plan = make.plan(1, spec={"on_failure": OnFailure.ROLLBACK})
    world = make.world(plan, [(plan.deployments[0], {"revision": 1, "status": "FAILED"})])
    show = act(plan, world=world, faults=[make.rule("fail", attempts=(1,))])
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert "no revision up to 1 was successful, so it is left as it is" in reason
    assert restored(show) == []


def test_a_run_that_is_rolled_back_goes_to_the_last_successful_revision(make, act):
    plan = make.plan(1)
    world = make.world(plan, [(plan.deployments[0], {"revision": 3, "status": "FAILED"})])
    first = act(plan, world=world)
    back = plan_rollback(plan, first.events, delete_created=False).plan
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0)
    assert only(make, show, back) == ("rolled_back", "back to what revision 2 was")
    assert restored(show) == [2]


def test_a_resumed_rollback_names_the_revision_that_was_sent(make, act, stage):
    plan = make.plan(1, spec={"on_failure": OnFailure.ROLLBACK})
    world = make.world(plan, [(plan.deployments[0], {"revision": 3, "status": "FAILED"})])
    whole = act(plan, world=world, faults=[make.rule("fail", attempts=(1,))])
    assert [event.target for event in whole.of(e.Intended)] == [0, 2]
    for number in range(1, 40):
        show = act(
            plan, world=world, faults=[make.rule("fail", attempts=(1,))], trap=stage.Trap(moment="sent", number=number)
        )
        last = stage.resume(plan, show)
        outcome, reason = only(make, last, plan)
        assert (outcome, "rolled back to revision 2" in reason) == ("rolled_back", True), number
        if show.of(e.Finished):
            return  # the process died at each moment before the end
    pytest.fail("the run never ended")


@pytest.mark.parametrize("acts", ["never", "at_once", "late"])
def test_a_stuck_upgrade_of_ours_is_rolled_back(make, act, acts):
    plan = make.plan(1)
    world = make.world(plan, [(plan.deployments[0], {"revision": 2})])
    first = act(plan, world=world, faults=[make.rule("stuck")])
    outcome, reason = only(make, first, plan)
    assert outcome == "timed_out"
    assert "roll it back" in reason
    back = plan_rollback(plan, first.events, delete_created=False).plan
    fault = make.rule("error", status=504, acts=acts, attempts=(1, 2), calls=frozenset({"update_release"}))
    first.fleet.set_faults([fault])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0)
    assert only(make, show, back) == ("rolled_back", "back to what revision 2 was")
    assert first.fleet.ledger.revisions("rollback") == {plan.deployments[0].key: [4]}
    assert show.ended_at - first.ended_at < 600.0


def test_a_stuck_install_of_ours_is_deleted(make, act):
    plan = make.plan(1)
    first = act(plan, faults=[make.rule("stuck")])
    assert only(make, first, plan)[0] == "timed_out"
    back = plan_rollback(plan, first.events, delete_created=True).plan
    first.fleet.set_faults([])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0)
    assert only(make, show, back) == ("rolled_back", "deleted")
    assert first.fleet.releases(show.ended_at + 600.0) == {}


@pytest.mark.parametrize("status", ["PENDING_INSTALL", "PENDING_UPGRADE", "PENDING_ROLLBACK"])
@pytest.mark.parametrize("version", ["0.9.0", "1.0.0"])
def test_a_stuck_release_is_replaced_where_that_is_allowed(make, act, status, version):
    plan = make.plan(1, spec={"on_existing": OnExisting.REPLACE, "allow_destructive": True})
    world = make.world(plan, [(plan.deployments[0], {"status": status, "version": version})])
    show = act(plan, world=world)
    assert only(make, show, plan) == ("deployed", "")
    assert [entry.operation for entry in show.fleet.ledger.entries] == ["delete", "create"]


@pytest.mark.parametrize("policy", [OnExisting.UPGRADE, OnExisting.SKIP, OnExisting.FAIL])
def test_a_stuck_release_is_left_by_every_other_policy(make, act, policy):
    plan = make.plan(1, spec={"on_existing": policy})
    world = make.world(plan, [(plan.deployments[0], {"status": "PENDING_UPGRADE"})])
    show = act(plan, world=world)
    assert only(make, show, plan)[0] == "timed_out"
    assert show.fleet.ledger.entries == []


def test_a_release_that_is_still_installing_is_waited_for_before_it_is_deleted(make, act, stage):
    plan = make.plan(1)
    first = act(plan, trap=stage.Trap(moment="sent", number=4))
    assert [event for event in first.events if isinstance(event, e.Intended)]
    target = RollbackStep(action=Action.DELETE, expected=ConfirmedState(revision=1))
    back = replace(plan, deployments=[replace(plan.deployments[0], undo=target)])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 1.0)
    assert only(make, show, back) == ("rolled_back", "deleted")
    assert not [event for event in show.events if isinstance(event, e.Refused)]
