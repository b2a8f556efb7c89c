"""When to try again: chance is an argument, so every figure here is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.rules.retry import BREAKER_TRIPS, Breaker, RetryBudget, backoff, jittered
from batch_deployer.settings import RetrySettings

SETTINGS = RetrySettings(base=1.0, cap=60.0, give_up_after=600.0, budget=20.0, budget_ratio=0.2)
DRAWS = st.floats(0.0, 1.0, exclude_max=True)


@given(attempt=st.integers(1, 10**9), draw=DRAWS)
def test_a_backoff_is_never_negative_and_never_above_the_cap(attempt, draw):
    assert 0.0 <= backoff(attempt, draw, SETTINGS) <= SETTINGS.cap


@pytest.mark.parametrize(("attempt", "mean"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (60, 30.0)])
def test_the_mean_backoff_starts_at_the_base_and_doubles_up_to_half_the_cap(attempt, mean):
    assert backoff(attempt, 0.5, SETTINGS) == mean


def test_a_backoff_is_spread_over_the_whole_range_down_to_nothing():
    assert backoff(4, 0.0, SETTINGS) == 0.0
    assert backoff(4, 0.25, SETTINGS) == 4.0


@given(mean=st.floats(0.1, 1e6), draw=DRAWS)
def test_waiters_are_spread_by_half_of_the_mean_either_way(mean, draw):
    assert 0.5 * mean <= jittered(mean, draw) <= 1.5 * mean
    assert jittered(mean, 0.5) == mean


def test_a_total_outage_is_asked_for_no_more_retries_than_the_budget():
    budget = RetryBudget(SETTINGS)
    assert sum(budget.spend() for _ in range(1000)) == 20


def test_successes_earn_retries_at_the_ratio():
    budget = RetryBudget(SETTINGS)
    while budget.spend():
        pass
    for _ in range(5):
        assert not budget.spend()
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_retries_are_not_saved_up_beyond_the_budget():
    budget = RetryBudget(SETTINGS)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == 20


def test_a_breaker_trips_after_a_few_faults_in_a_row():
    breaker = Breaker()
    is_open = []
    for now in range(BREAKER_TRIPS):
        is_open.append(breaker.is_open)
        breaker.record_failure(float(now), 0.0, SETTINGS)
    assert is_open == [False] * BREAKER_TRIPS
    assert breaker.is_open


def test_one_good_answer_closes_a_breaker():
    breaker = Breaker()
    for now in range(5):
        breaker.record_failure(float(now), 0.9, SETTINGS)
    breaker.record_success()
    assert (breaker.is_open, breaker.failures, breaker.open_until) == (False, 0, 0.0)
    assert not breaker.exhausted(1e9, SETTINGS)


def test_a_tripped_breaker_waits_at_least_half_its_growing_ceiling_and_never_above_the_cap():
    breaker = Breaker()
    waits = [breaker.record_failure(100.0, 0.0, SETTINGS) - 100.0 for _ in range(8)]
    assert waits == [0.0, 0.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert breaker.open_until == 130.0


def test_a_breaker_that_draws_high_waits_longer_than_half_the_ceiling():
    breaker = Breaker()
    waits = [breaker.record_failure(0.0, 0.75, SETTINGS) for _ in range(4)]
    assert waits == [1.5, 3.0, 6.0, 12.0]


@given(draw=DRAWS)
def test_a_retry_without_budget_waits_about_as_long_as_the_cap_and_no_longer(draw):
    wait = Breaker().record_failure(0.0, draw, SETTINGS, within_budget=False)
    assert SETTINGS.cap / 2 <= wait <= SETTINGS.cap


def test_a_cluster_is_hopeless_once_it_has_failed_without_a_pause_for_the_whole_time():
    breaker = Breaker()
    assert not breaker.exhausted(1e9, SETTINGS)
    breaker.record_failure(1000.0, 0.5, SETTINGS)
    breaker.record_failure(1500.0, 0.5, SETTINGS)
    assert not breaker.exhausted(1599.0, SETTINGS)
    assert breaker.exhausted(1600.0, SETTINGS)


def test_a_good_answer_in_between_starts_the_count_anew():
    breaker = Breaker()
    breaker.record_failure(0.0, 0.5, SETTINGS)
    breaker.record_success()
    breaker.record_failure(500.0, 0.5, SETTINGS)
    assert not breaker.exhausted(700.0, SETTINGS)
    assert breaker.exhausted(1100.0, SETTINGS)
