"""`control RUN skip` and `retry`: what an operator puts aside stays aside until it is taken up again."""

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral
from batch_deployer.plan.plan import Wave
from batch_deployer.ports import Command, Selection
from batch_deployer.settings import GateSettings, IntOrPercent


class Orders:
    """ports.Control with commands that come at virtual seconds."""

    def __init__(self, *orders):
        self.orders = list(orders)
        self.clock = None

    def poll(self):
        import asyncio

        now = asyncio.get_running_loop().time()
        return self.orders.pop(0)[1] if self.orders and self.orders[0][0] <= now else None


def skip(glob, at=0.0):
    return at, Selection(Command.SKIP, glob)


def retry(glob, at):
    return at, Selection(Command.RETRY, glob)


def names(show, plan, outcome):
    found = show.outcomes()
    return {each.cluster.name for each in plan.deployments if found.get(each.key, ("", ""))[0] == outcome}


@pytest.mark.parametrize("glob", ["cluster-1", "cluster-1/apps/web", "*-1", "KEY", "CLUSTER"])
def test_what_is_put_aside_before_it_starts_is_deferred_and_nothing_of_it_is_sent(make, act, glob):
    plan = make.plan(3)
    named = {"KEY": plan.deployments[1].key, "CLUSTER": plan.deployments[1].cluster.id}.get(glob, glob)
    show = act(plan, control=Orders(skip(named)))
    assert make.tally(show, plan) == {"deployed": 2, "deferred": 1}
    assert make.outcomes(show, plan)[plan.deployments[1].key] == ("deferred", "put aside by an operator")
    assert len(show.sent("create_release")) == 2
    assert show.ending.exit_code == 0
    assert [event.cause for event in show.of(e.Deferred)] == [Deferral.OPERATOR]
    assert f"an operator asked to skip {named}: 1 deployments are put aside" in [w.message for w in show.of(e.Warned)]


def test_what_is_taken_up_again_is_deployed(make, act):
    plan = make.plan(3, gates=GateSettings(defer_for=3600.0))
    show = act(plan, control=Orders(skip("cluster-1"), retry("cluster-1", 500.0)))
    assert make.tally(show, plan) == {"deployed": 3}
    late = max(show.sent("create_release"), key=lambda each: each.at)
    assert 500.0 <= late.at < 503.0


def test_what_an_operator_put_aside_stays_aside_when_its_cluster_wakes(make, act):
    plan = make.plan(2, gates=GateSettings(defer_for=600.0))
    asleep = make.rule("phase", phase="Hibernation", cluster="cluster-0", until=100.0)
    show = act(plan, faults=[asleep], control=Orders(skip("cluster-0", 50.0)))
    assert make.tally(show, plan) == {"deployed": 1, "deferred": 1}
    assert names(show, plan, "deferred") == {"cluster-0"}


def test_what_is_taken_up_again_on_a_cluster_that_sleeps_is_deferred_for_its_phase(make, act):
    plan = make.plan(2, gates=GateSettings(defer_for=600.0))
    asleep = make.rule("phase", phase="Hibernation", cluster="cluster-0")
    show = act(plan, faults=[asleep], control=Orders(skip("cluster-0", 50.0), retry("cluster-0", 100.0)))
    assert [event.cause for event in show.of(e.Deferred)] == [Deferral.CLUSTER, Deferral.OPERATOR, Deferral.CLUSTER]
    assert make.outcomes(show, plan)[plan.deployments[0].key] == ("deferred", "the cluster is Hibernation")


def test_what_is_under_way_is_watched_on_and_told_so(make, act):
    plan = make.plan(2)
    show = act(plan, control=Orders(skip("*", 5.0)))
    assert make.tally(show, plan) == {"deployed": 2}
    messages = [event.message for event in show.of(e.Warned)]
    assert messages == ["an operator asked to skip *: 0 deployments are put aside; 2 are under way and are watched on"]


def test_what_is_refused_after_it_was_to_be_skipped_is_put_aside(make, act):
    plan = make.plan(1, spec={"timeout": 900.0})
    locked = make.rule("locked", calls=frozenset({"create_release"}), until=300.0)
    show = act(plan, faults=[locked], control=Orders(skip("*", 30.0)))
    assert make.tally(show, plan) == {"deferred": 1}
    assert show.seconds < 60.0


def test_what_needs_a_release_that_is_put_aside_waits_with_it_and_starts_after_it(make, act):
    plan = make.plan(1, ("base", "top", "roof"), gates=GateSettings(defer_for=3600.0))
    for each, needs in zip(plan.deployments, ((), ("base",), ("top",)), strict=True):
        object.__setattr__(each, "release", make.release(each.release.name, needs=needs))
    show = act(plan, control=Orders(skip("base"), retry("base", 300.0)))
    assert make.tally(show, plan) == {"deployed": 3}
    assert [event.cause for event in show.of(e.Deferred)] == [Deferral.OPERATOR, Deferral.NEEDS, Deferral.NEEDS]
    order = [each.call.name for each in sorted(show.sent("create_release"), key=lambda each: each.at)]
    assert order == ["base", "top", "roof"]
    assert min(each.at for each in show.sent("create_release")) > 300.0


def test_a_release_that_is_taken_up_stays_behind_the_one_that_it_needs(make, act):
    plan = make.plan(1, ("base", "top"), gates=GateSettings(defer_for=600.0))
    object.__setattr__(plan.deployments[1], "release", make.release("top", needs=("base",)))
    show = act(plan, control=Orders(skip("*"), retry("top", 100.0)))
    assert make.tally(show, plan) == {"deferred": 2}
    assert not show.sent("create_release")


def test_what_is_skipped_in_a_wave_to_come_is_not_waited_for(make, act):
    plan = make.plan(2, waves=(Wave(name="one"), Wave(name="two")))
    object.__setattr__(plan.deployments[1], "wave", 1)
    show = act(plan, control=Orders(skip("cluster-1", 5.0)))
    assert make.tally(show, plan) == {"deployed": 1, "deferred": 1}
    assert [event.wave for event in show.of(e.WavePassed)] == [0, 1]


def test_what_was_put_aside_stays_aside_in_a_resumed_run_until_it_is_taken_up(make, act, stage):
    plan = make.plan(2, gates=GateSettings(defer_for=600.0))
    show = act(plan, control=Orders(skip("cluster-0")), at={100.0: lambda engine, _: engine.stop(15)})
    assert show.ending.exit_code == 143
    assert make.tally(stage.resume(plan, show), plan) == {"deployed": 1, "deferred": 1}
    taken = stage.resume(plan, show, control=Orders(retry("cluster-0", 60.0)))
    assert make.tally(taken, plan) == {"deployed": 2}


def test_skipping_all_of_a_run_ends_it_with_exit_1_and_a_glob_of_nothing_changes_nothing(make, act):
    plan = make.plan(3)
    assert act(plan, control=Orders(skip("*"))).ending.exit_code == 1
    assert make.tally(act(plan, control=Orders(skip("other"), retry("other", 1.0))), plan) == {"deployed": 3}


def test_operators_spend_no_budget_of_failures_but_that_of_deferred_ones(make, act):
    plan = make.plan(3, gates=GateSettings(max_failures=IntOrPercent(0)))
    assert act(plan, control=Orders(skip("cluster-1"))).ending.exit_code == 0
    plan = make.plan(3, gates=GateSettings(max_deferred=IntOrPercent(0)))
    show = act(plan, control=Orders(skip("cluster-1")))
    assert (show.ending.exit_code, make.tally(show, plan)) == (4, {"deployed": 2, "deferred": 1})
