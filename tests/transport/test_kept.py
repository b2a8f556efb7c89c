"""Idle connections: which is used again, and which is ended."""

import pytest

from batch_deployer.transport import kept
from batch_deployer.transport.kept import Kept


class Idle:
    """A channel as far as its keeper cares."""

    def __init__(self):
        self.usable, self.dropped = True, False

    def drop(self):
        self.dropped = True


@pytest.fixture
def now(monkeypatch):
    """`now[0]`: the time in seconds."""
    seconds = [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_connection_is_used_again_until_a_gateway_may_drop_it_and_then_ended(now):
    pool, channel = Kept(), Idle()
    pool.give_back(channel)
    now[0] = 55.0
    assert pool.take() is channel
    pool.give_back(channel)
    now[0] = 110.1
    assert (pool.take(), channel.dropped) == (None, True)


def test_the_one_used_last_is_used_first_and_one_that_became_unusable_is_passed_over(now):
    pool, old, spoiled = Kept(), Idle(), Idle()
    pool.give_back(old)
    pool.give_back(spoiled)
    spoiled.usable = False
    assert pool.take() is old
    assert (old.dropped, spoiled.dropped) == (False, True)


def test_one_that_must_not_be_used_again_is_ended_when_it_is_given_back(now):
    pool, channel = Kept(), Idle()
    channel.usable = False
    pool.give_back(channel)
    assert (pool.take(), channel.dropped) == (None, True)
