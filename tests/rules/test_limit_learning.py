"""Which throttles tell of a limit and lower the pace, and what that is worth against servers of several kinds."""

import math
import random
from collections import deque

import pytest

from batch_deployer.rules.limit_learning import REMEMBERED
from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.rate_policy import DECREASE_FACTOR, INCREASE_SHARE
from batch_deployer.settings import Rate


def refuse(bucket, *counts, start=0.0):
    """Throttle calls that were the so-manieth of their period, each after the pause for the one before. Returns the time."""
    for nth in counts:
        bucket.throttled(start + 1.0, 5.0, start, nth)
        start += 10.0
    return start


def serve(bucket, lets, *, calls=10**9, until=math.inf):
    """Call a server as soon as the bucket allows; returns calls passed and refused, seconds paused, and the end.

    `lets(now, seen)`: whether a call passes, of which the server saw `seen` within the last period, itself included.
    """
    now, sent, passed, refused, paused = 0.0, 0, 0, 0, 0.0
    window, answers = deque(), deque()
    while answers or (sent < calls and now < until):
        at = bucket.earliest(now) if sent < calls and now < until else math.inf
        if answers and answers[0][0] <= at:
            now, slot, departed, nth, ok = answers.popleft()
            bucket.answered(slot, departed, now)
            if ok:
                passed += 1
                bucket.admitted(now, departed)
                continue
            refused += 1
            before = max(now, bucket.paused_until)
            bucket.throttled(now, max(1.0, bucket.rate.period), departed, nth)
            paused += bucket.paused_until - before
            continue
        now = at
        sent += 1
        nth = bucket.depart(slot := bucket.take(now), now)
        window.append(now)
        while window[0] <= now - bucket.rate.period:
            window.popleft()
        answers.append((now + 0.03, slot, now, nth, lets(now, len(window))))
    return passed, refused, paused, now


@pytest.mark.parametrize("counts", [(50, 52, 49), (30, 80, 45)])
def test_throttles_at_counts_of_one_order_tell_of_a_limit_and_each_lowers_the_pace(counts):
    bucket = RateLimiter(Rate(100, 10.0))
    refuse(bucket, *counts)
    assert bucket.factor == pytest.approx(DECREASE_FACTOR**3)


def test_a_throttle_that_comes_far_sooner_than_another_pauses_but_says_nothing_about_the_pace():
    bucket = RateLimiter(Rate(100, 10.0))
    now = refuse(bucket, 80, 10)
    assert bucket.factor == DECREASE_FACTOR
    assert bucket.earliest(now - 9.0) == now - 4.0


def test_once_throttles_come_at_any_count_only_the_second_at_the_highest_lowers_the_pace():
    bucket = RateLimiter(Rate(100, 10.0))
    now = refuse(bucket, 10, 80)
    assert bucket.factor == DECREASE_FACTOR
    now = refuse(bucket, 40, start=now)
    assert bucket.factor == DECREASE_FACTOR
    refuse(bucket, 79, start=now)
    assert bucket.factor == pytest.approx(DECREASE_FACTOR**2)


def test_a_throttle_that_came_far_sooner_is_forgotten_after_a_few_others():
    bucket = RateLimiter(Rate(100, 10.0))
    now = refuse(bucket, 2, 80, *[40] * (REMEMBERED - 2))
    assert bucket.factor == DECREASE_FACTOR
    refuse(bucket, 40, start=now)
    assert bucket.factor == pytest.approx(DECREASE_FACTOR**2)


def test_an_outage_that_refuses_every_probe_does_not_ruin_the_pace():
    bucket = RateLimiter(Rate(100, 10.0))
    refuse(bucket, 90, *[1] * (REMEMBERED - 1))
    assert bucket.factor == DECREASE_FACTOR


def test_the_recovery_counts_the_time_between_pauses_and_goes_on_after_a_throttle_that_says_nothing():
    bucket = RateLimiter(Rate(100, 10.0))
    bucket.throttled(0.0, 5.0, -1.0, 90)
    bucket.admitted(5.1, 5.0)
    bucket.throttled(9.0, 20.0, 8.9, 5)
    bucket.admitted(20.0, 8.9)
    assert bucket.factor == DECREASE_FACTOR
    bucket.admitted(29.1, 29.0)
    bucket.admitted(35.0, 34.9)
    assert bucket.factor == DECREASE_FACTOR
    bucket.admitted(35.3, 35.2)
    assert bucket.factor == pytest.approx(DECREASE_FACTOR + INCREASE_SHARE)


def test_an_echo_that_pauses_again_is_left_out_of_the_recovery_by_no_more_than_its_pause():
    bucket = RateLimiter(Rate(100, 10.0))
    bucket.throttled(0.0, 5.0, -1.0, 90)
    bucket.admitted(5.1, 5.0)
    bucket.throttled(7.1, 10.0, -1.0, 90)
    bucket.admitted(17.1, 17.1)
    bucket.admitted(25.0, 24.0)
    assert bucket.factor == DECREASE_FACTOR
    bucket.admitted(25.2, 24.2)
    assert bucket.factor == pytest.approx(DECREASE_FACTOR + INCREASE_SHARE)


@pytest.mark.parametrize(("rate", "calls"), [("50/s", 5_000), ("500/s", 10_000)])
def test_throttles_by_chance_cost_little_more_than_their_pauses(rate, calls):
    bucket, rng = RateLimiter(Rate.parse(rate)), random.Random(3)
    _, _, paused, took = serve(bucket, lambda _now, _seen: rng.random() >= 0.02, calls=calls)
    assert took <= 1.06 * (calls / bucket.rate.per_second + paused)


@pytest.mark.parametrize("rate", ["10/min", "50/s", "500/s"])
def test_at_a_hidden_limit_of_half_the_configured_one_few_calls_are_refused(rate):
    bucket = RateLimiter(Rate.parse(rate))
    limit, period = bucket.rate.count / 2, bucket.rate.period
    passed, refused, _, took = serve(bucket, lambda _now, seen: seen <= limit, until=200 * period)
    assert passed >= 0.55 * took * limit / period
    assert refused <= (0.13 if limit < 10 else 0.04) * passed
    assert 0.4 <= bucket.factor <= 0.75


@pytest.mark.parametrize("rate", ["10/min", "50/s", "500/s"])
def test_beside_a_tenant_that_uses_now_20_and_now_70_percent_few_calls_are_refused(rate):
    bucket = RateLimiter(Rate.parse(rate))
    period, turn = bucket.rate.period, 2 * math.pi / (60 * bucket.rate.period)

    def left(now):
        return bucket.rate.count * (0.55 - 0.25 * math.sin(turn * now))

    passed, refused, _, _ = serve(bucket, lambda now, seen: seen <= left(now), until=240 * period)
    assert passed >= 0.55 * 240 * 0.55 * bucket.rate.count
    assert refused <= (0.13 if period > 1.0 else 0.04) * passed
