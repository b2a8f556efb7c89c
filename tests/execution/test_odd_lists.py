"""Lists and answers that are odd, and refusals that do not pass."""

import msgspec
import pytest

from batch_deployer.model.api import ReleaseState
from batch_deployer.rules.decide import decide
from batch_deployer.rules.settle import newest


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return str(outcome), reason


def writes(show):
    return [called.call.kind for called in show.calls if called.call.writes]


def odd(world, **how):
    return msgspec.structs.replace(
        world, clusters=tuple(msgspec.structs.replace(cluster, **how) for cluster in world.clusters)
    )


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_highest_revision_of_a_list_counts(order):
    states = [ReleaseState(name="web", namespace="a", revision=number) for number in order]
    other = ReleaseState(name="web", namespace="b", revision=1)
    found = newest([*states, other])
    assert {key: state.revision for key, state in found.items()} == {("a", "web"): 3, ("b", "web"): 1}


def test_old_revisions_in_the_list_do_not_hide_the_newest(make, act):
    plan = make.plan(1)
    world = make.world(plan, [(plan.deployments[0], {"revision": 3, "version": "0.9.0"})])
    show = act(plan, world=odd(world, lists_revisions=True))
    assert only(make, show, plan) == ("deployed", "")
    assert show.fleet.ledger.revisions("upgrade") == {plan.deployments[0].key: [4]}


def test_a_create_refused_for_another_resource_is_sent_three_times_at_most(make, act):
    plan = make.plan(1)
    show = act(plan, world=odd(make.world(plan), occupied=("web",)))
    outcome, reason = only(make, show, plan)
    assert outcome == "rejected"
    assert "rendered manifests contain a resource that already exists" in reason
    assert writes(show) == ["create_release"] * 3


@pytest.mark.parametrize("status", ["RUNNING", ""])
def test_a_status_word_that_is_not_known_gives_no_advice_to_delete(make, act, status):
    plan = make.plan(1)
    state = ReleaseState(
        name="web", namespace="apps", chart_version="1.0.0", revision=1, status=status, values_json="{}"
    )
    decision = decide(plan.deployments[0], state, chart_name="web-chart", values={})
    assert str(decision.action) == "blocked"
    assert "delete" not in decision.reason
    assert "left as it is" in decision.reason
