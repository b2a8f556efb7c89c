"""Rate limits: whatever the schedule, no window holds more departures than it may."""

import heapq
import math
import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.rules.pacing import CUT, SLOWEST, STEP, Bucket
from batch_deployer.settings import Rate

RATES = ("10/min", "7/90s", "100/5min", "1/s", "3/s", "10/s", "20/2s", "200/s", "2000/s")


def drive(bucket, calls, *, start=0.0, rng=None, delay=0.0, latency=0.0, throttled=0.0, abandoned=0.0, idle=0.0):
    """Ask for `calls` calls as soon as the bucket allows; gives their departures.

    `delay`, `latency`, `idle`: longest seconds from reservation to departure, departure to answer, and between asking;
    `throttled`, `abandoned`: shares of calls. Fails if the bucket ever waits for nothing.
    """
    rng = rng or random.Random(0)
    now, order, coming, departures = start, count(), [], []
    while calls or coming:
        if calls and bucket.earliest(now) <= now:
            calls -= 1
            slot = bucket.take(now)
            heapq.heappush(coming, (now + rng.random() * delay, next(order), slot, None))
            now += rng.random() * idle
        else:
            at = bucket.earliest(now) if calls else math.inf
            at = min(at, coming[0][0] if coming else math.inf)
            assert at < math.inf, "the bucket waits for a call that will never leave"
            now = max(now, at)
        while coming and coming[0][0] <= now:
            at, _, slot, departed = heapq.heappop(coming)
            if departed is not None:
                _answer(bucket, rng, slot, at, departed, throttled)
            elif rng.random() < abandoned:
                bucket.abandon(slot, at)
            else:
                bucket.depart(slot, at)
                departures.append(at)
                heapq.heappush(coming, (at + rng.random() * latency, next(order), slot, at))
    return sorted(departures)


def _answer(bucket, rng, slot, now, departed, throttled):
    bucket.answered(slot, departed, now)
    if rng.random() < throttled:
        bucket.throttled(now, rng.choice((0.0, 0.5, 1.0, 2.0)) * bucket.rate.period, departed)
    else:
        bucket.passed(now, departed)


def overfull(departures, rate):
    """Windows of one period that hold more than `count` departures."""
    spans = zip(departures, departures[rate.count :], strict=False)
    return [(first, last) for first, last in spans if last - first <= rate.period]


@settings(deadline=None, max_examples=150)
@given(
    rate=st.sampled_from(RATES),
    seed=st.integers(0, 2**32),
    delay=st.sampled_from((0.0, 0.02, 0.7, 3.0)),
    latency=st.sampled_from((0.0, 0.1, 2.0)),
    throttled=st.sampled_from((0.0, 0.02, 0.3)),
    abandoned=st.sampled_from((0.0, 0.1)),
    idle=st.sampled_from((0.0, 0.3)),
)
def test_no_window_ever_holds_more_departures_than_the_limit(rate, seed, delay, latency, throttled, abandoned, idle):
    rate = Rate.parse(rate)
    spread = rate.period / rate.count
    departures = drive(
        Bucket(rate),
        min(3 * rate.count + 40, 2600),
        rng=random.Random(seed),
        delay=delay * rate.period,
        latency=latency * rate.period,
        throttled=throttled if rate.count < 100 else throttled / 10,
        abandoned=abandoned,
        idle=idle * spread,
    )
    assert overfull(departures, rate) == []


@settings(deadline=None, max_examples=40)
@given(rate=st.sampled_from(RATES[:6]), seed=st.integers(0, 2**32), delay=st.sampled_from((0.0, 0.5)))
def test_the_observed_peak_is_the_fullest_window(rate, seed, delay):
    rate = Rate.parse(rate)
    bucket = Bucket(rate)
    departures = drive(bucket, 4 * rate.count, rng=random.Random(seed), delay=delay * rate.period)
    assert bucket.peak == max(
        sum(1 for other in departures if last - rate.period < other <= last) for last in departures
    )


@pytest.mark.parametrize("rate", RATES)
def test_a_bucket_that_is_always_asked_in_time_gives_at_least_98_percent_of_its_limit(rate):
    rate = Rate.parse(rate)
    periods = 20 if rate.count < 1000 else 3
    departures = drive(Bucket(rate), rate.count * periods + 1)
    achieved = rate.count * periods / (departures[-1] - departures[0])
    assert 0.98 <= achieved / rate.per_second <= 1.0


@pytest.mark.parametrize(("rate", "held"), [("10/min", 60.06), ("100/h", 3600.5), ("5/20s", 20.02), ("1/s", 1.001)])
def test_the_window_is_kept_a_thousandth_and_at_most_half_a_second_longer(rate, held):
    bucket = Bucket(Rate.parse(rate))
    departures = drive(bucket, bucket.rate.count, start=100.0)
    assert bucket.earliest(departures[-1]) == pytest.approx(departures[0] + held)


def test_a_limit_a_minute_may_be_used_as_one_burst():
    assert drive(Bucket(Rate(10, 60.0)), 10) == [0.0] * 10


@pytest.mark.parametrize(("rate", "together"), [("10/s", 1), ("20/s", 2), ("100/s", 10), ("100/5s", 10), ("200/s", 19)])
def test_a_limit_of_a_few_seconds_is_spread_out(rate, together):
    rate = Rate.parse(rate)
    departures = drive(Bucket(rate), rate.count)
    assert departures.count(0.0) == together
    gaps = [late - early for early, late in zip(departures[together:], departures[together + 1 :], strict=False)]
    assert gaps == pytest.approx([rate.period / rate.count] * len(gaps))


def test_a_call_waits_for_one_that_was_reserved_and_has_not_left():
    bucket = Bucket(Rate(1, 60.0))
    slot = bucket.take(0.0)
    assert bucket.earliest(30.0) == math.inf
    bucket.depart(slot, 30.0)
    assert bucket.earliest(30.0) == pytest.approx(96.06), "while unanswered it may have arrived late by a tenth"
    bucket.answered(slot, 30.0, 30.2)
    assert bucket.earliest(30.0) == pytest.approx(90.06)


def test_a_call_that_was_held_up_before_it_left_counts_from_when_it_left():
    bucket = Bucket(Rate(1, 60.0))
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.answered(0, 0.0, 9.2, left_at=9.0)
    assert bucket.earliest(10.0) == pytest.approx(69.06)


@settings(deadline=None, max_examples=100)
@given(rate=st.sampled_from(RATES), seed=st.integers(0, 2**32), jitter=st.sampled_from((0.001, 0.02, 0.09)))
def test_no_window_holds_more_arrivals_than_the_limit_however_jittered_the_way_there(rate, seed, jitter):
    rate, rng = Rate.parse(rate), random.Random(seed)
    bucket, arrivals, coming, now = Bucket(rate), [], [], 0.0
    way = min(0.01 * rate.period, 0.1)
    for _ in range(min(3 * rate.count + 20, 2600)):
        while bucket.earliest(now) > now:
            at = bucket.earliest(now)
            if coming and coming[0][0] <= at:
                now, departed, slot = heapq.heappop(coming)
                bucket.answered(slot, departed, now)
            else:
                now = at
        slot = bucket.take(now)
        bucket.depart(slot, now)
        # The quickest way there and back is known only once it was taken; before, the first call takes it.
        late = rng.random() * jitter * rate.period if arrivals else 0.0
        arrivals.append(now + way + late)
        heapq.heappush(coming, (arrivals[-1] + way, now, slot))
    assert overfull(sorted(arrivals), rate) == []


def test_an_abandoned_call_occupies_its_slot_as_if_it_had_left():
    bucket = Bucket(Rate(1, 60.0))
    bucket.abandon(bucket.take(0.0), 5.0)
    assert bucket.earliest(5.0) == pytest.approx(65.06)
    assert bucket.peak == 0


def throttled_bucket(rate="10/min", *, calls=1, wait=60.0):
    """A bucket whose `calls` first calls left at 0, the first of which was throttled at 1."""
    bucket = Bucket(Rate.parse(rate))
    for _ in range(calls):
        bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, wait, 0.0)
    return bucket


def test_a_throttle_pauses_the_whole_bucket_for_the_wait():
    bucket = throttled_bucket(wait=100.0)
    assert bucket.earliest(1.0) == 101.0
    assert bucket.earliest(101.0) == 101.0
    assert bucket.throttles == 1


def test_a_later_throttle_prolongs_a_pause_and_a_shorter_one_does_not_shorten_it():
    bucket = throttled_bucket(calls=3, wait=100.0)
    bucket.throttled(2.0, 10.0, 0.0)
    assert bucket.earliest(2.0) == 101.0
    bucket.throttled(3.0, 200.0, 0.0)
    assert bucket.earliest(3.0) == 203.0


def test_after_a_pause_one_call_goes_alone_until_it_is_answered():
    bucket = throttled_bucket(wait=60.0)
    slot = bucket.take(61.0)
    assert bucket.earliest(61.0) == math.inf
    bucket.depart(slot, 62.0)
    assert bucket.earliest(500.0) == math.inf
    bucket.passed(63.0, 62.0)
    assert bucket.earliest(500.0) == 500.0


def test_an_answer_to_a_call_from_before_the_pause_does_not_end_the_probing():
    bucket = throttled_bucket(calls=2, wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.passed(62.0, 0.0)
    assert bucket.earliest(500.0) == math.inf


def test_a_probe_that_is_abandoned_lets_another_one_go():
    bucket = throttled_bucket(wait=60.0)
    bucket.abandon(bucket.take(61.0), 62.0)
    again = 61.0 + bucket.spacing
    assert bucket.earliest(62.0) == pytest.approx(again)
    bucket.take(again)
    assert bucket.earliest(500.0) == math.inf


def test_a_call_reserved_before_the_pause_that_is_abandoned_after_it_lets_no_second_probe_go():
    bucket = Bucket(Rate(10, 60.0))
    slow = bucket.take(0.0)
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, 5.0, 0.0)
    bucket.depart(bucket.take(6.0), 6.0)
    bucket.abandon(slow, 7.0)
    assert bucket.earliest(7.0) == math.inf


def test_a_throttled_probe_pauses_again_and_cuts_again():
    bucket = throttled_bucket(wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.throttled(62.0, 60.0, 61.0)
    assert bucket.earliest(62.0) == 122.0
    assert bucket.factor == pytest.approx(CUT * CUT)


def test_the_echoes_of_one_throttle_cut_the_pace_once():
    bucket = throttled_bucket(calls=8)
    for echo in range(7):
        bucket.throttled(1.0 + echo / 10, 60.0, 0.0)
    assert bucket.factor == CUT
    assert bucket.throttles == 8


def test_a_call_that_was_reserved_before_the_pause_and_left_during_it_is_an_echo_too():
    bucket = Bucket(Rate(10, 60.0))
    slow = bucket.take(0.0)
    bucket.depart(bucket.take(0.0), 0.0)
    bucket.throttled(1.0, 60.0, 0.0)
    bucket.depart(slow, 2.0)
    bucket.throttled(3.0, 60.0, 2.0)
    assert bucket.factor == CUT


def test_an_echo_that_arrives_after_the_pause_does_not_cut_again():
    bucket = throttled_bucket(calls=2, wait=5.0)
    bucket.depart(bucket.take(6.0), 6.0)
    bucket.passed(7.0, 6.0)
    bucket.throttled(8.0, 5.0, 0.0)
    assert bucket.factor == CUT


def test_a_throttle_still_cuts_when_answers_take_longer_than_the_pace_takes_to_recover():
    """A recovery between a call's departure and its throttle must not make that throttle look like an echo."""
    bucket = Bucket(Rate(10, 1.0), pace=5.0)
    bucket.passed(0.0, -1.0)
    bucket.depart(bucket.take(2.0), 2.0)
    bucket.passed(3.0, 1.0)
    assert bucket.factor == pytest.approx(0.5 + STEP)
    bucket.throttled(4.0, 1.0, 2.0)
    assert bucket.factor == pytest.approx((0.5 + STEP) * CUT)


def test_the_pace_never_falls_below_its_floor():
    bucket = Bucket(Rate(10, 60.0))
    for number in range(50):
        bucket.throttled(number * 10.0, 1.0, number * 10.0 - 1.0)
    assert bucket.factor == SLOWEST
    assert bucket.pace == pytest.approx(SLOWEST * 10 / 60)


def test_calls_are_spaced_at_the_lowered_pace_even_where_a_burst_was_allowed():
    bucket = throttled_bucket(wait=60.0)
    probe, first, second = drive(bucket, 3, start=61.0)
    assert probe == 61.0
    assert second - first == pytest.approx(60 / (10 * CUT))


def test_the_pace_recovers_by_one_step_a_period_up_to_the_full_one():
    bucket = throttled_bucket(wait=60.0)
    bucket.depart(bucket.take(61.0), 61.0)
    bucket.passed(62.0, 61.0)
    seen = []
    for now in range(62, 400, 10):
        bucket.passed(float(now), float(now) - 1)
        seen.append(round(bucket.factor, 6))
    steps = sorted(set(seen))
    assert steps == pytest.approx([CUT, CUT + STEP, 1.0])
    assert [seen.count(step) for step in steps[:-1]] == [6, 6]
    assert bucket.pace == pytest.approx(bucket.rate.per_second)


def test_a_learned_pace_is_kept_for_a_period_and_then_recovers():
    bucket = Bucket(Rate(10, 60.0), pace=0.05)
    assert bucket.pace == pytest.approx(0.05)
    first, second = drive(bucket, 2)
    assert second - first == pytest.approx(20.0)
    bucket.passed(30.0, 29.0)
    assert bucket.pace == pytest.approx(0.05)
    bucket.passed(80.0, 79.0)
    assert bucket.factor == pytest.approx(0.3 + STEP)


@pytest.mark.parametrize(("learned", "pace"), [(100.0, 10.0), (10.0, 10.0), (0.0, 10.0 * SLOWEST)])
def test_a_learned_pace_is_bounded_by_the_configured_limit_and_the_floor(learned, pace):
    assert Bucket(Rate(10, 1.0), pace=learned).pace == pytest.approx(pace)


@settings(deadline=None, max_examples=50)
@given(ago=st.lists(st.floats(0.01, 200.0), max_size=25), rate=st.sampled_from((Rate(10, 60.0), Rate(3, 1.0))))
def test_writes_of_an_earlier_process_still_count_in_whatever_order_they_are_told(ago, rate):
    recent = tuple(1000.0 - seconds for seconds in ago)
    # What the earlier process did was within the limit.
    kept = []
    for at in sorted(recent):
        if len(kept) < rate.count or at - kept[-rate.count] > rate.period:
            kept.append(at)
    random.Random(len(kept)).shuffle(kept)
    departures = drive(Bucket(rate, recent=tuple(kept)), 2 * rate.count, start=1000.0)
    assert overfull(sorted(kept + departures), rate) == []


def test_the_pace_settles_near_a_limit_that_is_lower_than_the_configured_one():
    """The server really lets 5 a minute through; 10 are configured."""
    bucket, now, passed, refused = Bucket(Rate(10, 60.0)), 0.0, [], 0
    while now < 4 * 3600:
        now = max(now, bucket.earliest(now))
        slot = bucket.take(now)
        bucket.depart(slot, now)
        bucket.answered(slot, now, now + 0.1)
        if len([at for at in passed if at > now - 60.0]) < 5:
            passed.append(now)
            bucket.passed(now + 0.1, now)
        else:
            refused += 1
            bucket.throttled(now + 0.1, 60.0, now)
        now += 0.1
    assert 0.4 <= bucket.factor <= 0.75
    assert len(passed) >= 0.6 * 4 * 60 * 5
    assert refused <= 0.13 * len(passed)
