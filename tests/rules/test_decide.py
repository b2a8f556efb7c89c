"""What to do to a deployment: every status under every policy, undo, protection, masks, and the basis of a saved plan."""

import json
from dataclasses import replace

import msgspec
import pytest

from batch_deployer.model.api import PENDING, ReleaseState, Status
from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    ConfirmedState,
    Deployment,
    OnExisting,
    ReleaseSpec,
    RollbackStep,
    is_protected,
    key_of,
)
from batch_deployer.model.helm_values import MASK, load_values
from batch_deployer.rules.decide import Decision, decide
from batch_deployer.rules.unchanged import compare

VALUES = {"image": {"tag": "v2"}, "replicas": 2}
SPEC = ReleaseSpec(name="web", namespace="shop", chart=ChartRef(id="x"), version="1.0.0")


def a_deployment(spec=SPEC, undo=None, **changes):
    spec = replace(spec, **changes)
    return Deployment(
        key=key_of("c1", spec.namespace, spec.name),
        cluster=Cluster(id="c1", name="one", cloud="sim"),
        release=spec,
        undo=undo,
    )


def a_state(status="DEPLOYED", *, version="1.0.0", values=VALUES, chart="web", revision=4):
    return ReleaseState(
        name="web",
        namespace="shop",
        chart_name=chart,
        chart_version=version,
        revision=revision,
        status=status,
        updated_at="2026-01-02T03:04:05+01:00",
        values_json=json.dumps(values) if values is not None else "",
    )


def choose(state, *, chart_name="web", values=VALUES, **changes):
    deployment = a_deployment(**changes)
    return decide(deployment, state, differs=lambda shown: compare(deployment.release, chart_name, values, shown))


def AS_WANTED(state):  # noqa: N802 - a constant that is a function
    """Compare with the release of these tests."""
    return compare(SPEC, "web", VALUES, state)


ODD = ("UNKNOWN", "QUEUED", "")
UPGRADE = {"DEPLOYED": "upgrade", "SUPERSEDED": "upgrade", "FAILED": "upgrade"}
OLD = {"on_existing": OnExisting.REPLACE, "allow_destructive": True}
POLICIES = {
    "upgrade": ({"on_existing": OnExisting.UPGRADE}, UPGRADE, "blocked"),
    "skip": ({"on_existing": OnExisting.SKIP}, {"DEPLOYED": "unchanged", "SUPERSEDED": "unchanged"}, "blocked"),
    "fail": ({"on_existing": OnExisting.FAIL}, {}, "blocked"),
    "replace": (OLD, {}, "replace"),
    "replace without consent": ({"on_existing": OnExisting.REPLACE}, {}, "blocked"),
    "replace of the platform's": ({**OLD, "namespace": "kube-system"}, {}, "blocked"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", ["DEPLOYED", "SUPERSEDED", "FAILED", *ODD])
def test_what_differs_is_treated_by_the_policy(policy, status):
    changes, actions, otherwise = POLICIES[policy]
    decision = choose(a_state(status, version="0.9.0"), **changes)
    assert decision.action == actions.get(status, otherwise)
    assert not decision.settling
    assert (decision.status, decision.revision) == (status, 4)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", ["DEPLOYED", "SUPERSEDED"])
def test_what_runs_as_wanted_is_left_alone_under_every_policy(policy, status):
    decision = choose(a_state(status), **POLICIES[policy][0])
    assert (decision.action, decision.reason) == (Action.UNCHANGED, "runs as wanted")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", ["FAILED", *ODD])
def test_what_is_not_healthy_is_never_unchanged_even_if_nothing_differs(policy, status):
    changes, actions, otherwise = POLICIES[policy]
    decision = choose(a_state(status), **changes)
    assert decision.action == actions.get(status, otherwise)
    assert decision.action is not Action.UNCHANGED


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", [None, a_state("DELETED")])
def test_what_is_absent_is_created_under_every_policy(policy, state):
    decision = choose(state, **POLICIES[policy][0])
    assert (decision.action, decision.reason, decision.basis) == (Action.CREATE, "absent", "create ABSENT 0")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", sorted(PENDING))
def test_what_is_under_way_as_wanted_is_only_watched(policy, status):
    decision = choose(a_state(status), **POLICIES[policy][0])
    assert decision.action is Action.ADOPT
    assert status in decision.reason


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "state", [*(a_state(status, version="0.9.0") for status in sorted(PENDING)), a_state("DELETING")]
)
def test_somebody_elses_operation_is_waited_for_under_every_policy(policy, state):
    decision = choose(state, **POLICIES[policy][0])
    assert (decision.action, decision.settling) == (Action.BLOCKED, True)
    assert "somebody else" in decision.reason


@pytest.mark.parametrize(
    ("state", "changes", "reason"),
    [
        (a_state(version="0.9.0"), {}, "chart version 0.9.0 runs, 1.0.0 is wanted"),
        (a_state("FAILED"), {}, "status FAILED"),
        (
            a_state("UNKNOWN"),
            {},
            "status UNKNOWN: delete it by hand, or set on_existing: replace with allow_destructive: true",
        ),
        (
            a_state(values={}),
            {"on_existing": OnExisting.SKIP},
            "left as it is (on_existing: skip): values differ",
        ),
        (
            a_state("FAILED"),
            {"on_existing": OnExisting.SKIP},
            "left as it is (on_existing: skip), but it is not healthy: status FAILED",
        ),
        (a_state(values={}), {"on_existing": OnExisting.FAIL}, "exists (on_existing: fail): values differ"),
        (
            a_state(values={}),
            {"on_existing": OnExisting.REPLACE},
            "on_existing: replace needs allow_destructive: true",
        ),
        (a_state(values={}), {**OLD, "name": "cceaddon-web"}, "belongs to the platform and is never replaced"),
    ],
)
def test_a_decision_says_why(state, changes, reason):
    assert choose(state, **changes).reason == reason


@pytest.mark.parametrize(
    ("state", "values", "said"),
    [
        (a_state(), VALUES, ""),
        (a_state(chart="api"), VALUES, "chart api runs, web is wanted"),
        (a_state(chart=""), VALUES, ""),
        (a_state(version="1.1"), VALUES, "chart version 1.1 runs, 1.0.0 is wanted"),
        (a_state(version=""), VALUES, "chart version unknown runs, 1.0.0 is wanted"),
        (a_state(values={**VALUES, "extra": "a default of the chart"}), VALUES, ""),
        (a_state(values={"image": {"tag": "v1"}, "replicas": 2}), VALUES, "values differ"),
        (a_state(values={"image": {"tag": "v2"}}), VALUES, "values differ"),
        (a_state(values=None), VALUES, "the cloud shows no values to compare"),
        (a_state(values=None), {}, ""),
        (a_state(values={}), {}, ""),
    ],
)
def test_a_difference_is_named(state, values, said):
    assert compare(SPEC, "web", values, state).reason == said


def test_a_chart_known_only_by_an_id_that_the_cloud_does_not_list_is_not_compared_by_name():
    assert compare(SPEC, "", VALUES, a_state(chart="whatever")).reason == ""


def test_masked_values_are_never_a_difference():
    shown = {"image": {"tag": "v2"}, "replicas": 2, "password": MASK, "nested": MASK}
    wanted = {**VALUES, "password": "s3cret", "nested": {"token": "t"}}
    assert choose(a_state(values=shown), values=wanted).action is Action.UNCHANGED


def test_no_reason_ever_shows_a_value():
    decision = choose(a_state(values={**VALUES, "password": "old-s3cret"}), values={**VALUES, "password": "new-s3cret"})
    assert decision.action is Action.UPGRADE
    assert "s3cret" not in decision.reason


@pytest.mark.parametrize("text", ["", "not json", "{", "null", '"' * 3, "[" * 100_000, "1" * 100_000])
def test_values_that_cannot_be_read_count_as_not_shown(text):
    assert load_values(text) is None


@pytest.mark.parametrize(
    ("namespace", "name", "protected"),
    [
        ("kube-system", "web", True),
        ("shop", "cceaddon-npd", True),
        ("shop", "web", False),
        ("kube-systems", "my-cceaddon-x", False),
    ],
)
def test_the_platforms_own_releases_are_protected(namespace, name, protected):
    assert is_protected(namespace, name) is protected


BACK = RollbackStep(action=Action.ROLLBACK, revision=3, expected=ConfirmedState(revision=4))
GONE = RollbackStep(action=Action.DELETE, expected=ConfirmedState(revision=4))


@pytest.mark.parametrize(
    ("undo", "state", "action", "settling", "reason"),
    [
        (BACK, a_state(), "rollback", False, "back to revision 3"),
        (BACK, a_state("FAILED"), "rollback", False, "back to revision 3"),
        (BACK, None, "blocked", False, "no longer there, so it cannot be rolled back"),
        (BACK, a_state("DELETED"), "blocked", False, "no longer there, so it cannot be rolled back"),
        (GONE, a_state(), "delete", False, "created by the run that is undone"),
        (GONE, a_state("UNKNOWN"), "delete", False, "created by the run that is undone"),
        (GONE, None, "unchanged", False, "already absent"),
        (GONE, a_state("DELETED"), "unchanged", False, "already absent"),
        (BACK, a_state("PENDING_UPGRADE"), "blocked", True, "PENDING_UPGRADE: not settled yet"),
        (GONE, a_state("DELETING"), "blocked", True, "DELETING: not settled yet"),
        (
            BACK,
            a_state(revision=5),
            "blocked",
            False,
            "changed by somebody else since: revision 5, ours was 4",
        ),
        (
            GONE,
            a_state(revision=5),
            "blocked",
            False,
            "changed by somebody else since: revision 5, ours was 4",
        ),
        (
            replace(BACK, expected=ConfirmedState(revision=0)),
            a_state(revision=9),
            "rollback",
            False,
            "back to revision 3",
        ),
    ],
)
def test_an_undo_returns_to_the_earlier_state_unless_somebody_else_changed_it(undo, state, action, settling, reason):
    decision = decide(a_deployment(undo=undo), state, differs=AS_WANTED)
    assert (decision.action, decision.settling, decision.reason) == (action, settling, reason)


LEFT = ConfirmedState(
    revision=4, created_at="2026-01-01T00:00:00Z", chart_name="web", chart_version="1.0.0", values="digest"
)


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.DELETE])
@pytest.mark.parametrize("status", ["DEPLOYED", "FAILED", "UNKNOWN", "PENDING_UPGRADE", "PENDING_INSTALL"])
@pytest.mark.parametrize(
    ("now", "named"),
    [
        ({"revision": 5}, "revision 5, ours was 4"),
        ({"revision": 3}, "revision 3, ours was 4"),
        ({"created_at": "2026-01-01T00:00:05Z"}, "created at 2026-01-01T00:00:05Z, ours was"),
        ({"chart_name": "mysql"}, "chart mysql, ours was web"),
        ({"chart_version": "1.0.1"}, "chart version 1.0.1, ours was 1.0.0"),
        ({"values": "another"}, "other values"),
    ],
)
def test_an_undo_leaves_alone_what_differs_in_any_point_from_what_the_run_left(action, status, now, named):
    undo = RollbackStep(action=action, revision=3, expected=LEFT)
    decision = decide(
        a_deployment(undo=undo),
        a_state(status),
        differs=AS_WANTED,
        now=msgspec.structs.replace(LEFT, **now),
        overdue=True,
    )
    assert (decision.action, decision.settling, decision.cause) == (Action.BLOCKED, False, "changed by somebody else")
    assert named in decision.reason


@pytest.mark.parametrize(
    "now",
    [
        {},
        {"created_at": "2026-01-01T08:00:00+08:00"},
        {"created_at": ""},
        {"created_at": "unreadable"},
        {"revision": 0},
        {"chart_name": ""},
        {"chart_version": "v1.0"},
        {"values": ""},
        {"values": "another-by another key"},
    ],
)
def test_an_undo_takes_a_spelling_or_a_gap_for_no_difference(now):
    undo = RollbackStep(action=Action.DELETE, expected=LEFT)
    decision = decide(
        a_deployment(undo=undo),
        a_state(),
        differs=AS_WANTED,
        now=msgspec.structs.replace(LEFT, **now),
    )
    assert decision.action is Action.DELETE


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.DELETE])
def test_an_undo_that_the_run_itself_knew_to_be_impossible_is_blocked(action):
    undo = RollbackStep(
        action=action, revision=3, blocked="changed by somebody else while the run worked on it", expected=LEFT
    )
    decision = decide(a_deployment(undo=undo), a_state(), differs=AS_WANTED, now=LEFT)
    assert (decision.action, decision.reason) == (Action.BLOCKED, undo.blocked)


@pytest.mark.parametrize("where", [{"namespace": "kube-system"}, {"name": "cceaddon-npd"}])
def test_an_undo_never_deletes_what_belongs_to_the_platform(where):
    decision = decide(a_deployment(undo=GONE, **where), a_state(), differs=AS_WANTED)
    assert decision.action is Action.BLOCKED


def test_an_undo_ignores_the_policy():
    spec = a_deployment(undo=BACK, on_existing=OnExisting.FAIL)
    assert decide(spec, a_state(version="0.9.0"), differs=AS_WANTED).action is Action.ROLLBACK


def test_the_basis_of_a_decision_changes_with_whatever_a_saved_plan_rests_on():
    decision = choose(a_state(version="0.9.0"))
    assert decision.basis == "upgrade DEPLOYED 4 2026-01-02T03:04:05+01:00"
    moved = (
        msgspec.structs.replace(decision, action=Action.UNCHANGED),
        msgspec.structs.replace(decision, status="FAILED"),
        msgspec.structs.replace(decision, revision=5),
        msgspec.structs.replace(decision, updated_at="2026-01-02T03:04:06+01:00"),
        choose(None),
    )
    assert len({decision.basis, *(each.basis for each in moved)}) == 6
    assert choose(None).basis == "create ABSENT 0"


def test_the_basis_does_not_change_with_words():
    decision = Decision(action=Action.CREATE, reason="absent")
    assert msgspec.structs.replace(decision, reason="not there").basis == decision.basis


def test_the_statuses_tried_here_are_all_there_are():
    tried = {"DEPLOYED", "SUPERSEDED", "FAILED", "UNKNOWN", "DELETED", "DELETING", *PENDING}
    assert set(Status) == tried
