"""Writes that were certainly not executed: they wait, alone, and come again."""

from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Sent
from batch_deployer.settings import Limits, Rate


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


def test_a_refused_deployment_is_not_forgotten_when_a_look_comes_before_its_wait_is_over(make, act):
    plan = make.plan(1)

    def look_now(engine, _):
        run = engine._run
        scheduler, queue = run.locate(next(iter(run.states.values())))
        scheduler.schedule_poll(queue, run.now())
        engine._pool.wake_supervisor()

    late = {1.0: look_now, 3000.0: lambda engine, _: engine.stop(15)}
    show = act(plan, faults=[make.rule("locked", attempts=(1,))], at=late)
    assert make.tally(show, plan) == {"deployed": 1}
    assert show.seconds < 300.0


def test_a_create_whose_commit_took_so_long_that_a_stop_came_first_is_not_sent(make, act, stage):
    plan = make.plan(1)
    first = act(plan).sent("create_release")[0].at
    show = act(plan, at={first - stage.COMMIT / 2: lambda engine, _: engine.stop(15)})
    assert show.sent("create_release") == []
    assert [event.why for event in show.of(e.Refused)] == ["held back before it was sent"]
    assert make.tally(stage.resume(plan, show), plan) == {"deployed": 1}


def test_a_409_after_an_ambiguous_create_means_that_ours_is_there(make, act):
    plan = make.plan(1)
    # It takes effect after 55 s, unseen by readers for 30 s more; after 60 s it counts as missing and is sent again.
    ambiguous = make.rule(
        "error", status=504, acts="late", late=55.0, attempts=(1,), calls=frozenset({"create_release"})
    )
    show = act(plan, faults=[ambiguous, make.rule("stale", seconds=30.0)])
    assert [called.answer.status for called in show.sent("create_release")] == [504, 409]
    assert make.tally(show, plan) == {"deployed": 1}
    assert show.fleet.ledger.creates == {plan.deployments[0].key: 1}


def test_writes_that_never_get_through_end_although_the_cluster_can_be_read(make, act):
    plan = make.plan(3)
    show = act(plan, api=lambda inner, _: Mute(inner))
    assert make.tally(show, plan) == {"unreachable": 3}
    assert {reason for _, reason in make.outcomes(show, plan).values()} == {"connection refused"}
    assert show.seconds < 1500.0


class Mute:
    """Lets no write through."""

    def __init__(self, inner):
        self._inner = inner

    async def call(self, call, on_sent):
        return (
            Answer(sent=Sent.NO, message="connection refused") if call.writes else await self._inner.call(call, on_sent)
        )

    async def renew(self, credential):
        await self._inner.renew(credential)

    async def close(self):
        await self._inner.close()


def test_what_was_observed_long_ago_is_looked_at_again_before_a_write_relies_on_it(make, act):
    plan = make.plan(45, limits=Limits(writes=Rate(10, 60.0), reads=Rate(20, 1.0)))
    show = act(plan)
    looks = {}
    for called in show.calls:
        if called.call.kind == "list_releases":
            looks[called.call.cluster_id] = called.at
        elif called.call.kind == "create_release":
            assert called.at - looks[called.call.cluster_id] <= 120.0
    assert make.tally(show, plan) == {"deployed": 45}
