"""Writes that were certainly not executed: they wait, alone, and come again."""

from batch_deployer.model import events as e


def test_a_refused_deployment_comes_again_even_if_a_look_comes_before_its_wait_is_over(make, act):
    # Two releases on one cluster: the look for the one (every 2 s) falls into the wait of the other (up to 7.5 s).
    plan = make.plan(6, ("web", "db"))
    locked = make.rule("locked", release="db", attempts=(1,))
    show = act(plan, faults=[locked], at={5000.0: lambda engine, _: engine.stop(15)})
    assert make.tally(show, plan) == {"deployed": 12}


def test_a_lock_holds_one_release_and_not_the_bucket(make, act):
    plan = make.plan(10)
    name = plan.deployments[0].cluster.name
    show = act(plan, faults=[make.rule("locked", cluster=name, first=3)])
    assert make.tally(show, plan) == {"deployed": 10}
    assert not show.of(e.Throttled)
    creates = show.sent("create_release")
    others = [called.at for called in creates if called.call.cluster_id != plan.deployments[0].cluster.id]
    assert max(others) < 2.0
    assert len(creates) == 13


def test_a_release_that_stays_locked_ends_with_its_own_timeout(make, act):
    plan = make.plan(2, spec={"timeout": 120.0})
    name = plan.deployments[0].cluster.name
    show = act(plan, faults=[make.rule("locked", cluster=name)])
    outcome, reason = make.outcomes(show, plan)[plan.deployments[0].key]
    assert outcome == "timed_out"
    assert "kept being refused" in reason
    assert make.tally(show, plan) == {"timed_out": 1, "deployed": 1}
    assert 110 < show.finishes()[plan.deployments[0].key] - show.events[0].at < 150
