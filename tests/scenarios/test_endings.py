"""Every run ends: a sample of what the soak plays in full."""

import importlib

import pytest

from batch_deployer.errors import IllegalTransition
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan


@pytest.fixture(scope="session")
def endings(adverse):
    assert adverse  # its folder is on the path
    return importlib.import_module("endings")


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_every_run_retry_and_rollback_of_a_random_fleet_ends(endings, first):
    assert [line for seed in range(first, first + 20) for line in endings.trial(seed)] == []


def test_deployments_that_wait_for_each_other_end_the_run_and_are_named(stage):
    """No plan of ours holds a circle; a saved one that was edited may."""
    cluster = Cluster(id="c1", name="one", cloud="sim")
    pairs = []
    for name, needs in (("web", ("b/db",)), ("db", ("a/web",)), ("free", ())):
        namespace = {"web": "a", "db": "b"}.get(name, "c")
        spec = ReleaseSpec(name=name, namespace=namespace, chart=ChartRef(name="chart"), version="1.0.0", needs=needs)
        pairs.append(Deployment(key=key_of("c1", namespace, name), cluster=cluster, release=spec))
    plan = Plan(name="circle", clouds={"sim": CloudSpec(name="sim")}, deployments=pairs)
    with pytest.raises(IllegalTransition, match="these deployments can never start: one/a/web, one/b/db"):
        stage.act(plan)


def test_a_need_in_another_namespace_is_waited_for_by_its_whole_name(stage):
    """Two releases are called db; the one that is needed fails, the other does not matter."""
    cluster = Cluster(id="c1", name="one", cloud="sim")

    def one(name, namespace, needs=()):
        spec = ReleaseSpec(name=name, namespace=namespace, chart=ChartRef(name=name), version="1.0.0", needs=needs)
        return Deployment(key=key_of("c1", namespace, name), cluster=cluster, release=spec)

    pairs = [one("db", "a"), one("db", "b"), one("app", "b", needs=("db",)), one("other", "a", needs=("db",))]
    plan = Plan(name="two", clouds={"sim": CloudSpec(name="sim")}, deployments=pairs)
    from batch_deployer.simulator.faults.rules import Effect, FaultRule

    faults = [FaultRule(effect=Effect.FAIL, release="b/db", name="fail")]
    outcomes = {key: outcome for key, (outcome, _) in stage.act(plan, faults=faults).outcomes().items()}
    assert outcomes == {
        "c1/a/db": "deployed",
        "c1/b/db": "failed",
        "c1/b/app": "not_started",
        "c1/a/other": "deployed",
    }
