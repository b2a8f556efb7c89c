"""Hard limits: what the engine promises a cloud, judged by what the server saw."""

import asyncio
import random

import pytest

from batch_deployer.engine.engine import PriorState
from batch_deployer.model import events as e
from batch_deployer.settings import IntOrPercent, Limits, Rate

STORM = {"effect": "throttle", "starts": 5.0, "until": 30.0}


def windows(times, period):
    """The most calls in any window."""
    return max(sum(start <= at < start + period for at in times) for start in times)


@pytest.mark.parametrize("rate", [Rate(10, 60.0), Rate(3, 1.0), Rate(7, 90.0)])
def test_no_window_of_writes_or_reads_is_ever_above_its_limit(make, act, rate):
    limits = Limits(writes=rate, reads=Rate(4, 1.0), in_flight=IntOrPercent(1000), per_cluster=IntOrPercent(5))
    plan = make.plan(12, ("web", "db"), limits=limits)
    show = act(plan)
    assert make.tally(show, plan) == {"deployed": 24}
    for bucket, limit in (("writes", rate), ("reads", Rate(4, 1.0))):
        throttle = show.fleet.throttles["sim", bucket]
        assert throttle.peak <= limit.count
        assert throttle.refused == 0
    assert show.fleet.throttles["sim", "writes"].peak == rate.count


class FarAway:
    """A cloud to which connections take long to make, now more and now less; then the request leaves."""

    def __init__(self, inner):
        self._inner = inner
        self._draw = random.Random(1).random

    async def call(self, call, on_sent):
        if call.writes:
            await asyncio.sleep(6.0 * self._draw())
        return await self._inner.call(call, on_sent)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_limit_holds_although_calls_leave_long_after_their_turn(make, act):
    plan = make.plan(40, limits=Limits(writes=Rate(10, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100)))
    show = act(plan, api=lambda inner, _: FarAway(inner))
    assert make.tally(show, plan) == {"deployed": 40}
    throttle = show.fleet.throttles["sim", "writes"]
    assert throttle.peak <= 10
    assert throttle.refused == 0


def test_a_call_that_hangs_holds_up_the_next_no_longer_than_it_may_be_late(make, act):
    """Its place is known only once it has left, after its intent is on the disk; nothing else happens meanwhile."""
    limits = Limits(writes=Rate(1, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100), per_cluster=IntOrPercent(2))
    plan = make.plan(1, ("web", "db"), limits=limits)
    hang = make.rule("timeout", attempts=(1,), calls=frozenset({"create_release"}))
    show = act(plan, faults=[hang])
    first, second, *_ = (called.at for called in sorted(show.sent("create_release"), key=lambda called: called.at))
    assert second - first < 1.5


def test_a_limit_holds_over_a_kill_although_the_disk_held_the_last_writes_up(make, act, stage, monkeypatch):
    monkeypatch.setattr(stage, "COMMIT", 1.5)
    plan = make.plan(10, limits=Limits(writes=Rate(4, 6.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100)))
    first = act(plan, trap=stage.Trap(moment="sent", number=16, luck=1.0))
    assert first.ending is None
    assert first.fleet.throttles["sim", "writes"].peak == 4
    monkeypatch.setattr(stage, "COMMIT", 0.0)
    last = stage.resume(plan, first, after=0.2)
    assert make.tally(last, plan) == {"deployed": 10}
    assert last.fleet.throttles["sim", "writes"].peak == 4


def test_the_peaks_that_are_reported_are_those_that_the_server_saw(make, act):
    plan = make.plan(30, limits=Limits(writes=Rate(10, 60.0), reads=Rate(5, 1.0)))
    show = act(plan)
    peaks = show.of(e.Measured)[-1].peaks
    seen = show.fleet.summary()["peaks"]["sim"]
    assert (peaks["writes"], peaks["reads"]) == (seen["writes"]["peak"], seen["reads"]["peak"])
    assert show.of(e.Measured)[-1].calls == {
        kind: sum(by.values()) for kind, by in show.fleet.ledger.kinds()["sim"].items()
    }


def test_one_429_pauses_the_whole_bucket_and_no_other_call_follows_until_the_pause_is_over(make, act):
    plan = make.plan(20, limits=Limits(writes=Rate(5, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100)))
    throttle = make.rule("throttle", attempts=(1,), cluster="cluster-7", calls=frozenset({"create_release"}))
    show = act(plan, faults=[throttle])
    (throttled,) = show.of(e.Throttled)
    assert (throttled.bucket, throttled.wait >= 1.0) == ("writes", True)
    hit = next(called for called in show.sent("create_release") if called.answer.status == 429)
    answered = throttled.at - show.events[0].at
    during = [each.at for each in show.sent("create_release") if answered < each.at < answered + throttled.wait - 0.1]
    assert hit.at < answered
    assert during == []
    assert make.tally(show, plan) == {"deployed": 20}


def test_after_a_pause_one_call_goes_alone_until_it_is_answered(make, act):
    creates = frozenset({"create_release"})
    plan = make.plan(20, limits=Limits(writes=Rate(20, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100)))
    rules = [make.rule("throttle", until=0.5, calls=creates), make.rule("slow", seconds=5.0, until=60.0, calls=creates)]
    show = act(plan, faults=rules)
    throttled = show.of(e.Throttled)[-1]
    first, second, *_ = (
        at for at in sorted(called.at for called in show.sent("create_release"))
        if at >= throttled.at - show.events[0].at + throttled.wait - 0.1
    )  # fmt: skip
    assert second - first >= 5.0
    assert make.tally(show, plan) == {"deployed": 20}


def test_once_the_lone_call_is_answered_the_others_follow_at_the_pace_and_not_one_by_one(make, act):
    creates = frozenset({"create_release"})
    plan = make.plan(20, limits=Limits(writes=Rate(20, 1.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(100)))
    rules = [make.rule("throttle", until=0.5, calls=creates), make.rule("slow", seconds=3.0, until=60.0, calls=creates)]
    show = act(plan, faults=rules)
    over = show.of(e.Throttled)[-1].at - show.events[0].at + show.of(e.Throttled)[-1].wait - 0.1
    _, second, *others = (at for at in sorted(called.at for called in show.sent("create_release")) if at >= over)
    assert others[9] - second < 1.0


def test_a_throttle_storm_is_not_answered_with_a_storm_of_retries(make, act):
    plan = make.plan(40, limits=Limits(writes=Rate(10, 1.0), reads=Rate(20, 1.0), in_flight=IntOrPercent(100)))
    show = act(plan, faults=[make.rule("throttle", starts=0.3, until=60.0)])
    assert make.tally(show, plan) == {"deployed": 40}
    refused = [called for called in show.calls if called.answer.status == 429]
    # One call a pause and bucket, and what was on its way when the first 429 came.
    assert len(refused) <= 2 * 60 + 15


def test_the_pace_drops_at_a_429_and_recovers_later(make, act):
    plan = make.plan(60, limits=Limits(writes=Rate(10, 10.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(100)))
    show = act(
        plan, faults=[make.rule("throttle", attempts=(1,), cluster="cluster-3", calls=frozenset({"create_release"}))]
    )
    (throttled,) = show.of(e.Throttled)
    assert throttled.rate == pytest.approx(0.9)
    assert show.engine.rates["sim", "writes"] == 1.0


def test_the_pace_that_an_earlier_run_learned_is_where_the_next_begins(make, act):
    plan = make.plan(10, limits=Limits(writes=Rate(10, 1.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(100)))
    show = act(plan, past=PriorState(rates={("sim", "writes"): 1.0}))
    at = [called.at for called in show.sent("create_release")]
    assert at[1] - at[0] >= 0.9


@pytest.mark.parametrize(("share", "cap"), [(IntOrPercent(3), 3), (IntOrPercent(20, percent=True), 4)])
def test_never_more_are_in_flight_than_allowed(make, act, share, cap):
    plan = make.plan(10, ("web", "db"), limits=Limits(writes=Rate(50, 1.0), reads=Rate(50, 1.0), in_flight=share))
    show = act(plan)
    assert most_under_way(show) == cap
    assert show.of(e.Measured)[-1].peaks["in_flight"] == cap


@pytest.mark.parametrize(
    ("share", "cap"), [(IntOrPercent(2), 2), (IntOrPercent(50, percent=True), 3), (IntOrPercent(1, percent=True), 1)]
)
def test_never_more_are_under_way_on_one_cluster_than_allowed(make, act, share, cap):
    names = ("a", "b", "c", "d", "e", "f")
    plan = make.plan(3, names, limits=Limits(writes=Rate(50, 1.0), reads=Rate(50, 1.0), per_cluster=share))
    show = act(plan)
    assert make.tally(show, plan) == {"deployed": 18}
    for deployment in plan.deployments[::6]:
        assert most_under_way(show, deployment.cluster.id) == cap


def most_under_way(show, cluster=""):
    """The most deployments between their intent and their end, from the journal."""
    under_way, most = set(), 0
    for event in show.events:
        if getattr(event, "key", "").startswith(cluster or "0"):
            if isinstance(event, e.Intended):
                under_way.add(event.key)
            elif isinstance(event, e.Finished | e.Refused | e.Missing):
                under_way.discard(event.key)
            most = max(most, len(under_way))
    return most


@pytest.mark.parametrize("effect", ["slow", "unreachable", "timeout", "error"])
def test_one_sick_cluster_delays_no_other(make, act, effect):
    plan = make.plan(24, limits=Limits(writes=Rate(10, 60.0), reads=Rate(5, 1.0), connections=8))
    healthy = act(plan)
    sick = act(
        plan, faults=[make.rule(effect, cluster="cluster-0", calls=frozenset({"list_releases", "create_release"}))]
    )
    failing = plan.deployments[0].cluster.id
    wrote = {called.call.cluster_id: called.at for called in healthy.sent("create_release")}
    for called in sick.sent("create_release"):
        if called.call.cluster_id != failing:
            assert called.at < wrote[called.call.cluster_id] + 1.0
    for key, at in sick.finishes().items():
        # Looks are spaced by a share of the time waited, so the same end may be noticed a little later.
        if not key.startswith(failing):
            assert at - healthy.finishes()[key] < 0.2 * (healthy.finishes()[key] - healthy.events[0].at)


def test_one_throttled_cloud_delays_no_other(make, act):
    plan = make.plan(20, clouds=("one", "two"))
    show = act(plan, faults=[make.rule("throttle", cloud="one", until=300.0)])
    others = [show.finishes()[each.key] for each in plan.deployments if each.cluster.cloud == "two"]
    assert max(others) - show.events[0].at < 150.0
    assert make.tally(show, plan) == {"deployed": 20}


def test_clouds_that_are_one_account_and_project_share_one_limit(make):
    from dataclasses import replace

    from batch_deployer.app.rehearsal_summary import play

    plan = make.plan(12, clouds=("one", "two"), limits=Limits(writes=Rate(2, 1.0), reads=Rate(100, 1.0)))
    same = {"endpoint": "https://cce.example.com", "project_id": "a" * 32}
    clouds = {name: replace(cloud, **same) for name, cloud in plan.clouds.items()}
    shared = play(replace(plan, clouds=clouds))
    sent = sorted(event.at for event in shared.events if isinstance(event, e.Intended))
    assert all(late - early >= 1.0 for early, late in zip(sent, sent[2:], strict=False))
    apart = sorted(event.at for event in play(plan).events if isinstance(event, e.Intended))
    assert apart[-1] - apart[0] < 0.7 * (sent[-1] - sent[0])


def test_many_dead_clusters_do_not_take_the_connections_from_the_healthy(make, act):
    limits = Limits(writes=Rate(50, 1.0), reads=Rate(50, 1.0), in_flight=IntOrPercent(100), connections=8)
    plan = make.plan(26, limits=limits)
    dead = [
        make.rule("timeout", cluster=f"cluster-{number}", calls=frozenset({"list_releases"})) for number in range(6)
    ]
    show = act(plan, faults=dead)
    healthy = [show.finishes()[each.key] - show.events[0].at for each in plan.deployments[6:]]
    assert make.tally(show, plan) == {"deployed": 20, "unreachable": 6}
    assert max(healthy) < 300.0
