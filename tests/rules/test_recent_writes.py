"""When writes may have arrived, read from a journal alone."""

import math

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.rules.recent_writes import arrivals


def intended(at, key="a", attempt=1):
    return e.Intended(at=at, key=key, operation=Operation.CREATE, attempt=attempt)


def accepted(at, key="a"):
    return e.Accepted(at=at, key=key, operation=Operation.CREATE)


def until(*events):
    return [(intent.at, at) for intent, at in arrivals(reversed(events))]


def test_a_write_arrived_before_what_was_noted_of_its_deployment_next():
    assert until(intended(1.0), accepted(4.0), e.Finished(at=9.0, key="a", outcome=Outcome.DEPLOYED)) == [(1.0, 4.0)]


def test_a_write_without_an_answer_may_have_left_at_any_time():
    assert until(intended(1.0)) == [(1.0, math.inf)]


def test_what_other_deployments_and_the_run_noted_says_nothing_of_a_write():
    assert until(intended(1.0), accepted(2.0, "b"), e.Halted(at=3.0, scope="run", reason="x")) == [(1.0, math.inf)]


def test_each_write_of_a_deployment_has_a_time_of_its_own():
    events = [intended(1.0), accepted(2.0), intended(5.0, attempt=2)]
    assert until(*events) == [(5.0, math.inf), (1.0, 2.0)]


def test_a_write_left_before_the_next_part_of_its_run_started():
    """Its process was dead by then, since the next part holds the lock."""
    resumed = e.RunStarted(at=7.0, run="r", manifest="m", resumed=True)
    assert until(intended(1.0), resumed, accepted(9.0), intended(10.0, "b")) == [(10.0, math.inf), (1.0, 7.0)]
