"""The gateway's limits are hard, whatever the schedule of calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.model.api import ListCharts
from batch_deployer.settings import Rate
from batch_deployer.simulator.service.rate_limit import Throttle
from batch_deployer.simulator.world.entities import SimCloud

_gaps = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=120)


@given(_gaps, st.integers(1, 12), st.sampled_from([1.0, 7.5, 60.0]))
def test_no_window_ever_lets_more_through_than_its_limit(gaps, count, period):
    throttle = Throttle(Rate(count, period))
    now, admitted, arrived = 0.0, [], []
    for gap in gaps:
        now += gap
        arrived.append(now)
        if throttle.admit(now):
            admitted.append(now)
    for start in admitted:
        assert sum(start <= at < start + period for at in admitted) <= count
    assert throttle.peak == max(sum(end - period < at <= end for at in arrived) for end in arrived)
    assert throttle.refused == len(arrived) - len(admitted)


@given(_gaps, st.integers(1, 5))
def test_a_caller_who_waits_as_told_is_let_in(gaps, count):
    throttle = Throttle(Rate(count, 60.0))
    now = 0.0
    for gap in gaps:
        now += gap
        if not throttle.admit(now):
            now += throttle.wait(now) + 1e-6
            assert throttle.admit(now)


def test_refused_calls_count_so_hammering_never_gets_in_again():
    throttle = Throttle(Rate(10, 60.0))
    assert sum(throttle.admit(second * 1.0) for second in range(600)) == 10
    assert throttle.admit(600 + 61.0)


def test_a_tolerant_window_is_shorter_but_the_peak_is_told_honestly():
    throttle = Throttle(Rate(10, 60.0), tolerance=0.02)
    assert all(throttle.admit(at * 5.9) for at in range(30))
    assert throttle.peak == 11


@pytest.mark.parametrize(("said", "expected"), [("none", None), ("seconds", 59.0)])
def test_a_429_speaks_as_the_gateway_does(scene, ids, said, expected):
    clouds = (SimCloud(name="north", project_id="a" * 32, writes="10/min", reads="10/s", tolerance=0.0),)
    play = scene(clouds=clouds, clusters=(), autocreate=True, retry_after=said)
    for number in range(10):
        assert play.create(f"r{number}").status == 201
    reply = play.wait(1).create("one-too-many")
    assert (reply.status, reply.problem.code) == (429, "APIGW.0308")
    assert reply.problem.message.endswith("policy user over ratelimit,limit:10,time:1 minute")
    assert reply.retry_after == expected
    assert play.show().status == 404, "reads have a bucket of their own"
    assert play.wait(60).create("after").status == 201
    assert play.ledger()["peaks"]["north"]["writes"] == {"limit": "10/min", "peak": 11, "refused": 1}


def test_each_cloud_has_its_own_limits(scene, ids):
    clouds = tuple(SimCloud(name=name, project_id=name[0] * 32, reads="1/min") for name in ("north", "south"))
    play = scene(clouds=clouds)
    assert [play.show().status, play.show().status] == [404, 429]
    assert play.fleet.handle("south", ListCharts(), play.now).status == 200
