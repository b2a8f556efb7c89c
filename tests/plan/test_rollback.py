"""Taking a run back: only what its journal proves it changed, and never what others wrote since."""

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    ConfirmedState,
    Deployment,
    Operation,
    Outcome,
    Parameters,
    ReleaseSpec,
    RollbackStep,
    key_of,
)
from batch_deployer.plan.plan import Plan, Wave
from batch_deployer.plan.rollback import plan_rollback
from batch_deployer.settings import IntOrPercent

NO_PARAMETERS = Parameters()
ONE_WAVE = (Wave(name="all"),)


def a_deployment(name="web", *, wave=0, needs=(), parameters=NO_PARAMETERS):
    cluster = Cluster(id="c1", name="one", cloud="sim")
    release = ReleaseSpec(
        name=name, namespace="ns", chart=ChartRef(id="chart"), version="1.0.0", needs=needs, parameters=parameters
    )
    return Deployment(key=key_of("c1", "ns", name), cluster=cluster, release=release, wave=wave)


def a_plan(*deployments, waves=ONE_WAVE):
    return Plan(name="nightly", clouds={}, deployments=deployments, waves=waves, expected={"old": "observation"})


WEB = "c1/ns/web"
LEFT = ConfirmedState(revision=4, created_at="then", chart_name="web", chart_version="1.0.0", values="digest")
MADE = ConfirmedState(revision=1, created_at="then", chart_name="web", chart_version="1.0.0", values="digest")
UPGRADED = (
    e.Intended(at=1, key=WEB, operation=Operation.UPGRADE, attempt=1, revision=3),
    e.Accepted(at=2, key=WEB, operation=Operation.UPGRADE),
    e.Seen(at=3, key=WEB, status="PENDING_UPGRADE", revision=4),
    e.Finished(at=4, key=WEB, outcome=Outcome.DEPLOYED, status="DEPLOYED", revision=4, confirmed=LEFT),
)
CREATED = (
    e.Intended(at=1, key=WEB, operation=Operation.CREATE, attempt=1),
    e.Accepted(at=2, key=WEB, operation=Operation.CREATE),
    e.Finished(at=4, key=WEB, outcome=Outcome.DEPLOYED, status="DEPLOYED", revision=1, confirmed=MADE),
)


def only(undoing):
    assert len(undoing.plan.deployments) == 1
    return undoing.plan.deployments[0].undo


def test_an_upgrade_returns_to_the_revision_before_and_expects_the_one_it_left():
    assert only(plan_rollback(a_plan(a_deployment()), UPGRADED, delete_created=False)) == RollbackStep(
        action=Action.ROLLBACK, revision=3, expected=LEFT
    )


def test_a_failed_upgrade_is_taken_back_too():
    end = e.Finished(at=4, key=WEB, outcome=Outcome.FAILED, status="FAILED", revision=4, confirmed=LEFT)
    assert only(plan_rollback(a_plan(a_deployment()), (*UPGRADED[:2], end), delete_created=False)).expected == LEFT


@pytest.mark.parametrize("events", [UPGRADED[:2], UPGRADED[:3], CREATED[:2]])
def test_what_no_poll_has_confirmed_yet_asks_for_resume_and_is_left(events):
    undoing = plan_rollback(a_plan(a_deployment()), events, delete_created=True)
    assert undoing.plan.deployments == ()
    assert undoing.left == {WEB: "no poll has confirmed yet what its write made; resume the run first"}
    assert not undoing.is_complete


@pytest.mark.parametrize("events", [UPGRADED, CREATED])
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"outcome": Outcome.TIMED_OUT}, "no poll has confirmed what the run made of it; look at the release by hand"),
        (
            {"outcome": Outcome.FAILED, "fingerprint": "changed by somebody else"},
            "changed by somebody else while the run worked on it",
        ),
    ],
)
def test_what_was_never_confirmed_or_is_somebody_elses_is_blocked(events, end, reason):
    story = (*events[:-1], e.Finished(at=4, key=WEB, **end))
    assert only(plan_rollback(a_plan(a_deployment()), story, delete_created=True)).blocked == reason


def test_an_update_of_unknown_fate_that_somebody_else_overtook_is_left():
    end = e.Finished(at=4, key=WEB, outcome=Outcome.FAILED, fingerprint="changed by somebody else")
    uncertain = e.Uncertain(at=2, key=WEB, operation=Operation.UPGRADE, why="timeout")
    undoing = plan_rollback(a_plan(a_deployment()), (UPGRADED[0], uncertain, end), delete_created=True)
    assert undoing.left == {WEB: "changed by somebody else while the run worked on it"}


def test_after_a_failed_rollback_what_the_upgrade_left_is_still_ours():
    events = (
        *UPGRADED[:3],
        e.StepCompleted(at=5, key=WEB, operation=Operation.UPGRADE, status="FAILED", revision=4, confirmed=LEFT),
        e.Finished(at=6, key=WEB, outcome=Outcome.FAILED, status="FAILED", revision=4, confirmed=LEFT),
    )
    assert only(plan_rollback(a_plan(a_deployment()), events, delete_created=False)).expected == LEFT


def test_a_created_release_is_deleted_only_when_asked():
    plan = a_plan(a_deployment())
    assert only(plan_rollback(plan, CREATED, delete_created=True)) == RollbackStep(action=Action.DELETE, expected=MADE)
    kept = plan_rollback(plan, CREATED, delete_created=False)
    assert kept.plan.deployments == ()
    assert kept.left == {WEB: "the run created it; --delete-created deletes such releases"}
    assert kept.is_complete, "it is what the user chose"


def test_a_release_that_was_deleted_for_replacement_cannot_come_back():
    events = (
        e.Intended(at=1, key=WEB, operation=Operation.DELETE, attempt=1, revision=5),
        e.Accepted(at=2, key=WEB, operation=Operation.DELETE),
        e.StepCompleted(at=3, key=WEB, operation=Operation.DELETE),
        *CREATED,
    )
    undoing = plan_rollback(a_plan(a_deployment()), events, delete_created=True)
    assert undoing.left == {WEB: "its earlier revisions were deleted and cannot come back"}


def test_an_upgrade_that_the_run_itself_rolled_back_is_left_in_peace():
    events = (
        *UPGRADED[:3],
        e.StepCompleted(at=5, key=WEB, operation=Operation.UPGRADE, status="FAILED", revision=4),
        e.Intended(at=6, key=WEB, operation=Operation.ROLLBACK, attempt=2, revision=4),
        e.Accepted(at=7, key=WEB, operation=Operation.ROLLBACK),
        e.Finished(at=8, key=WEB, outcome=Outcome.ROLLED_BACK, status="DEPLOYED", revision=5),
    )
    undoing = plan_rollback(a_plan(a_deployment()), events, delete_created=True)
    assert (undoing.plan.deployments, undoing.left) == ((), {})


@pytest.mark.parametrize(
    "end",
    [
        e.Refused(at=2, key=WEB, operation=Operation.UPGRADE, why="throttled"),
        e.Finished(at=2, key=WEB, outcome=Outcome.REJECTED, reason="no such chart"),
    ],
    ids=["refused", "rejected"],
)
def test_a_write_that_took_no_effect_is_not_undone(end):
    undoing = plan_rollback(a_plan(a_deployment()), (UPGRADED[0], end), delete_created=True)
    assert (undoing.plan.deployments, undoing.left) == ((), {})


def test_a_write_read_back_as_missing_is_not_undone_but_its_repetition_is():
    events = (
        UPGRADED[0],
        e.Uncertain(at=2, key=WEB, operation=Operation.UPGRADE, why="timeout"),
        e.Missing(at=3, key=WEB, operation=Operation.UPGRADE),
        *UPGRADED,
    )
    assert only(plan_rollback(a_plan(a_deployment()), events, delete_created=False)).revision == 3


def test_a_write_of_unknown_fate_asks_for_resume_and_is_left():
    events = (UPGRADED[0], e.Uncertain(at=2, key=WEB, operation=Operation.UPGRADE, why="timeout"))
    undoing = plan_rollback(a_plan(a_deployment()), events, delete_created=True)
    assert undoing.left == {WEB: "the fate of its write is not known; resume the run first"}


def test_adopted_unchanged_and_dry_run_releases_are_not_touched():
    adopted = (
        e.Confirmed(at=1, key=WEB, operation=Operation.CREATE, revision=1),
        e.Finished(at=2, key=WEB, outcome=Outcome.DEPLOYED, revision=1),
    )
    assert plan_rollback(a_plan(a_deployment()), adopted, delete_created=True).plan.deployments == ()
    dry = a_deployment(parameters=Parameters(dry_run=True))
    assert plan_rollback(a_plan(dry), CREATED, delete_created=True).plan.deployments == ()


def test_waves_go_back_in_reverse_with_their_budgets_and_without_their_soak():
    waves = (Wave(name="canary", max_failures=IntOrPercent(0), soak=600.0), Wave(name="rest"))
    plan = a_plan(a_deployment(), a_deployment("db", wave=1), waves=waves)
    events = (*UPGRADED, *(type(event)(**{**_fields(event), "key": "c1/ns/db"}) for event in UPGRADED))
    undone = plan_rollback(plan, events, delete_created=False).plan
    assert [wave.name for wave in undone.waves] == ["rest", "canary"]
    assert undone.waves[1] == Wave(name="canary", max_failures=IntOrPercent(0))
    assert {each.release.name: each.wave for each in undone.deployments} == {"web": 1, "db": 0}
    assert (undone.name, undone.expected) == ("nightly", {})


def test_what_is_needed_goes_back_after_what_needs_it():
    plan = a_plan(a_deployment("db"), a_deployment("web", needs=("db",)))
    events = (*UPGRADED, *(type(event)(**{**_fields(event), "key": "c1/ns/db"}) for event in UPGRADED))
    undone = plan_rollback(plan, events, delete_created=False).plan
    assert {each.release.name: each.release.needs for each in undone.deployments} == {"db": ("web",), "web": ()}


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_percentages_of_a_rollback_are_taken_of_the_run_that_is_undone():
    """In the waves as they run now: in reverse."""
    from batch_deployer.plan.plan import budget_totals

    waves = (Wave(name="canary"), Wave(name="rest"))
    deployments = [a_deployment("web", wave=0), a_deployment("db", wave=1), a_deployment("app", wave=1)]
    undone = plan_rollback(a_plan(*deployments, waves=waves), [], delete_created=False).plan
    assert budget_totals(undone) == {
        "run": 3,
        "wave 1": 1,
        "wave 0": 2,
        "release web": 1,
        "release db": 1,
        "release app": 1,
    }
