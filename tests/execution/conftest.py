"""Plans for scenarios, and what every scenario must hold."""

import uuid
from collections import Counter

import pytest

from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.frozen import CloudSpec, Plan, Wave
from batch_deployer.settings import Limits, Rate, Share

FAST = Limits(writes=Rate(50, 1.0), reads=Rate(100, 1.0), in_flight=Share(1000), per_cluster=Share(4), connections=32)


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
        a_deployment(a_cluster(number, clouds[number % len(clouds)]), a_release(name, **(spec or {})))
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
        fast = FAST

    return Make
