"""Running counts."""

import pytest

from batch_deployer.model.deployment import Deferral, Operation, Outcome
from batch_deployer.model.events import (
    Accepted,
    Confirmed,
    Deferred,
    Finished,
    Intended,
    Refused,
    Requeued,
    RunStarted,
    Throttled,
)
from batch_deployer.observe.counters import RunCounters

KEY = "id-1/apps/web"


@pytest.fixture
def tally(plan):
    return RunCounters(plan)


def test_counts_follow_each_deployment_through_its_lane(tally, events, start):
    for event in events[:8]:
        tally.on_event(event)
    assert {place: (lane.total, lane.ended, lane.in_flight) for place, lane in tally.lanes.items()} == {
        (0, "de"): (1, 1, 0),
        (1, "de"): (1, 0, 0),
        (1, "nl"): (1, 0, 1),
    }
    for event in events[8:]:
        tally.on_event(event)
    assert dict(tally.outcomes) == {"deployed": 1, "failed": 1, "not_started": 1}
    assert (tally.ended, tally.succeeded, tally.writes, tally.refusals, tally.uncertain) == (3, 1, 3, 1, 1)
    assert (tally.in_flight, tally.exit_code, tally.halted) == (0, 4, "run: 1 of 3 failed")
    assert [(failed.name, failed.reason) for failed in tally.failed] == [("c2/apps/web", "no such image")]


def test_a_deployment_that_ends_twice_counts_once(tally):
    for at in (0, 1):
        tally.on_event(Finished(at=at, key=KEY, outcome=Outcome.NOT_STARTED))
    assert (tally.outcomes["not_started"], tally.lanes[0, "de"].ended) == (1, 1)
    tally.on_event(Intended(at=2, key=KEY, operation=Operation.CREATE, attempt=1))
    assert (tally.ended, tally.in_flight) == (0, 1)
    tally.on_event(Finished(at=3, key=KEY, outcome=Outcome.DEPLOYED))
    assert {word: count for word, count in tally.outcomes.items() if count} == {"deployed": 1}
    assert tally.lanes[0, "de"].ended == 1


def test_an_adopted_release_is_in_flight_without_a_write(tally):
    tally.on_event(Confirmed(at=1, key=KEY, operation=Operation.CREATE))
    assert (tally.in_flight, tally.writes) == (1, 0)


def test_nothing_is_in_flight_when_the_only_write_was_refused(tally):
    for at, operation in enumerate((Operation.DELETE, Operation.CREATE)):
        tally.on_event(Intended(at=at, key=KEY, operation=operation, attempt=1))
        tally.on_event(Refused(at=at, key=KEY, operation=operation, why="held back"))
        if operation is Operation.DELETE:
            assert (tally.in_flight, tally.lanes[0, "de"].in_flight) == (0, 0)
            tally.on_event(Intended(at=at, key=KEY, operation=operation, attempt=2))
            tally.on_event(Accepted(at=at, key=KEY, operation=operation))
    assert tally.in_flight == 1, "it was deleted and must still be created"


def test_the_rate_and_the_time_left_come_from_the_latest_ends(tally):
    assert (tally.rate(0.0), tally.eta(0.0)) == (0.0, None)
    for number, at in ((1, 10.0), (2, 20.0)):
        tally.on_event(Finished(at=at, key=f"id-{number}/apps/web", outcome=Outcome.DEPLOYED))
    assert tally.rate(20.0) == pytest.approx(0.1)
    assert tally.eta(20.0) == pytest.approx(10.0)


def test_a_throttle_is_over_when_its_wait_is(tally):
    tally.on_event(Throttled(at=10.0, cloud="de", bucket="writes", wait=60.0, rate=0.1))
    assert tally.throttled(30.0) == [("de", "writes", 40.0)]
    assert tally.throttled(70.0) == []


def test_a_stranger_changes_nothing_and_a_new_part_clears_the_old_ones_end(tally, events):
    for event in events:
        tally.on_event(event)
    tally.on_event(Finished(at=1, key="x/y/z", outcome=Outcome.FAILED))
    tally.on_event(RunStarted(at=2, run="run-1", manifest="nightly", resumed=True))
    assert (tally.ended, tally.halted, tally.exit_code) == (3, "", None)
    assert tally.rate(3.0) == 0.0


def deferred(key=KEY, cause=Deferral.CLUSTER, at=1.0):
    return Deferred(at=at, key=key, cause=cause, why="the cluster is Hibernation", phase="Hibernation")


def test_what_is_deferred_is_counted_apart_until_it_is_due_again_or_has_ended(tally):
    tally.on_event(deferred())
    tally.on_event(deferred(at=2.0))
    assert (tally.deferred, tally.ended, tally.in_flight) == (1, 0, 0)
    tally.on_event(Requeued(at=3.0, key=KEY))
    assert tally.deferred == 0
    tally.on_event(deferred(at=4.0))
    tally.on_event(Finished(at=5.0, key=KEY, outcome=Outcome.DEFERRED))
    lane = tally.lanes[0, "de"]
    assert (tally.deferred, tally.outcomes["deferred"], lane.ended - lane.succeeded - lane.deferred) == (0, 1, 0)
    assert not tally.failed
    assert not tally.ends, "it says nothing about the pace"


def test_a_deferred_deployment_of_a_plan_that_is_not_known_is_passed_over(tally):
    tally.on_event(deferred("other"))
    assert tally.deferred == 0


def test_what_is_deferred_is_not_waited_for_in_the_forecast(tally):
    tally.on_event(Finished(at=0.0, key="id-2/apps/web", outcome=Outcome.DEPLOYED))
    tally.on_event(Finished(at=10.0, key="id-3/apps/web", outcome=Outcome.DEPLOYED))
    tally.on_event(deferred())
    assert tally.eta(10.0) == 0.0
