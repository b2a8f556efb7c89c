"""Observing without writing: what a plan shows."""

import random

import msgspec
import pytest

from batch_deployer.app.null_listener import NullListener
from batch_deployer.app.rehearsal_summary import OpenFence, placeholder
from batch_deployer.clock.virtual import run_virtually, virtual_clock
from batch_deployer.engine.context import Ports
from batch_deployer.engine.preview import Previewer
from batch_deployer.model.deployment import Parameters
from batch_deployer.simulator.in_process import SimulatedApi
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.state.journal.memory import MemoryJournal


@pytest.fixture
def survey(make):
    def run(plan, running=(), faults=()):
        return run_virtually(_survey(plan, make.world(plan, running), faults))

    return run


async def _survey(plan, world, faults):
    clock = virtual_clock()
    fleet = SimulatedProvider(world, faults=faults)
    ports = Ports(
        apis={name: SimulatedApi(fleet, name, clock) for name in plan.clouds}, clock=clock, journal=MemoryJournal(),
        fence=OpenFence(), secrets=placeholder, listener=NullListener(), draw=random.Random(0).random,
    )  # fmt: skip
    found = await Previewer(plan, ports).survey()
    assert fleet.ledger.entries == []
    return found, clock.monotonic()


def test_a_survey_decides_every_deployment_with_one_list_a_cluster(make, survey):
    plan = make.plan(3, ("web", "db"))
    found, seconds = survey(plan, [(plan.deployments[0], {}), (plan.deployments[1], {"version": "1.0.0"})])
    assert [str(found.decisions[each.key].action) for each in plan.deployments] == [
        "upgrade", "unchanged", "create", "create", "create", "create",
    ]  # fmt: skip
    assert found.calls == {"list_charts": 1, "list_clusters": 1, "list_releases": 3}
    assert set(found.states) == {plan.deployments[0].key, plan.deployments[1].key}
    assert found.exit_code == 0
    assert seconds < 5.0


@pytest.mark.parametrize("phase", ["Hibernation", "Upgrading", "Error"])
def test_a_cluster_whose_phase_forbids_it_is_blocked_by_its_phase(make, survey, phase):
    plan = make.plan(2)
    found, seconds = survey(plan, faults=[make.rule("phase", phase=phase, cluster="cluster-1")])
    blocked = found.decisions[plan.deployments[1].key]
    assert (str(blocked.action), blocked.reason) == ("blocked", f"the cluster is {phase}")
    assert str(found.decisions[plan.deployments[0].key].action) == "create"
    assert seconds < 5.0


def test_a_cluster_that_cannot_be_observed_is_blocked_with_the_reason(make, survey):
    plan = make.plan(3)
    rules = [make.rule("forbidden", cluster="cluster-1"), make.rule("unreachable", cluster="cluster-2")]
    found, seconds = survey(plan, faults=rules)
    reasons = [found.decisions[each.key].reason for each in plan.deployments]
    assert reasons[0] == "absent"
    assert reasons[1].startswith("no permission: HTTP 403")
    assert reasons[2].startswith("no usable answer for 6")
    assert found.exit_code == 5
    assert seconds >= 600.0


def test_a_survey_gets_through_a_rough_day(make, survey):
    plan = make.plan(20)
    rules = [
        make.rule("reset", probability=0.3),
        make.rule("throttle", probability=0.05),
        make.rule("expire_token", probability=0.03),
    ]
    assert {str(decision.action) for decision in survey(plan, faults=rules)[0].decisions.values()} == {"create"}


@pytest.mark.parametrize(
    ("spec", "action"),
    [
        ({"namespace": "kube-system"}, "unchanged"),
        ({"parameters": Parameters(replace=True), "allow_destructive": True}, "unchanged"),
        ({}, "create"),
    ],
)
@pytest.mark.parametrize("faults", [[], ["throttle"], ["error"]])
def test_what_a_list_may_leave_out_is_read_at_its_own_address(make, spec, action, faults):
    plan = make.plan(2, spec=spec)
    world = make.world(plan, [(plan.deployments[0], {"version": "1.0.0"})])
    hidden = plan.deployments[0].release.namespace
    clusters = tuple(msgspec.structs.replace(cluster, unlisted=(hidden,)) for cluster in world.clusters)
    rules = [make.rule(effect, calls=frozenset({"show_release"}), attempts=(1,)) for effect in faults]
    found, _ = run_virtually(_survey(plan, msgspec.structs.replace(world, clusters=clusters), rules))
    first, second = (str(found.decisions[each.key].action) for each in plan.deployments)
    assert (first, second) == (action, "create")
