"""Plans for scenarios, and what every scenario must hold."""

import importlib
import sys
import uuid
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.rules import Effect, FaultRule
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.world.entities import SimRelease
from batch_deployer.simulator.world.world import World

sys.path += [str(Path(__file__).parents[1] / "soak"), str(Path(__file__).parent)]
theatre = importlib.import_module("theatre")

FAST = Limits(
    writes=Rate(50, 1.0),
    reads=Rate(100, 1.0),
    in_flight=IntOrPercent(1000),
    per_cluster=IntOrPercent(4),
    connections=32,
)


def a_cluster(number, cloud="sim", **more):
    return Cluster(id=str(uuid.UUID(int=number + 1)), name=f"cluster-{number}", cloud=cloud, **more)


def a_release(name="web", **more):
    return ReleaseSpec(
        **{"name": name, "namespace": "apps", "chart": ChartRef(name="web-chart"), "version": "1.0.0"} | more
    )


def a_deployment(cluster, release, **more):
    return Deployment(key=key_of(cluster.id, release.namespace, release.name), cluster=cluster, release=release, **more)


def a_plan(clusters=3, releases=("web",), *, clouds=("sim",), limits=FAST, spec=None, **more):
    """`clusters` x `releases`, clusters dealt to the clouds in turn."""
    pairs = [
        a_deployment(a_cluster(number, clouds[number % len(clouds)]), a_release(**({"name": name} | (spec or {}))))
        for number in range(clusters)
        for name in releases
    ]
    specs = {name: CloudSpec(name=name, limits=limits) for name in clouds}
    return Plan(**{"name": "scenario", "clouds": specs, "deployments": pairs, "waves": (Wave(name="all"),)} | more)


def outcomes(played, plan):
    """Key to (outcome, reason), from the journal alone."""
    found = {event.key: (event.outcome, event.reason) for event in played.events if hasattr(event, "outcome")}
    return {deployment.key: found.get(deployment.key, (None, "")) for deployment in plan.deployments}


def tally(played, plan):
    return Counter(str(outcome) for outcome, _ in outcomes(played, plan).values())


def a_rule(effect, **more):
    return FaultRule(effect=Effect(effect), **more)


def a_world(plan, running=(), **changes):
    """The plan's world, with releases that run already: (deployment, and how it differs from version 0.9.0, DEPLOYED)."""
    world = World.from_plan(plan)
    old = msgspec.structs.replace(world.charts[0], id=uuid_like("chart", "web-chart", "0.9.0"), versions=("0.9.0",))
    releases = []
    for deployment, how in running:
        version = how.get("version", "0.9.0")
        spec = deployment.release
        basics = {"cluster_id": deployment.cluster.id, "namespace": spec.namespace, "name": spec.name}
        chart = uuid_like("chart", "web-chart", version)
        releases.append(SimRelease(**(basics | {"chart_id": chart, "version": version} | how)))
    return msgspec.structs.replace(world, releases=tuple(releases), charts=(*world.charts, old), **changes)


@pytest.fixture
def stage():
    """The stage with trapdoors: `act`, `resume`, `Trap`, ..."""
    return theatre


@pytest.fixture
def act():
    return theatre.act


@pytest.fixture
def make():
    """The builders, without an import between test files."""

    class Make:
        cluster = staticmethod(a_cluster)
        release = staticmethod(a_release)
        deployment = staticmethod(a_deployment)
        plan = staticmethod(a_plan)
        outcomes = staticmethod(outcomes)
        tally = staticmethod(tally)
        rule = staticmethod(a_rule)
        world = staticmethod(a_world)
        fast = FAST

    return Make
