"""When to look: the end is noticed within a share of the install time, with few looks."""

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch_deployer.rules.poll_schedule import (
    LEARNED_GROWTH,
    MAX_SAMPLES,
    MIN_SAMPLES,
    Durations,
    PollAligner,
    Urgency,
    install_time_estimate,
    min_affordable_interval,
    next_poll_interval,
)
from batch_deployer.rules.spacing import GROUP, GROUP_WAIT_SECONDS
from batch_deployer.settings import PollSettings

SETTINGS = PollSettings(initial_delay=5.0, min_interval=2.0, max_interval=60.0, growth_factor=0.12, read_share=0.8)


def watch(duration, learned=None, *, min_affordable=0.0, urgency=Urgency.NONE):
    """Look until an install of `duration` seconds is seen to have ended: (seconds of delay, looks)."""
    at, looks = 0.0, 0
    while at < duration or not looks:
        gap = next_poll_interval(at, learned, SETTINGS, min_affordable=min_affordable, urgency=urgency)
        assert gap > 0
        at += gap
        looks += 1
    return at - duration, looks


def lognormal(median, spread, size=MAX_SAMPLES):
    rng = random.Random(1)
    return Durations(median * math.exp(spread * rng.gauss(0, 1)) for _ in range(size))


@given(duration=st.floats(0.1, 20_000.0))
@example(duration=6.0)
def test_an_end_is_noticed_within_a_fixed_share_of_the_install_time(duration):
    delay, _ = watch(duration)
    share = min(SETTINGS.growth_factor * duration, SETTINGS.max_interval)
    assert delay <= max(share, SETTINGS.initial_delay) + 1e-6


@pytest.mark.parametrize(("duration", "most"), [(4.0, 1), (30.0, 6), (100.0, 17), (500.0, 31)])
def test_the_number_of_looks_grows_with_the_logarithm_of_the_install_time(duration, most):
    linear = SETTINGS.initial_delay / SETTINGS.growth_factor
    bound = (
        2
        + linear / SETTINGS.initial_delay
        + max(0.0, math.log(duration / linear)) / math.log(1 + SETTINGS.growth_factor)
    )
    _, looks = watch(duration)
    assert looks <= bound
    assert looks <= most


def test_nothing_is_looked_at_before_anything_can_have_ended():
    assert next_poll_interval(0.0, None, SETTINGS) == SETTINGS.initial_delay
    assert next_poll_interval(0.0, None, SETTINGS, urgency=Urgency.GATE) == SETTINGS.initial_delay
    assert next_poll_interval(4.5, None, SETTINGS, urgency=Urgency.GATE) == SETTINGS.min_interval


def test_looks_are_close_together_only_while_somebody_waits():
    for elapsed in (5.0, 10.0, 20.0):
        assert next_poll_interval(elapsed, None, SETTINGS) == SETTINGS.initial_delay
        assert next_poll_interval(elapsed, Durations([8.0] * 10), SETTINGS) == SETTINGS.initial_delay
        for urgency in (Urgency.NEXT, Urgency.GATE):
            assert next_poll_interval(elapsed, None, SETTINGS, urgency=urgency) == SETTINGS.min_interval


def test_a_gap_is_never_longer_than_the_longest():
    assert next_poll_interval(10_000.0, None, SETTINGS) == SETTINGS.max_interval
    assert next_poll_interval(0.0, Durations([9000.0] * 10), SETTINGS) == SETTINGS.max_interval


def test_few_finished_installs_teach_nothing():
    assert next_poll_interval(0.0, Durations([50.0] * (MIN_SAMPLES - 1)), SETTINGS) == SETTINGS.initial_delay
    assert next_poll_interval(0.0, Durations([50.0] * MIN_SAMPLES), SETTINGS) == 50.0


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("median", [10.0, 60.0, 300.0])
def test_what_was_learned_bounds_the_delay_where_most_installs_end(median, spread):
    learned = lognormal(median, spread)
    for share in (0.06, 0.25, 0.5, 0.75, 0.94):
        duration = learned.quantile(share)
        delay, _ = watch(duration, learned)
        assert delay <= max(SETTINGS.initial_delay, 0.12 * max(median * 1.3, duration)) + 1e-6


@pytest.mark.parametrize("learned", [None, lognormal(60.0, 0.5)])
@pytest.mark.parametrize("duration", [40.0, 100.0, 400.0, 2000.0])
def test_what_somebody_waits_for_is_noticed_within_a_fiftieth(duration, learned):
    delay, _ = watch(duration, learned, urgency=Urgency.GATE)
    assert delay <= max(SETTINGS.min_interval, 0.02 * duration) + 1e-6
    delay, looks = watch(duration, learned, urgency=Urgency.NEXT)
    assert delay <= max(SETTINGS.min_interval, 0.05 * duration) + 1e-6
    assert watch(duration, learned)[1] <= looks <= watch(duration, learned, urgency=Urgency.GATE)[1]


@pytest.mark.parametrize("learned", [None, lognormal(60.0, 0.5)])
def test_the_gate_waits_for_the_last_of_many_so_its_looks_are_rarer_the_more_are_under_way(learned):
    alone, four, many, crowd = (
        next_poll_interval(400.0, learned, SETTINGS, urgency=Urgency.GATE, under_way=number)
        for number in (1, 4, 25, 1000)
    )
    assert (four, many) == (pytest.approx(2 * alone), pytest.approx(5 * alone))
    assert crowd == next_poll_interval(400.0, learned, SETTINGS)


@pytest.mark.parametrize("under_way", [1, 25])
def test_the_next_in_a_full_cluster_waits_for_any_end_however_many_are_under_way(under_way):
    gap = next_poll_interval(400.0, None, SETTINGS, urgency=Urgency.NEXT, under_way=under_way)
    assert gap == pytest.approx(0.05 * 400.0)


def test_urgency_never_outruns_the_read_budget():
    assert next_poll_interval(100.0, None, SETTINGS, min_affordable=17.0, urgency=Urgency.GATE) == 17.0


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("median", [10.0, 60.0, 300.0])
def test_learned_looks_stay_few_even_when_install_times_are_spread_wide(median, spread):
    learned = lognormal(median, spread)
    late = learned.quantile(0.95)
    # Until the first end may come (bounded by the longest gap), dense up to the median, then in proportion.
    bound = 3 + learned.quantile(0.05) / SETTINGS.max_interval + 9 + math.log(late / median) / math.log(1.12)
    bound += late / SETTINGS.max_interval
    _, looks = watch(late, learned)
    assert looks <= bound


def test_the_first_learned_look_waits_for_the_quickest_installs():
    learned = Durations([40.0] + [55.0] * 99)
    assert next_poll_interval(0.0, learned, SETTINGS) == 55.0
    assert next_poll_interval(30.0, learned, SETTINGS) == 25.0


def test_a_first_look_soon_after_one_for_others_comes_a_whole_gap_later():
    learned = Durations([40.0] + [55.0] * 99)
    assert (
        next_poll_interval(54.5, learned, SETTINGS)
        == next_poll_interval(55.0, learned, SETTINGS)
        == pytest.approx(0.12 * 55.0)
    )


def test_an_install_slower_than_all_before_is_looked_at_in_proportion_again():
    learned = Durations([100.0] * 50)
    assert next_poll_interval(100.0, learned, SETTINGS) == pytest.approx(0.12 * 100)
    assert next_poll_interval(300.0, learned, SETTINGS) == pytest.approx(0.12 * 300)


def test_what_was_learned_makes_slow_settings_quicker_and_quick_ones_no_slower():
    slow, learned = PollSettings(growth_factor=0.5), Durations([100.0] * 50)
    assert next_poll_interval(100.0, learned, slow) == pytest.approx(LEARNED_GROWTH * 100)
    assert next_poll_interval(100.0, None, slow) == pytest.approx(50.0)


def test_a_busy_read_budget_stretches_every_gap_even_beyond_the_longest():
    assert next_poll_interval(10.0, None, SETTINGS, min_affordable=17.0) == 17.0
    assert next_poll_interval(10_000.0, None, SETTINGS, min_affordable=90.0) == 90.0


@pytest.mark.parametrize(("clusters", "rate", "gap"), [(0, 10.0, 0.0), (80, 10.0, 10.0), (1000, 50.0, 25.0)])
def test_the_affordable_gap_lets_all_clusters_be_looked_at_within_the_reads_for_looks(clusters, rate, gap):
    assert min_affordable_interval(clusters, rate, SETTINGS) == pytest.approx(gap)


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=3 * MAX_SAMPLES))
def test_only_the_most_recent_durations_are_kept(seconds):
    told, known = Durations(), Durations(seconds)
    for each in seconds:
        told.add(each)
    newest = seconds[-MAX_SAMPLES:]
    assert len(told) == len(known) == len(newest)
    assert told.quantile(0.0) == known.quantile(0.0) == min(newest)
    assert told.quantile(1.0) == known.quantile(1.0) == max(newest)


def test_the_oldest_duration_is_the_one_forgotten():
    learned = Durations([1.0, *[50.0] * (MAX_SAMPLES - 1)])
    learned.add(90.0)
    assert (learned.quantile(0.0), learned.quantile(1.0)) == (50.0, 90.0)


def test_a_quantile_is_the_time_within_which_that_share_ended():
    learned = Durations(float(n) for n in range(100, 0, -1))
    assert [learned.quantile(share) for share in (0.0, 0.05, 0.5, 0.95)] == [1.0, 6.0, 51.0, 96.0]


@pytest.mark.parametrize(
    ("under_way_at", "over_by", "seconds"),
    [(40.0, 44.0, 44.0), (0.0, 4.0, 4.0), (0.0, 45.0, 5.0), (50.0, 90.0, 56.0), (600.0, 700.0, 660.0)],
    ids=[
        "a look in time",
        "the first look in time",
        "the first look late",
        "a later look late",
        "looks are never further apart",
    ],
)
def test_an_end_that_was_noticed_late_teaches_no_more_than_a_look_in_time_would_have(under_way_at, over_by, seconds):
    assert install_time_estimate(under_way_at, over_by, SETTINGS) == pytest.approx(seconds)


@given(gap=st.floats(0.0, 5.0), at=st.floats(0.0, 1e6))
def test_a_look_is_due_when_it_is_wanted_or_a_little_later(gap, at):
    aligner = PollAligner()
    for number in range(200):
        aligner.polled(number * gap)
    assert -1e-9 <= aligner.after(at) - at <= GROUP_WAIT_SECONDS


@pytest.mark.parametrize(
    ("a_second", "together"), [(1, 1), (20, 1), (80, 4), (150, 7.5), (400, 5), (1000, 6.25), (20_000, 1)]
)
def test_looks_are_due_a_few_at_a_time_and_never_in_crowds(a_second, together):
    aligner, wanted = PollAligner(), [number / a_second for number in range(2000)]
    for at in wanted:
        aligner.polled(at)
    assert together <= GROUP
    assert len(wanted) / len({aligner.after(at) for at in wanted}) == pytest.approx(together, rel=0.05)
