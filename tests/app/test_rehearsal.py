"""Rehearsals: many seeds of the real engine in virtual time."""

import uuid

import pytest

from batch_deployer.app.rehearsal import RehearsalResult, Trial, rehearse, scaled, timed
from batch_deployer.errors import InputError
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.world.world import World


def a_plan(clusters=4, releases=2):
    deployments = []
    for number in range(clusters):
        cluster = Cluster(id=str(uuid.UUID(int=number + 1)), name=f"c{number}", cloud="one")
        for index in range(releases):
            spec = ReleaseSpec(name=f"r{index}", namespace="apps", chart=ChartRef(name="web"), version="1.0.0")
            deployments.append(Deployment(key=key_of(cluster.id, "apps", spec.name), cluster=cluster, release=spec))
    limits = Limits(writes=Rate(10, 1.0), reads=Rate(50, 1.0), per_cluster=IntOrPercent(2))
    return Plan(name="p", clouds={"one": CloudSpec(name="one", limits=limits)}, deployments=deployments)


def test_every_seed_is_one_trial_and_the_same_seed_tells_the_same(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    first = rehearse(a_plan(), seeds=[1, 2, 3], durations={})
    again = rehearse(a_plan(), seeds=[1, 2, 3], durations={})
    assert [trial.seed for trial in first.trials] == [1, 2, 3]
    assert first == again
    assert len({trial.seconds for trial in first.trials}) > 1
    assert all(trial.outcomes == {"deployed": 8} and trial.exit_code == 0 for trial in first.trials)
    assert first.calls["create_release"] == 8


def test_other_processes_tell_the_same_as_this_one(monkeypatch):
    apart = rehearse(a_plan(2, 1), seeds=[1, 2], durations={})
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert rehearse(a_plan(2, 1), seeds=[1, 2], durations={}) == apart


def test_install_times_come_from_history_where_there_is_enough(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    known = {"web": [200.0, 210.0, 190.0, 205.0, 195.0]}
    slow = rehearse(a_plan(), seeds=[1], durations=known)
    assert slow.from_history == ["web"]
    assert slow.median > 190
    few = rehearse(a_plan(), seeds=[1], durations={"web": [200.0] * 4})
    assert few.from_history == []


def test_learned_times_set_the_median_and_the_spread():
    world = timed(World.from_plan(a_plan()), {"web": [10.0, 20.0, 40.0, 20.0, 20.0]})
    assert world.charts[0].install == pytest.approx(20.0)
    assert world.charts[0].spread == pytest.approx(0.438, abs=0.001)


def test_a_plan_is_repeated_or_cut_to_a_number_of_clusters():
    plan = a_plan(4, 2)
    assert len(scaled(plan, 3).deployments) == 6
    many = scaled(plan, 10)
    assert len({deployment.cluster.id for deployment in many.deployments}) == 10
    assert len({deployment.key for deployment in many.deployments}) == 20
    with pytest.raises(InputError, match="no deployments"):
        scaled(a_plan(0), 3)


def test_the_95th_percentile_is_by_nearest_rank():
    trials = [
        Trial(seed=seed, seconds=float(seed), exit_code=0, reason="", outcomes={}, calls={"list_releases": seed})
        for seed in range(1, 21)
    ]
    done = RehearsalResult(trials=trials, deployments=1, clusters=1, bottleneck="", from_history=())
    assert done.p95 == 19.0
    assert done.recovered == 19.0
    assert done.median == 10.5
    assert done.calls == {"list_releases": 10}


def test_a_rehearsal_that_does_not_bring_everything_about_keeps_no_recovery_time():
    def done(*codes):
        trials = [
            Trial(seed=seed, seconds=10.0, exit_code=code, reason="", outcomes={}, calls={})
            for seed, code in enumerate(codes)
        ]
        return RehearsalResult(trials=trials, deployments=1, clusters=1, bottleneck="", from_history=())

    assert done(0, 4).p95 == 10.0
    assert done(0, 4).recovered == float("inf")
    assert done(*[0] * 19, 4).recovered == 10.0
