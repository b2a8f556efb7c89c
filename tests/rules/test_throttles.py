"""Throttles: one pauses the whole bucket and is followed by a probe; the pace falls and recovers."""

import math

import pytest

from batch_deployer.rules.rate_limit import RateLimiter
from batch_deployer.rules.rate_policy import DECREASE_FACTOR, INCREASE_SHARE, MIN_RATE_SHARE
from batch_deployer.rules.spacing import TIMER_TOLERANCE_SECONDS
from batch_deployer.settings import Rate


def throttled_bucket(rate="10/min", *, calls=1, wait=60.0):
    """A bucket whose `calls` first calls left at 0, the first of which was throttled at 1."""
    bucket = RateLimiter(Rate.parse(rate))
    for _ in range(calls):
        bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, wait, 0.0, calls)
    return bucket


def leave(bucket, calls, start):
    """Times at which so many calls leave as soon as the bucket allows, each answered at once."""
    now, left = start, []
    for _ in range(calls):
        now = max(now, bucket.earliest(now))
        bucket.depart(bucket.take(now), now)
        bucket.admitted(now, now)
        left.append(now)
    return left


def test_a_throttle_pauses_the_whole_bucket_for_the_wait():
    bucket = throttled_bucket(wait=100.0)
    assert bucket.earliest(1.0) == 101.0
    assert bucket.earliest(101.0) == 101.0
    assert bucket.throttles == 1


def test_a_later_throttle_prolongs_a_pause_and_a_shorter_one_does_not_shorten_it():
    bucket = throttled_bucket(calls=3, wait=100.0)
    bucket.throttled(2.0, 10.0, 0.0, 1)
    assert bucket.earliest(2.0) == 101.0
    bucket.throttled(3.0, 200.0, 0.0, 1)
    assert bucket.earliest(3.0) == 203.0


def test_after_a_pause_one_call_goes_alone_until_it_is_answered():
    bucket = throttled_bucket(wait=60.0)
    slot = bucket.take(61.0)
    assert bucket.earliest(61.0) == math.inf
    bucket.depart(slot, 62.0)
    assert bucket.earliest(500.0) == math.inf
    bucket.admitted(63.0, 62.0)
    assert bucket.earliest(500.0) == 500.0


def test_an_answer_to_a_call_from_before_the_pause_does_not_end_the_probing():
    bucket = throttled_bucket(calls=2, wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.admitted(62.0, 0.0)
    assert bucket.earliest(500.0) == math.inf


def test_a_probe_that_is_abandoned_lets_another_one_go():
    bucket = throttled_bucket(wait=60.0)
    bucket.abandon(bucket.take(61.0), 62.0)
    again = 61.0 + bucket.spacing
    assert bucket.earliest(62.0) == pytest.approx(again - TIMER_TOLERANCE_SECONDS)
    bucket.take(again)
    assert bucket.earliest(500.0) == math.inf


def test_a_call_reserved_before_the_pause_that_is_abandoned_after_it_lets_no_second_probe_go():
    bucket = RateLimiter(Rate(10, 60.0))
    slow = bucket.take(0.0)
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, 5.0, 0.0, 1)
    bucket.depart(bucket.take(6.0), 6.0)
    bucket.abandon(slow, 7.0)
    assert bucket.earliest(7.0) == math.inf


def test_a_throttled_probe_pauses_again_and_cuts_again():
    bucket = throttled_bucket(wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.throttled(62.0, 60.0, 61.0, 1)
    assert bucket.earliest(62.0) == 122.0
    assert bucket.factor == pytest.approx(DECREASE_FACTOR * DECREASE_FACTOR)


def test_the_echoes_of_one_throttle_cut_the_pace_once():
    bucket = throttled_bucket(calls=8)
    for echo in range(7):
        bucket.throttled(1.0 + echo / 10, 60.0, 0.0, 8)
    assert bucket.factor == DECREASE_FACTOR
    assert bucket.throttles == 8


def test_a_call_that_was_reserved_before_the_pause_and_left_during_it_is_an_echo_too():
    bucket = RateLimiter(Rate(10, 60.0))
    slow = bucket.take(0.0)
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, 60.0, 0.0, 1)
    bucket.depart(slow, 2.0)
    bucket.throttled(3.0, 60.0, 2.0, 2)
    assert bucket.factor == DECREASE_FACTOR


def test_an_echo_that_arrives_after_the_pause_does_not_cut_again():
    bucket = throttled_bucket(calls=2, wait=5.0)
    bucket.depart(bucket.take(6.0), 6.0)
    bucket.admitted(7.0, 6.0)
    bucket.throttled(8.0, 5.0, 0.0, 1)
    assert bucket.factor == DECREASE_FACTOR


def test_a_throttle_still_cuts_when_answers_take_longer_than_the_pace_takes_to_recover():
    """A recovery between a call's departure and its throttle must not make that throttle look like an echo."""
    bucket = RateLimiter(Rate(10, 1.0), learned_rate=5.0)
    bucket.admitted(0.0, -1.0)
    bucket.depart(bucket.take(2.0), 2.0)
    bucket.admitted(3.0, 1.0)
    assert bucket.factor == pytest.approx(0.5 + INCREASE_SHARE)
    bucket.throttled(4.0, 1.0, 2.0, 1)
    assert bucket.factor == pytest.approx((0.5 + INCREASE_SHARE) * DECREASE_FACTOR)


def test_the_pace_never_falls_below_its_floor():
    bucket = RateLimiter(Rate(10, 60.0))
    for number in range(50):
        bucket.throttled(number * 10.0, 1.0, number * 10.0 - 1.0, 1)
    assert bucket.factor == MIN_RATE_SHARE
    assert bucket.current_rate == pytest.approx(MIN_RATE_SHARE * 10 / 60)


def test_calls_are_spaced_at_the_lowered_pace_even_where_a_burst_was_allowed():
    bucket = throttled_bucket(wait=60.0)
    probe, first, second = leave(bucket, 3, 61.0)
    assert probe == 61.0
    assert second - first == pytest.approx(60 / (10 * DECREASE_FACTOR))


def test_a_lowered_pace_is_kept_although_timers_ring_at_whole_milliseconds():
    bucket, now = RateLimiter(Rate(500, 1.0), learned_rate=430.0), 0.0
    for _ in range(431):
        now = math.ceil(1000 * max(now, bucket.earliest(now))) / 1000
        bucket.depart(bucket.take(now), now)
    assert 430 / now == pytest.approx(430.0, rel=0.01)


def test_the_pace_recovers_by_one_step_a_period_up_to_the_full_one():
    bucket = throttled_bucket(wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.admitted(62.0, 61.0)
    seen = []
    for now in range(62, 400, 10):
        bucket.admitted(float(now), float(now) - 1)
        seen.append(round(bucket.factor, 6))
    steps = sorted(set(seen))
    assert steps == pytest.approx([DECREASE_FACTOR, DECREASE_FACTOR + INCREASE_SHARE, 1.0])
    assert [seen.count(step) for step in steps[:-1]] == [6, 6]
    assert bucket.current_rate == pytest.approx(bucket.rate.per_second)


def test_a_learned_pace_is_kept_for_a_period_and_then_recovers():
    bucket = RateLimiter(Rate(10, 60.0), learned_rate=0.05)
    assert bucket.current_rate == pytest.approx(0.05)
    first, second = leave(bucket, 2, 0.0)
    assert second - first == pytest.approx(20.0 - TIMER_TOLERANCE_SECONDS)
    bucket.admitted(30.0, 29.0)
    assert bucket.current_rate == pytest.approx(0.05)
    bucket.admitted(80.0, 79.0)
    assert bucket.factor == pytest.approx(0.3 + INCREASE_SHARE)


@pytest.mark.parametrize(("learned", "current_rate"), [(100.0, 10.0), (10.0, 10.0), (0.0, 10.0 * MIN_RATE_SHARE)])
def test_a_learned_pace_is_bounded_by_the_configured_limit_and_the_floor(learned, current_rate):
    assert RateLimiter(Rate(10, 1.0), learned_rate=learned).current_rate == pytest.approx(current_rate)


def test_the_pace_settles_near_a_limit_that_is_lower_than_the_configured_one():
    """The server really lets 5 a minute through; 10 are configured."""
    bucket, now, passed, refused = RateLimiter(Rate(10, 60.0)), 0.0, [], 0
    while now < 4 * 3600:
        now = max(now, bucket.earliest(now))
        slot = bucket.take(now)
        nth = bucket.depart(slot, now)
        bucket.answered(slot, now, now + 0.1)
        if len([at for at in passed if at > now - 60.0]) < 5:
            passed.append(now)
            bucket.admitted(now + 0.1, now)
        else:
            refused += 1
            bucket.throttled(now + 0.1, 60.0, now, nth)
        now += 0.1
    assert 0.4 <= bucket.factor <= 0.75
    assert len(passed) >= 0.6 * 4 * 60 * 5
    assert refused <= 0.13 * len(passed)
