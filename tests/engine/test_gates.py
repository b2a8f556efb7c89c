"""How many failures are too many."""

import pytest

from batch_deployer.model import events as e
from batch_deployer.plan.plan import Wave
from batch_deployer.settings import GateSettings, IntOrPercent, Limits, Rate

ONE_BY_ONE = Limits(writes=Rate(50, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(1))
ISOLATED = GateSettings(systemic=0)


def failing(make, *numbers):
    return [make.rule("fail", cluster=f"cluster-{number}") for number in numbers]


@pytest.mark.parametrize(
    ("budget", "started"),
    [(IntOrPercent(0), 1), (IntOrPercent(1), 2), (IntOrPercent(2), 3), (IntOrPercent(10, percent=True), 2), (None, 10)],
)
def test_a_run_starts_nothing_more_once_its_budget_of_failures_is_spent(make, act, budget, started):
    plan = make.plan(10, limits=ONE_BY_ONE, gates=GateSettings(max_failures=budget, systemic=0))
    show = act(plan, faults=failing(make, *range(10)))
    assert len(show.sent("create_release")) == started
    assert make.tally(show, plan)["failed"] == started
    assert show.ending.exit_code == (1 if budget is None else 4)
    if budget is not None:
        assert [halted.scope for halted in show.of(e.Halted)] == ["run"]


def test_a_budget_of_one_release_halts_by_that_release_alone(make, act):
    budgets = {"db": IntOrPercent(1)}
    plan = make.plan(8, ("web", "db"), gates=ISOLATED, release_budgets=budgets, limits=ONE_BY_ONE)
    show = act(plan, faults=[make.rule("fail", release="web")])
    assert make.tally(show, plan) == {"failed": 8, "deployed": 8}
    show = act(plan, faults=[make.rule("fail", release="db")])
    (halted,) = show.of(e.Halted)
    assert (halted.scope, "release db" in halted.reason) == ("release", True)
    assert make.tally(show, plan)["failed"] == 2


def test_a_percentage_of_a_wave_is_of_that_wave(make, act):
    plan = make.plan(
        10, gates=ISOLATED, waves=(Wave(name="all", max_failures=IntOrPercent(30, percent=True)),), limits=ONE_BY_ONE
    )
    show = act(plan, faults=failing(make, 0, 1, 2))
    assert not show.of(e.Halted)
    show = act(plan, faults=failing(make, 0, 1, 2, 3))
    assert "4 of 10 deployments of wave all did not succeed; max_failures is 30%" in show.ending.reason


def test_what_is_under_way_when_a_run_halts_is_watched_to_its_end(make, act):
    plan = make.plan(
        10, gates=GateSettings(max_failures=IntOrPercent(0)), limits=Limits(writes=Rate(5, 600.0), reads=Rate(50, 1.0))
    )
    show = act(plan, faults=failing(make, 0))
    assert make.tally(show, plan) == {"failed": 1, "deployed": 4, "None": 5}
    assert "halted" not in {reason for _, reason in make.outcomes(show, plan).values()}


def test_the_same_failure_on_several_clusters_halts_early(make, act):
    plan = make.plan(20, limits=ONE_BY_ONE)
    show = act(plan, faults=[make.rule("fail")])
    (halted,) = show.of(e.Halted)
    assert halted.scope == "systemic"
    assert "3 clusters" in halted.reason
    assert len(show.sent("create_release")) == 3
    assert show.ending.exit_code == 4


def test_the_same_failure_on_a_few_clusters_of_many_does_not_halt(make, act):
    plan = make.plan(20, limits=ONE_BY_ONE)
    show = act(plan, faults=failing(make, 6, 10, 14, 18))
    assert make.tally(show, plan) == {"deployed": 16, "failed": 4}
    assert not show.of(e.Halted)


def test_one_bad_chart_among_good_ones_is_found_although_most_deployments_go_well(make, act):
    plan = make.plan(10, ("a", "b", "c", "d"), limits=ONE_BY_ONE)
    show = act(plan, faults=[make.rule("fail", release="d")])
    (halted,) = show.of(e.Halted)
    assert (halted.scope, "of d on 3 clusters" in halted.reason) == ("systemic", True)


def test_failures_of_different_kinds_are_not_one_systemic_failure(make, act):
    plan = make.plan(6, limits=ONE_BY_ONE)
    rules = [
        make.rule("fail", cluster="cluster-0"),
        make.rule("unknown", cluster="cluster-1"),
        make.rule("forbidden", cluster="cluster-2", calls=frozenset({"create_release"})),
    ]
    show = act(plan, faults=rules)
    assert not show.of(e.Halted)
    assert make.tally(show, plan) == {"deployed": 3, "failed": 2, "rejected": 1}


def test_several_failures_on_one_cluster_are_one_cluster_s_and_do_not_halt(make, act):
    names = tuple("abcdef")
    plan = make.plan(2, names, limits=ONE_BY_ONE)
    show = act(plan, faults=[make.rule("fail", cluster="cluster-0")])
    assert make.tally(show, plan) == {"deployed": 6, "failed": 6}


def test_the_detection_can_be_turned_off(make, act):
    plan = make.plan(8, gates=ISOLATED)
    show = act(plan, faults=[make.rule("fail")])
    assert make.tally(show, plan) == {"failed": 8}
    assert show.ending.exit_code == 1
