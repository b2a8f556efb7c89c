"""Worlds: made for a plan, generated, and sent to another process as JSON."""

import re

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.api import CreateRelease, ListCharts, ListReleases
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.settings import Limits, Rate
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import SimCloud, SimCluster, SimRelease
from batch_deployer.simulator.world.world import World


def a_plan(*specs, clouds=None):
    cluster = Cluster(id="c-1", name="prod-1", cloud="otc", tags={"env": "prod"})
    pairs = [Deployment(key=key_of("c-1", spec.namespace, spec.name), cluster=cluster, release=spec) for spec in specs]
    limits = Limits(writes=Rate(7, 90.0), reads=Rate(3, 1.0))
    given = clouds or {"otc": CloudSpec(name="otc", region="eu-de", project_id="C" * 32, limits=limits)}
    return Plan(name="p", clouds=given, deployments=pairs)


def a_spec(release="web", version="1.0.0", **chart):
    return ReleaseSpec(name=release, namespace="apps", chart=ChartRef(**chart), version=version)


def test_a_plans_world_has_what_the_plan_needs_and_its_limits_are_hard():
    plan = a_plan(a_spec("web", id="chart-1"), a_spec("db", "2.0.0", name="postgres"))
    world = World.from_plan(plan)
    assert world.clouds == (SimCloud(name="otc", project_id="c" * 32, project="eu-de", writes="7/90s", reads="3/s"),)
    assert world.clusters == (SimCluster(id="c-1", name="prod-1", cloud="otc", tags={"env": "prod"}),)
    assert [(chart.name, chart.versions) for chart in world.charts] == [("web", ("1.0.0",)), ("postgres", ("2.0.0",))]
    fleet = SimulatedProvider(world)
    shown = fleet.handle("otc", ListCharts(), 1e9).body
    for spec, chart in zip((one.release for one in plan.deployments), shown, strict=True):
        call = CreateRelease(
            cluster_id="c-1", namespace="apps", name=spec.name, chart_id=chart.id, version=spec.version
        )
        assert fleet.handle("otc", call, 1e9).status == 201


def test_two_plans_of_one_story_share_a_world():
    world = World.from_plan(a_plan(a_spec("web", "1.0.0", id="chart-1")), a_plan(a_spec("web", "1.1.0", id="chart-1")))
    assert [(chart.id, chart.versions) for chart in world.charts] == [("chart-1", ("1.0.0", "1.1.0"))]
    assert len(world.clouds) == len(world.clusters) == 1


def test_two_clouds_never_share_a_project():
    spec = CloudSpec(name="x", region="eu-de", project_id="a" * 32)
    world = World.from_plan(a_plan(a_spec(id="c"), clouds={"otc": spec, "two": spec}))
    ids = [cloud.project_id for cloud in world.clouds]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
    assert len({cloud.project for cloud in world.clouds}) == 2


def test_a_generated_world_follows_from_its_seed_and_deals_clusters_out():
    world = World.generated(clouds=3, clusters=100, seed=4)
    assert world == World.generated(clouds=3, clusters=100, seed=4) != World.generated(clouds=3, clusters=100, seed=5)
    assert sorted(sum(one.cloud == cloud.name for one in world.clusters) for cloud in world.clouds) == [33, 33, 34]
    assert world.autocreate


def test_a_world_survives_json(make_world):
    world = make_world(
        releases=(SimRelease(cluster_id="c", namespace="n", name="r", chart_id="x"),), retry_after="date", addons=True
    )
    assert World.from_json(world.to_json()) == world


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not a simulated world: Input data was truncated"),
        ('{"clouds":[],"planets":[]}', "this is not a simulated world: Object contains unknown field `planets`"),
        (
            '{"clouds":[{"name":"a","project_id":"b","writes":"many"}]}',
            "simulated cloud 'a': 'many' is not a rate; write for example 10/min or 20/s",
        ),
        (
            '{"clouds":[],"clusters":[{"id":"x","name":"y","cloud":"z"}]}',
            "simulated cluster 'y' names the cloud 'z', which is not there",
        ),
    ],
)
def test_a_broken_world_is_refused_with_its_reason(text, message):
    with pytest.raises(InputError) as caught:
        World.from_json(text)
    assert message in str(caught.value)


def test_an_unknown_cloud_is_refused_with_those_that_exist(make_world):
    with pytest.raises(InputError, match="no cloud 'east', only north, south"):
        SimulatedProvider(make_world()).issue_token("east", 0.0)


def test_releases_that_run_already_are_there_from_the_start(make_world, ids):
    seeded = [
        SimRelease(cluster_id=ids.cluster, namespace="n", name=f"r-{status.lower()}", chart_id=ids.chart, status=status)
        for status in ("DEPLOYED", "FAILED", "UNKNOWN", "PENDING_INSTALL", "PENDING_UPGRADE", "DELETING")
    ]
    third = SimRelease(
        cluster_id=ids.cluster, namespace="n", name="old", chart_id=ids.chart, revision=3, version="1.0.0"
    )
    fleet = SimulatedProvider(make_world(releases=(*seeded, third), addons=True))
    shown = {one.name: one for one in fleet.handle("north", ListReleases(cluster_id=ids.cluster), ids.start).body}
    assert all(shown[one.name].status == one.status for one in seeded)
    assert (shown["old"].version, shown["old"].chart_version) == (3, "1.0.0")
    assert shown["cceaddon-coredns"].namespace == "kube-system"
    assert fleet.summary()["creates"] == {}
