"""Foreign text and times, made safe and readable."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.util.text import clean, span, utc


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain text, Grüße", "plain text, Grüße"),
        ("red \x1b[31malert\x1b[0m!", "red alert!"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("8-bit \x9b31mred", "8-bit red"),
        ("\x1bPdevice\x1b\\shown", "shown"),
        ("one\ntwo\r\nthree\t.", "one two three ."),
        ("bell\x07 nul\x00 back\x08", "bell nul back"),
        ("right\u202eleft", "right left"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_text_of_a_server_is_made_one_printable_line(text, safe):
    assert clean(text) == safe


def test_long_text_is_cut_and_says_so():
    assert clean("x" * 50, 10) == "x" * 9 + "…"
    assert clean("x" * 10, 10) == "x" * 10


@given(text=st.text(st.characters(), max_size=80), limit=st.integers(1, 60))
def test_no_text_whatever_reaches_a_terminal_unprintable_or_too_long(text, limit):
    safe = clean(text, limit)
    assert safe.isprintable()
    assert len(safe) <= limit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (3600, "1h 00m"),
        (7380, "2h 03m"),
        (86400, "1d 00h"),
        (4 * 86400 + 7200, "4d 02h"),
        (-12, "-12s"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds, text):
    assert span(seconds) == text


def test_a_time_is_told_in_utc_with_milliseconds():
    assert utc(1_767_323_045.678) == "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045.9999997, "2026-01-02T03:04:06.000Z"),
        (1_767_323_045.9994, "2026-01-02T03:04:05.999Z"),
        (-0.25, "1969-12-31T23:59:59.750Z"),
    ],
)
def test_a_time_is_rounded_to_a_microsecond_and_cut_to_a_millisecond(at, text):
    assert utc(at) == text


@given(st.floats(min_value=-1e10, max_value=1e11))
def test_a_time_reads_as_datetime_would_write_it(at):
    assert utc(at) == datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
