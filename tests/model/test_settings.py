"""Rates, durations and shares as people write them, and what is said about what they should not write."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.settings import HttpSettings, IntOrPercent, LeaseSettings, Limits, Rate, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        (90, 90.0),
        (0, 0.0),
        (1.5, 1.5),
        ("0", 0.0),
        ("90s", 90.0),
        ("15m", 900.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        ("2d", 172800.0),
        ("1d2h3m4s5ms", 93784.005),
        (" 5 m ", 300.0),
    ],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5x", "m", "-5m", "5m!", "1h30", "5 minutes", "1e3", True, False])
def test_what_is_no_duration_is_refused_with_advice(text):
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a duration; write for example 90s, 15m or 1h30m")):
        parse_duration(text)


@pytest.mark.parametrize("text", [-1, -0.5, float("nan"), float("inf"), "3650d", "99999999999999"])
def test_a_duration_that_nobody_can_mean_is_refused_with_advice(text):
    message = f"{text!r} is not a usable duration; write for example 90s, 15m or 1h30m"
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count", "period"),
    [
        ("10/min", 10, 60.0),
        ("20/s", 20, 1.0),
        ("100/5min", 100, 300.0),
        ("7/90s", 7, 90.0),
        ("1000/h", 1000, 3600.0),
        ("3/hour", 3, 3600.0),
        (" 10 / minute ", 10, 60.0),
        ("10/2 minutes", 10, 120.0),
        ("10/secs", 10, 1.0),
        ("10/m", 10, 60.0),
        ("10.0/s", 10, 1.0),
        ("0.5/s", 1, 2.0),
        ("0.25/2s", 1, 8.0),
        ("1000000/s", 1_000_000, 1.0),
    ],
)
def test_a_rate_is_calls_in_a_period_and_less_than_one_call_makes_the_period_longer(text, count, period):
    assert Rate.parse(text) == Rate(count, period)


@pytest.mark.parametrize(
    "text", ["", "fast", "10", "10/", "/s", "-1/s", "10/day", "10/ms", "10/ss", "10/1.5s", "10 per s", "1e3/s"]
)
def test_what_is_no_rate_is_refused_with_advice(text):
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a rate; write for example 10/min or 20/s")):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["0/s", "0.0/min", "1.5/s", "10/0s", "0.5/0s", "1000001/s", "9999999999999/h"])
def test_a_rate_that_cannot_be_kept_is_refused_with_advice(text):
    message = f"{text!r} is not a usable rate; write a whole number of calls, for example 10/min or 20/s"
    with pytest.raises(ValueError, match=re.escape(message)):
        Rate.parse(text)


@given(count=st.integers(1, 10**6), period=st.sampled_from((1.0, 60.0, 3600.0, 90.0, 300.0)))
def test_a_rate_reads_back_as_it_prints(count, period):
    assert Rate.parse(str(Rate(count, period))) == Rate(count, period)


def test_a_rate_prints_as_people_write_it_and_knows_its_average():
    assert [str(Rate(10, 60.0)), str(Rate(20, 1.0)), str(Rate(7, 90.0))] == ["10/min", "20/s", "7/90s"]
    assert Rate(30, 60.0).per_second == 0.5


@pytest.mark.parametrize(
    ("text", "total", "number"),
    [
        ("0", 100, 0),
        (3, 100, 3),
        ("3", 1, 3),
        (" 5 % ", 200, 10),
        ("5%", 119, 5),
        ("2.5%", 1000, 25),
        ("0.57%", 10_000, 57),
        ("29%", 100, 29),
        ("100%", 7, 7),
        ("0%", 7, 0),
    ],
)
def test_a_share_is_a_number_or_a_percentage_rounded_down(text, total, number):
    assert IntOrPercent.parse(text).of(total) == number


@given(percent=st.integers(0, 100), total=st.integers(0, 10**6))
def test_a_percentage_is_exact(percent, total):
    assert IntOrPercent.parse(f"{percent}%").of(total) == percent * total // 100


@pytest.mark.parametrize("text", ["", "few", "-1", "1.5", "101%", "5%%", "%", True, 1.5])
def test_what_is_no_share_is_refused_with_advice(text):
    message = f"{text!r} is neither a whole number nor a percentage; write for example 3 or 5%"
    with pytest.raises(ValueError, match=re.escape(message)):
        IntOrPercent.parse(text)


@pytest.mark.parametrize("text", ["5%", "2.5%", "3", "0"])
def test_a_share_prints_as_it_is_written(text):
    assert str(IntOrPercent.parse(text)) == text


def test_the_default_limits_are_within_what_the_provider_was_seen_to_bear():
    limits = Limits()
    assert (limits.writes.per_second, limits.reads.per_second) == (10 / 60, 10.0)


def test_a_write_by_default_ends_before_the_lease_does():
    assert HttpSettings().write_timeout < LeaseSettings().length
