"""What is there already: unchanged, upgraded, skipped, refused, replaced, rolled back, undone."""

import json
from dataclasses import replace

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model import events as e
from batch_deployer.model.deployment import (
    Action,
    ConfirmedState,
    OnExisting,
    OnFailure,
    Operation,
    Parameters,
    RollbackStep,
)


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return str(outcome), reason


def writes(show):
    return [called.call.kind for called in show.calls if called.call.writes]


def existing(make, how=None, **spec):
    """A plan for one release, and a world in which it runs at version 0.9.0, or as `how` says."""
    plan = make.plan(1, spec=spec)
    return plan, make.world(plan, [(plan.deployments[0], how or {})])


def test_a_release_that_runs_as_wanted_is_left_alone(make, act):
    plan, world = existing(make, {"version": "1.0.0", "values": '{"a": 1, "default": 2}'}, values_json='{"a":1}')
    show = act(plan, world=world)
    assert only(make, show, plan) == ("unchanged", "runs as wanted")
    assert writes(show) == []


@pytest.mark.parametrize(
    "how", [{}, {"version": "1.0.0", "values": '{"a": 2}'}, {"version": "1.0.0", "status": "FAILED"}]
)
def test_one_that_differs_or_failed_is_upgraded_once(make, act, how):
    plan, world = existing(make, how, values_json='{"a":1}')
    show = act(plan, world=world)
    assert only(make, show, plan) == ("deployed", "")
    assert show.fleet.ledger.revisions("upgrade") == {plan.deployments[0].key: [2]}
    assert writes(show) == ["update_release"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"reset_values": True}),
        ({"no_hooks": True}, {"no_hooks": True, "reset_values": True}),
        ({"reset_values": False}, {"reset_values": False}),
        ({"replace": True}, {"replace": True}),
    ],
)
def test_an_upgrade_forgets_earlier_values_unless_the_user_decides_otherwise(make, act, given, sent):
    plan, world = existing(make, parameters=Parameters(**given), allow_destructive=True)
    show = act(plan, world=world)
    (call,) = show.sent("update_release")
    assert call.call.parameters.as_body() == sent


def test_a_create_sends_no_parameter_that_was_not_given(make, act):
    plan = make.plan(1)
    assert act(plan).sent("create_release")[0].call.parameters.as_body() == {}


def test_a_stale_list_after_an_upgrade_is_not_taken_for_its_success(make, act):
    plan, world = existing(make, {"version": "1.0.0"}, values_json='{"a":1}')
    show = act(plan, world=world, faults=[make.rule("stale", seconds=40.0), make.rule("fail")])
    # Before and after the status is DEPLOYED; only the revision tells that the new one failed.
    assert only(make, show, plan)[0] == "failed"


@pytest.mark.parametrize("effect", ["error", "reset", "timeout"])
@pytest.mark.parametrize("acts", ["never", "at_once", "late"])
def test_an_upgrade_of_unknown_fate_is_read_back_and_makes_one_revision(make, act, effect, acts):
    plan, world = existing(make)
    fault = make.rule(effect, acts=acts, attempts=(1,), calls=frozenset({"update_release"}))
    show = act(plan, world=world, faults=[fault])
    assert only(make, show, plan) == ("deployed", "")
    assert show.fleet.ledger.revisions("upgrade") == {plan.deployments[0].key: [2]}
    assert len(show.sent("update_release")) == (2 if acts == "never" else 1)


@pytest.mark.parametrize(
    ("policy", "how", "outcome", "text"),
    [
        (OnExisting.SKIP, {}, "unchanged", "on_existing: skip"),
        (OnExisting.SKIP, {"status": "FAILED"}, "rejected", "not healthy"),
        (OnExisting.FAIL, {}, "rejected", "on_existing: fail"),
        (OnExisting.REPLACE, {}, "rejected", "needs allow_destructive: true"),
        (OnExisting.UPGRADE, {"status": "UNKNOWN"}, "rejected", "delete it by hand"),
    ],
)
def test_policies_that_write_nothing(make, act, policy, how, outcome, text):
    plan, world = existing(make, how, on_existing=policy)
    show = act(plan, world=world)
    found, reason = only(make, show, plan)
    assert found == outcome
    assert text in reason
    assert writes(show) == []


def test_replace_deletes_waits_for_absence_and_creates_anew(make, act):
    plan, world = existing(make, {"revision": 4}, on_existing=OnExisting.REPLACE, allow_destructive=True)
    show = act(
        plan,
        world=world,
        faults=[make.rule("stale", seconds=30.0, calls=frozenset({"create_release", "delete_release"}))],
    )
    assert only(make, show, plan) == ("deployed", "")
    assert writes(show) == ["delete_release", "create_release"]
    assert [entry.operation for entry in show.fleet.ledger.entries] == ["delete", "create"]
    assert not show.fleet.ledger.duplicates
    assert show.of(e.Finished)[0].revision == 1


@pytest.mark.parametrize("acts", ["never", "at_once", "late"])
@pytest.mark.parametrize("kind", ["delete_release", "create_release"])
def test_replace_survives_writes_of_unknown_fate(make, act, kind, acts):
    plan, world = existing(make, on_existing=OnExisting.REPLACE, allow_destructive=True)
    fault = make.rule("reset", acts=acts, attempts=(1,), calls=frozenset({kind}))
    show = act(plan, world=world, faults=[fault, make.rule("allow_collision")])
    assert only(make, show, plan) == ("deployed", "")
    assert [entry.operation for entry in show.fleet.ledger.entries] == ["delete", "create"]


def taken_up(act, plan, show, kind):
    """Go on after a disk has lost all of the journal behind an event of the delete, though the cloud has gone on."""
    kept = [isinstance(event, kind) and event.operation is Operation.DELETE for event in show.events].index(True) + 1
    return act(plan, fleet=show.fleet, history=show.events[:kept], epoch=show.ended_at + 30.0)


@pytest.mark.parametrize("kind", [e.Intended, e.Accepted])
def test_a_replacement_that_the_journal_has_lost_is_known_again_and_not_made_twice(make, act, kind):
    plan, world = existing(make, {"revision": 4}, on_existing=OnExisting.REPLACE, allow_destructive=True)
    first = act(plan, world=world)
    last = taken_up(act, plan, first, kind)
    assert only(make, last, plan) == ("deployed", "")
    assert [entry.operation for entry in last.fleet.ledger.entries] == ["delete", "create"]


@pytest.mark.parametrize("kind", [e.Intended, e.Accepted])
def test_what_somebody_made_after_the_delete_is_left_alone(make, act, kind):
    policy = {"on_existing": OnExisting.REPLACE, "allow_destructive": True}
    theirs, world = existing(make, {"revision": 4}, values_json='{"theirs": 1}', **policy)
    first = act(theirs, world=world)
    last = taken_up(act, make.plan(1, spec=policy | {"values_json": '{"ours": 1}'}), first, kind)
    assert only(make, last, theirs) == (
        "rejected", "conflict: a release of that name was made after it was deleted, and values differ"
    )  # fmt: skip
    assert [entry.operation for entry in last.fleet.ledger.entries] == ["delete", "create"]


@pytest.mark.parametrize("spec", [{"namespace": "kube-system"}, {"name": "cceaddon-coredns"}])
def test_the_platform_s_own_releases_are_never_replaced(make, act, spec):
    plan = make.plan(1, spec={"on_existing": OnExisting.REPLACE, "allow_destructive": True} | spec)
    show = act(plan, world=make.world(plan, [(plan.deployments[0], {})]))
    assert only(make, show, plan)[0] == "rejected"
    assert writes(show) == []


def test_a_failed_upgrade_is_rolled_back_to_where_it_was_if_asked_for(make, act):
    plan, world = existing(make, {"revision": 3}, on_failure=OnFailure.ROLLBACK)
    show = act(plan, world=world, faults=[make.rule("fail", first=1)])
    outcome, reason = only(make, show, plan)
    assert outcome == "rolled_back"
    assert reason.startswith("the upgrade failed and was rolled back to revision 3: ")
    (running,) = show.fleet.releases(show.ended_at).values()
    assert (running.chart_version, running.version, running.status) == ("0.9.0", 5, "DEPLOYED")
    assert show.ending.exit_code == 1


def test_a_failed_upgrade_is_left_by_default(make, act):
    plan, world = existing(make)
    show = act(plan, world=world, faults=[make.rule("fail", first=1)])
    assert only(make, show, plan)[0] == "failed"
    assert len(writes(show)) == 1


def test_a_failed_rollback_tells_both_failures(make, act):
    plan, world = existing(make, on_failure=OnFailure.ROLLBACK)
    outcome, reason = only(make, show := act(plan, world=world, faults=[make.rule("fail")]), plan)
    assert outcome == "failed"
    assert "the upgrade failed" in reason
    assert "and so did its rollback" in reason
    assert len(writes(show)) == 2


def test_a_failed_first_install_is_never_rolled_back(make, act):
    plan = make.plan(1, spec={"on_failure": OnFailure.ROLLBACK})
    show = act(plan, faults=[make.rule("fail")])
    assert only(make, show, plan)[0] == "failed"
    assert len(writes(show)) == 1


def undoing(make, undo, how):
    plan = make.plan(1)
    world = make.world(plan, [(plan.deployments[0], how)])
    return replace(plan, deployments=[replace(plan.deployments[0], undo=undo)]), world


def test_an_undo_goes_back_to_the_earlier_revision(make, act):
    plan, world = undoing(
        make, RollbackStep(action=Action.ROLLBACK, revision=2, expected=ConfirmedState(revision=3)), {"revision": 3}
    )
    show = act(plan, world=world)
    assert only(make, show, plan) == ("rolled_back", "back to what revision 2 was")
    assert show.fleet.ledger.revisions("rollback") == {plan.deployments[0].key: [4]}
    assert show.sent("update_release")[0].call.parameters.release_version == 2
    assert show.ending.exit_code == 0


@pytest.mark.parametrize("acts", ["never", "at_once", "late"])
def test_an_undo_of_unknown_fate_makes_one_revision(make, act, acts):
    plan, world = undoing(
        make, RollbackStep(action=Action.ROLLBACK, revision=2, expected=ConfirmedState(revision=3)), {"revision": 3}
    )
    fault = make.rule("error", status=504, acts=acts, attempts=(1,), calls=frozenset({"update_release"}))
    show = act(plan, world=world, faults=[fault, make.rule("stale", seconds=20.0)])
    assert only(make, show, plan)[0] == "rolled_back"
    assert show.fleet.ledger.revisions("rollback") == {plan.deployments[0].key: [4]}


def test_an_undo_deletes_what_the_run_created(make, act):
    plan, world = undoing(
        make, RollbackStep(action=Action.DELETE, expected=ConfirmedState(revision=1)), {"version": "1.0.0"}
    )
    show = act(plan, world=world)
    assert only(make, show, plan) == ("rolled_back", "deleted")
    assert show.fleet.releases(show.ended_at + 600.0) == {}


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.DELETE])
def test_an_undo_does_not_touch_what_somebody_else_changed_since(make, act, action):
    plan, world = undoing(
        make, RollbackStep(action=action, revision=1, expected=ConfirmedState(revision=2)), {"revision": 3}
    )
    show = act(plan, world=world)
    outcome, reason = only(make, show, plan)
    assert (outcome, reason) == ("rejected", "changed by somebody else since: revision 3, ours was 2")
    assert writes(show) == []


def test_an_undo_to_a_revision_that_is_forgotten_fails_without_writing(make, act):
    plan, world = undoing(
        make, RollbackStep(action=Action.ROLLBACK, revision=1, expected=ConfirmedState(revision=15)), {"revision": 15}
    )
    outcome, reason = only(make, show := act(plan, world=world), plan)
    assert outcome == "failed"
    assert "revision 1 is no longer in the history" in reason
    assert writes(show) == []


@pytest.mark.parametrize("how", [None, {}])
def test_a_dry_run_asks_the_server_and_changes_nothing(make, act, how):
    plan = make.plan(1, spec={"parameters": Parameters(dry_run=True)})
    world = make.world(plan, [] if how is None else [(plan.deployments[0], how)])
    show = act(plan, world=world)
    assert only(make, show, plan) == ("unchanged", "dry run: the cloud would accept it")
    assert show.fleet.ledger.entries == []
    assert len(writes(show)) == 1


def test_a_dry_run_of_unknown_fate_is_simply_asked_again(make, act):
    plan = make.plan(1, spec={"parameters": Parameters(dry_run=True)})
    show = act(plan, faults=[make.rule("reset", attempts=(1,), calls=frozenset({"create_release"}))])
    assert only(make, show, plan)[0] == "unchanged"
    assert show.fleet.ledger.entries == []


def test_a_saved_plan_is_not_carried_out_where_the_world_has_moved(make, act):
    plan = make.plan(2)
    expected = {each.key: "create ABSENT 0" for each in plan.deployments}
    plan = replace(plan, expected=expected)
    show = act(plan, world=make.world(plan, [(plan.deployments[0], {})]))
    outcome, reason = make.outcomes(show, plan)[plan.deployments[0].key]
    assert outcome == "rejected"
    assert reason.startswith(
        "the world moved since the plan was saved: expected create ABSENT 0, found upgrade DEPLOYED 1"
    )
    assert make.tally(show, plan) == {"rejected": 1, "deployed": 1}
    assert writes(show) == ["create_release"]


def test_a_saved_plan_is_still_carried_out_by_a_resumed_run(make, act, stage):
    plan = make.plan(2)
    plan = replace(plan, expected={each.key: "create ABSENT 0" for each in plan.deployments})
    first = act(plan, trap=stage.Trap(moment="sent", number=5))
    last = stage.resume(plan, first)
    assert make.tally(last, plan) == {"deployed": 2}


@pytest.mark.parametrize("good", range(4))
def test_a_secret_that_is_gone_rejects_its_deployments_and_no_others(make, act, good):
    plain = make.plan(2)
    asks = make.plan(3, spec={"values_json": json.dumps({"password": "${secret:env:PASSWORD}"}), "name": "db"})
    plan = replace(plain, deployments=[*plain.deployments, *asks.deployments[2:]])
    left = [good]

    def secrets(name):
        left[0] -= 1
        if left[0] < 0:
            raise InputError(f"the secret {name} is not set")
        return "hunter2"

    show = act(plan, secrets=secrets)
    outcome, reason = make.outcomes(show, plan)[plan.deployments[2].key]
    if left[0] < 0:
        assert (str(outcome), reason) == ("rejected", "the secret env:PASSWORD is not set")
        assert make.tally(show, plan) == {"deployed": 2, "rejected": 1}
        assert len(show.fleet.ledger.creates) == 2
    else:
        assert make.tally(show, plan) == {"deployed": 3}
