"""What a plan is said to cost."""

import uuid

import pytest

from batch_deployer.model.deployment import Action, ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.estimate import GUESSED_INSTALL, estimate
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import IntOrPercent, Limits, Rate

ROOMY = Limits(
    writes=Rate(1000, 1.0), reads=Rate(1000, 1.0), in_flight=IntOrPercent(10_000), per_cluster=IntOrPercent(100)
)
ONE_WAVE = (Wave(name="all"),)


def a_plan(clusters, releases, limits, *, waves=ONE_WAVE, wave_of=lambda number: 0):
    deployments = []
    for number in range(clusters):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud="one")
        for index in range(releases):
            spec = ReleaseSpec(name=f"r{index}", namespace="apps", chart=ChartRef(name="web"), version="1.0.0")
            deployments.append(
                Deployment(
                    key=key_of(cluster.id, "apps", spec.name), cluster=cluster, release=spec, wave=wave_of(number)
                )
            )
    return Plan(name="p", clouds={"one": CloudSpec(name="one", limits=limits)}, deployments=deployments, waves=waves)


def all_create(plan):
    return {deployment.key: Action.CREATE for deployment in plan.deployments}


def limits(**changed):
    return Limits(
        **{name: changed.get(name, getattr(ROOMY, name)) for name in ("writes", "reads", "in_flight", "per_cluster")}
    )


@pytest.mark.parametrize(
    ("bound", "seconds", "bottleneck"),
    [
        (limits(writes=Rate(10, 60.0)), 99 * 6 + 30, "writes of 10/min in cloud one"),
        (limits(in_flight=IntOrPercent(5)), 100 * 30 / 5 + 30, "in_flight 5 in cloud one"),
        (limits(per_cluster=IntOrPercent(1)), 10 * 30, "per_cluster 1 in cloud one"),
    ],
)
def test_the_tightest_limit_makes_the_time_and_is_named(bound, seconds, bottleneck):
    plan = a_plan(10, 10, bound)
    cast = estimate(plan, all_create(plan), {"web": [20.0, 30.0, 40.0]})
    assert cast.seconds == pytest.approx(seconds)
    assert cast.bottleneck == bottleneck


def test_a_limit_that_costs_less_than_the_longest_install_is_not_called_the_bottleneck():
    cast = estimate(plan := a_plan(3, 1, limits(writes=Rate(10, 60.0))), all_create(plan), {"web": [30.0]})
    assert cast.seconds == pytest.approx(2 * 6 + 30)
    assert cast.bottleneck == "the longest install"


def test_waves_and_soaks_add_up():
    waves = (Wave(name="canary", soak=600.0), Wave(name="rest", soak=900.0))
    plan = a_plan(10, 1, ROOMY, waves=waves, wave_of=lambda number: int(number > 0))
    cast = estimate(plan, all_create(plan), {"web": [30.0]})
    assert cast.seconds == pytest.approx(30 + 600 + 30, abs=0.1), "the last wave's soak holds nobody up"
    assert cast.bottleneck == "the soak of wave canary"


def test_only_what_writes_costs_writes():
    plan = a_plan(4, 1, ROOMY)
    actions = [Action.CREATE, Action.UPGRADE, Action.REPLACE, Action.UNCHANGED]
    cast = estimate(plan, dict(zip(all_create(plan), actions, strict=True)), {"web": [30.0]})
    writes = {
        kind: number for kind, number in cast.calls.items() if kind.split("_")[0] in {"create", "update", "delete"}
    }
    assert writes == {"create_release": 2, "update_release": 1, "delete_release": 1}
    assert cast.calls["list_charts"] == cast.calls["list_clusters"] == 1
    assert cast.calls["list_releases"] > 4


def test_nothing_to_write_is_limited_by_nothing_but_the_reads():
    plan = a_plan(100, 1, limits(reads=Rate(10, 1.0)))
    cast = estimate(plan, dict.fromkeys(all_create(plan), Action.UNCHANGED), {})
    assert cast.seconds == pytest.approx(10.0)
    assert cast.bottleneck == "reads of 10/s in cloud one"
    assert cast.calls == {"list_charts": 1, "list_clusters": 1, "list_releases": 100}


def test_a_chart_that_no_run_has_seen_is_guessed_and_named():
    plan = a_plan(1, 1, ROOMY)
    cast = estimate(plan, all_create(plan), {})
    assert cast.guessed == ("web",)
    assert cast.seconds == pytest.approx(GUESSED_INSTALL)
    assert estimate(plan, all_create(plan), {"web": [1.0]}).guessed == ()
