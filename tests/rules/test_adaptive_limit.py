"""The adaptive number of calls under way: down under pressure, up again after, never above the cap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.rules.adaptive_limit import LEAST, AdaptiveLimit


def after(concurrency, *spells):
    """Feed (answers, latency) spells."""
    for answers, latency in spells:
        for _ in range(answers):
            concurrency.answered(latency)
    return concurrency


@pytest.mark.parametrize(("cap", "start"), [(1, 1), (2, 2), (3, 2), (8, 4), (32, 16), (500, 16)])
def test_the_limit_starts_at_half_the_cap_but_no_higher_than_sixteen(cap, start):
    assert AdaptiveLimit(cap).limit == start


def test_steady_answers_let_the_limit_grow_to_the_cap_and_no_further():
    concurrency = after(AdaptiveLimit(32), (100, 0.1))
    assert 16 < concurrency.limit < 32
    assert after(concurrency, (1000, 0.1)).limit == 32


def test_the_limit_grows_by_about_one_per_limits_worth_of_answers():
    assert after(AdaptiveLimit(500), (16, 0.1)).limit == pytest.approx(17.0, abs=0.1)


def test_a_rise_of_latency_shrinks_the_limit():
    concurrency = after(AdaptiveLimit(32), (1000, 0.1), (60, 1.0))
    assert concurrency.limit < 28


def test_a_long_lasting_rise_shrinks_the_limit_by_a_step_per_limits_worth_of_answers():
    concurrency = after(AdaptiveLimit(32), (1000, 0.1))
    seen = {concurrency.limit}
    for _ in range(50):
        concurrency.answered(5.0)
        seen.add(concurrency.limit)
    assert sorted(seen, reverse=True) == pytest.approx([32, 28.8, 25.92], abs=0.01)


def test_the_limit_recovers_when_latency_does():
    concurrency = after(AdaptiveLimit(32), (1000, 0.1), (150, 2.0))
    assert concurrency.limit < 25
    assert after(concurrency, (2000, 0.1)).limit == 32


def test_a_change_that_lasts_is_accepted_in_the_end():
    concurrency = after(AdaptiveLimit(32), (1000, 0.1), (200, 1.0))
    shrunk = concurrency.limit
    assert shrunk < 32
    assert after(concurrency, (3000, 1.0)).limit > shrunk


def test_noise_of_a_few_milliseconds_is_no_pressure():
    concurrency = after(AdaptiveLimit(32), (1000, 0.001), (300, 0.045))
    assert concurrency.limit == 32


def test_twice_the_usual_latency_is_no_pressure_and_three_times_is():
    assert after(AdaptiveLimit(32), (1000, 1.0), (100, 1.9)).limit == 32
    assert after(AdaptiveLimit(32), (1000, 1.0), (100, 3.0)).limit < 32


def test_a_faster_cloud_lowers_what_counts_as_usual():
    concurrency = after(AdaptiveLimit(32), (500, 1.0), (500, 0.1))
    assert after(concurrency, (100, 0.9)).limit < 32


def test_calls_given_up_shrink_the_limit_step_by_step_down_to_the_least():
    concurrency = AdaptiveLimit(32)
    concurrency.timed_out()
    assert concurrency.limit == pytest.approx(14.4)
    for _ in range(13):
        concurrency.timed_out()
    assert concurrency.limit == pytest.approx(14.4), "those under way when it was lowered count once"
    for _ in range(400):
        concurrency.timed_out()
    assert concurrency.limit == LEAST


@given(
    cap=st.integers(1, 64),
    told=st.lists(st.one_of(st.none(), st.floats(0.0, 100.0), st.just(0.01)), max_size=300),
)
def test_the_limit_stays_between_one_call_and_the_cap_whatever_happens(cap, told):
    concurrency = AdaptiveLimit(cap)
    for latency in told:
        if latency is None:
            concurrency.timed_out()
        else:
            concurrency.answered(latency)
        assert min(cap, LEAST) <= concurrency.limit <= cap


def test_a_cap_of_one_survives_pressure():
    assert after(AdaptiveLimit(1), (100, 0.01), (300, 9.0)).limit == 1
