"""A plan for a place where time passes faster keeps its shape; only durations and limits change."""

from dataclasses import replace

import pytest

from batch_deployer.app.time_scale import accelerated
from batch_deployer.model.deployment import ChartRef, Cluster, Deployment, ReleaseSpec, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import Limits, Rate, Settings


def a_plan(writes="10/min", reads="10/s"):
    return Plan(
        name="nightly",
        clouds={"sim": CloudSpec(name="sim", limits=Limits(writes=Rate.parse(writes), reads=Rate.parse(reads)))},
        deployments=(
            Deployment(
                key=key_of("c", "ns", "web"),
                cluster=Cluster(id="c", name="c", cloud="sim"),
                release=ReleaseSpec(name="web", namespace="ns", chart=ChartRef(id="x"), version="1", timeout=900),
            ),
        ),
        waves=(Wave(name="all", soak=600),),
        settings=replace(Settings(), deadline=3600),
    )


def test_at_the_speed_of_the_clock_nothing_changes():
    plan = a_plan()
    assert accelerated(plan, 1) is plan


def test_durations_shrink_and_bounds_of_the_network_stay():
    quick, plan = accelerated(a_plan(), 60), a_plan()
    assert (quick.waves[0].soak, quick.settings.deadline) == (10, 60)
    assert quick.deployments[0].release.timeout == 15
    assert quick.settings.poll.max_interval == 1
    assert quick.settings.poll.growth_factor == plan.settings.poll.growth_factor
    assert quick.settings.wire == plan.settings.wire
    assert quick.settings.reconcile.clock_skew == plan.settings.reconcile.clock_skew


@pytest.mark.parametrize(
    ("written", "speed", "quick"),
    [
        ("10/min", 60, "10/s"),
        ("10/min", 50, "16/2s"),
        ("10/min", 6, "10/10s"),
        ("10/min", 10_000, "20/s"),
        ("25/s", 60, "25/s"),
        ("1/h", 60, "1/min"),
    ],
)
def test_limits_rise_as_much_up_to_what_one_machine_can_serve(written, speed, quick):
    assert str(accelerated(a_plan(writes=written), speed).clouds["sim"].limits.writes) == quick


@pytest.mark.parametrize("speed", [2, 7, 33.3, 60, 1000])
def test_a_quick_limit_can_be_written_and_read_again_and_is_never_more_than_asked_for(speed):
    slow, quick = Rate.parse("10/min"), accelerated(a_plan(), speed).clouds["sim"].limits.writes
    assert Rate.parse(str(quick)) == quick
    assert quick.per_second <= slow.per_second * speed + 1e-9
