"""Rate limits: whatever the schedule, no window holds more departures than it may."""

import heapq
import math
import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.rules.moving_window import (
    FASTEST_DECAY,
    GUARD_SHARE,
    MAX_LATENESS_SHARE,
    MIN_MAX_LATENESS_SECONDS,
    MIN_RESPONSES,
)
from batch_deployer.rules.rate_limit import RateLimiter
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
            heapq.heappush(coming, (now + rng.random() * delay, next(order), slot, None, 0))
            now += rng.random() * idle
        else:
            at = bucket.earliest(now) if calls else math.inf
            at = min(at, coming[0][0] if coming else math.inf)
            assert at < math.inf, "the bucket waits for a call that will never leave"
            now = max(now, at)
        while coming and coming[0][0] <= now:
            at, _, slot, departed, nth = heapq.heappop(coming)
            if departed is not None:
                bucket.answered(slot, departed, at)
                if rng.random() < throttled:
                    bucket.throttled(at, rng.choice((0.0, 0.5, 1.0, 2.0)) * bucket.rate.period, departed, nth)
                else:
                    bucket.admitted(at, departed)
            elif rng.random() < abandoned:
                bucket.abandon(slot, at)
            else:
                nth = bucket.depart(slot, at)
                departures.append(at)
                heapq.heappush(coming, (at + rng.random() * latency, next(order), slot, at, nth))
    return sorted(departures)


def acquainted(rate, quickest):
    """A bucket that knows how quick an answer can be, and whose places are all free from time 0 on."""
    bucket = RateLimiter(rate)
    for periods in range(2 * MIN_RESPONSES, 0, -2):
        at = -periods * rate.period
        bucket.depart(slot := bucket.take(at), at)
        bucket.answered(slot, at, at + quickest)
    return bucket


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
        RateLimiter(rate),
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
    bucket = RateLimiter(rate)
    departures = drive(bucket, 4 * rate.count, rng=random.Random(seed), delay=delay * rate.period)
    assert bucket.peak == max(
        sum(1 for other in departures if last - rate.period < other <= last) for last in departures
    )


@pytest.mark.parametrize("rate", RATES)
def test_a_bucket_that_is_always_asked_in_time_gives_at_least_98_percent_of_its_limit(rate):
    rate = Rate.parse(rate)
    periods = 20 if rate.count < 1000 else 3
    departures = drive(RateLimiter(rate), rate.count * periods + 1)
    achieved = rate.count * periods / (departures[-1] - departures[0])
    assert 0.98 <= achieved / rate.per_second <= 1.0


def come_when_due(bucket, calls):
    """Take all that may leave whenever it is due; gives the departures of each time."""
    now, times = 0.0, []
    while sum(map(len, times)) < calls:
        now = bucket.due(now)
        times.append([])
        while bucket.earliest(now) <= now:
            bucket.depart(slot := bucket.take(now), now)
            bucket.answered(slot, now, now + 0.001)
            times[-1].append(now)
    return times


@pytest.mark.parametrize("rate", RATES)
def test_whoever_comes_only_when_a_call_is_due_loses_nothing_of_the_pace_and_exceeds_no_limit(rate):
    rate = Rate.parse(rate)
    groups = come_when_due(RateLimiter(rate), rate.count * (20 if rate.count < 1000 else 3))
    departures = [at for group in groups for at in group]
    achieved = (len(departures) - 1) / (departures[-1] - departures[0])
    assert achieved / rate.per_second >= 0.98
    assert overfull(departures, rate) == []


@pytest.mark.parametrize(
    ("rate", "at_once"), [("10/s", 1), ("50/s", 2.5), ("72/s", 4), ("200/s", 8), ("2000/s", 8), ("5000/s", 1)]
)
def test_the_calls_of_a_quick_limit_leave_some_at_a_time(rate, at_once):
    groups = come_when_due(RateLimiter(Rate.parse(rate)), Rate.parse(rate).count)[1:]
    assert sum(map(len, groups)) / len(groups) == pytest.approx(at_once, abs=0.5)


def test_at_a_lowered_pace_and_after_a_pause_nothing_is_waited_for():
    bucket = RateLimiter(Rate.parse("100/s"))
    assert bucket.due(0.0) == 0.0
    bucket.depart(slot := bucket.take(0.0), 0.0)
    bucket.throttled(0.0, 1.0, 0.0, 1)
    assert bucket.due(0.5) == 1.0
    bucket.depart(slot := bucket.take(1.0), 1.0)
    assert bucket.due(1.0) == math.inf, "one call goes alone"
    bucket.admitted(1.1, 1.0)
    bucket.answered(slot, 1.0, 1.1)
    bucket.depart(bucket.take(1.1), 1.1)
    assert bucket.due(1.1) == bucket.earliest(1.1) > 1.1


@pytest.mark.parametrize(("rate", "held"), [("10/min", 60.06), ("100/h", 3600.5), ("5/20s", 20.02), ("1/s", 1.001)])
def test_the_window_is_kept_a_thousandth_and_at_most_half_a_second_longer(rate, held):
    bucket = RateLimiter(Rate.parse(rate))
    departures = drive(bucket, bucket.rate.count, start=100.0)
    assert bucket.earliest(departures[-1]) == pytest.approx(departures[0] + held)


def test_a_limit_a_minute_may_be_used_as_one_burst():
    assert drive(RateLimiter(Rate(10, 60.0)), 10) == [0.0] * 10


@pytest.mark.parametrize(("rate", "together"), [("10/s", 1), ("20/s", 2), ("100/s", 10), ("100/5s", 10), ("200/s", 19)])
def test_a_limit_of_a_few_seconds_is_spread_out(rate, together):
    rate = Rate.parse(rate)
    departures = drive(RateLimiter(rate), rate.count)
    assert departures.count(0.0) == together
    gaps = [late - early for early, late in zip(departures[together:], departures[together + 1 :], strict=False)]
    assert gaps == pytest.approx([rate.period / rate.count] * len(gaps))


def test_a_call_waits_for_one_that_was_reserved_and_has_not_left():
    bucket = acquainted(Rate(1, 60.0), 0.2)
    slot = bucket.take(0.0)
    assert bucket.earliest(30.0) == math.inf
    bucket.depart(slot, 30.0)
    assert bucket.earliest(30.0) == pytest.approx(96.06), "while unanswered it may have arrived late by a tenth"
    bucket.answered(slot, 30.0, 30.2)
    assert bucket.earliest(30.0) == pytest.approx(90.06)


def test_a_first_call_that_arrived_late_counts_from_then_although_no_quicker_answer_was_seen_before():
    """As on a new connection, or at a server that has just awoken."""
    bucket, departed = RateLimiter(Rate.parse("9/s")), 0.0
    for took in (0.05, *[0.002] * 8):
        departed = bucket.earliest(departed)
        bucket.depart(slot := bucket.take(departed), departed)
        bucket.answered(slot, departed, departed + took)
    assert bucket.earliest(departed) == pytest.approx(1.051)


def test_a_late_answer_holds_up_its_own_place_and_no_other():
    bucket = acquainted(Rate(3, 60.0), 0.1)
    for at, took in ((0.0, 0.1), (1.0, 4.1), (2.0, 0.1)):
        bucket.depart(slot := bucket.take(at), at)
        bucket.answered(slot, at, at + took)
    places = []
    for _ in range(3):
        places.append(bucket.earliest(10.0))
        bucket.take(places[-1])
    assert places == pytest.approx([60.06, 62.06, 65.06])


def test_a_call_that_was_reserved_and_has_not_left_holds_up_no_other_place():
    bucket = acquainted(Rate(2, 60.0), 0.1)
    held = bucket.take(0.0)
    bucket.depart(slot := bucket.take(1.0), 1.0)
    bucket.answered(slot, 1.0, 1.1)
    assert bucket.earliest(2.0) == pytest.approx(61.06)
    bucket.take(61.06)
    assert bucket.earliest(500.0) == math.inf
    bucket.depart(held, 500.0)
    assert bucket.earliest(500.0) == pytest.approx(566.06)


@settings(deadline=None, max_examples=100)
@given(
    rate=st.sampled_from(RATES),
    seed=st.integers(0, 2**32),
    delay=st.sampled_from((0.0, 0.3)),
    there=st.sampled_from((0.01, 0.2, 0.95)),
    back=st.sampled_from((0.0, 0.05, 1.5)),
    abandoned=st.sampled_from((0.0, 0.1)),
)
def test_no_window_holds_more_arrivals_than_the_limit_however_jittered_the_way_there(
    rate, seed, delay, there, back, abandoned
):
    """Calls leave some time after they were reserved, arrive jittered, and are answered in any order or given up.

    `delay`, `back`: in periods; `there`: share of the lateness that is reckoned with.
    """
    rate, rng, order = Rate.parse(rate), random.Random(seed), count()
    bucket, arrivals, coming, now = RateLimiter(rate), [], [], 0.0
    way, latest = min(0.01 * rate.period, 0.1), max(MIN_MAX_LATENESS_SECONDS, MAX_LATENESS_SHARE * rate.period)

    def on():
        nonlocal now
        now, _, what, slot, departed = heapq.heappop(coming)
        if what == "answer":
            bucket.answered(slot, departed, now)
        elif arrivals and rng.random() < abandoned:
            bucket.abandon(slot, now)
        else:
            bucket.depart(slot, now)
            late, slow = rng.random() * there * latest, rng.random() * back * rate.period
            # The quickest way there and back is known only once it was taken; the last of the first calls takes it.
            if len(arrivals) == max(MIN_RESPONSES, rate.count) - 1:
                late = slow = 0.0
            arrivals.append(now + way + late)
            heapq.heappush(coming, (arrivals[-1] + way + slow, next(order), "answer", slot, now))

    for _ in range(min(3 * rate.count + 20, 2600)):
        while bucket.earliest(now) > now or (coming and coming[0][0] <= now):
            if coming and coming[0][0] <= bucket.earliest(now):
                on()
            else:
                now = bucket.earliest(now)
        leaves = now + rng.random() * delay * rate.period if arrivals else now
        heapq.heappush(coming, (leaves, next(order), "leave", bucket.take(now), None))
    while coming:
        on()
    assert overfull(sorted(arrivals), rate) == []


@settings(deadline=None, max_examples=100)
@given(rate=st.sampled_from((Rate(1, 60.0), Rate(3, 7.0), Rate(20, 10.0))), seed=st.integers(0, 2**32))
def test_the_next_call_leaves_when_the_count_of_those_that_may_have_arrived_within_the_period_allows(rate, seed):
    """Whatever is reserved, leaves, is answered or given up, in any order: as in a model that keeps every call."""
    rng, bucket, now, quickest, tat = random.Random(seed), RateLimiter(rate), 0.0, math.inf, -math.inf
    latest, reserved, out, answers = {}, [], [], 0
    spacing, held = rate.period / rate.count, rate.period * (1 + GUARD_SHARE)
    for _ in range(250):
        now += rng.choice((0.0, 0.01, 0.1, 0.5)) * rng.random() * rate.period
        act = rng.choice(("take", "take", "leave", "leave", "answer", "answer", "abandon"))
        if act == "take" and bucket.earliest(now) <= now:
            reserved.append(slot := bucket.take(now))
            latest[slot], tat = math.inf, max(now, tat) + spacing
        elif act == "leave" and reserved:
            slot = reserved.pop(rng.randrange(len(reserved)))
            bucket.depart(slot, now)
            out.append((slot, now))
            latest[slot] = now + max(MIN_MAX_LATENESS_SECONDS, MAX_LATENESS_SHARE * rate.period)
        elif act == "answer" and out:
            slot, departed = out.pop(rng.randrange(len(out)))
            bucket.answered(slot, departed, now)
            quickest = min(quickest * FASTEST_DECAY, now - departed)
            latest[slot] = min(latest[slot], now - (quickest if answers >= max(MIN_RESPONSES, rate.count) else 0.0))
            answers += 1
        elif act == "abandon" and reserved:
            slot = reserved.pop(rng.randrange(len(reserved)))
            bucket.abandon(slot, now)
            latest[slot] = now
        last = sorted(latest.values())[-rate.count :]
        place = last[0] + held if len(last) == rate.count else now
        spaced = tat - (rate.count - 1) * spacing
        assert bucket.earliest(now) == pytest.approx(max(now, place, spaced))


def test_an_abandoned_call_occupies_its_place_as_if_it_had_left():
    bucket = RateLimiter(Rate(1, 60.0))
    bucket.abandon(bucket.take(0.0), 5.0)
    assert bucket.earliest(5.0) == pytest.approx(65.06)
    assert bucket.peak == 0


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
    departures = drive(RateLimiter(rate, recent=tuple(kept)), 2 * rate.count, start=1000.0)
    assert overfull(sorted(kept + departures), rate) == []
