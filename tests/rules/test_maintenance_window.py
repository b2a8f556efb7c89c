"""Windows and start-by times: the caller says what time it is, the rule says what that means there."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batch_deployer.rules.maintenance_window import Window, moment

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window.parse("22:00-05:00 Europe/Berlin")


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-01-10T23:30", "2026-01-10T22:00", "2026-01-11T05:00"),
        ("2026-01-11T04:59", "2026-01-10T22:00", "2026-01-11T05:00"),
        ("2026-01-11T05:00", "2026-01-11T22:00", "2026-01-12T05:00"),
        ("2026-01-11T12:00", "2026-01-11T22:00", "2026-01-12T05:00"),
        ("2026-01-10T22:00", "2026-01-10T22:00", "2026-01-11T05:00"),
    ],
)
def test_a_window_past_midnight_belongs_to_the_evening_it_opens_in(now, start, end):
    assert NIGHT.around(berlin(now)) == (berlin(start), berlin(end))


def test_a_window_within_a_day_does_not_pass_midnight():
    noon = Window.parse("11:30-13:00 Europe/Berlin")
    assert noon.around(berlin("2026-01-10T14:00")) == (berlin("2026-01-11T11:30"), berlin("2026-01-11T13:00"))


@pytest.mark.parametrize(
    ("evening", "hours"), [("2026-03-28T23:00", 6), ("2026-10-24T23:00", 8), ("2026-06-01T23:00", 7)]
)
def test_a_night_with_a_clock_change_is_an_hour_shorter_or_longer(evening, hours):
    start, end = NIGHT.around(berlin(evening))
    assert (end - start) / 3600 == hours


def test_a_whole_day_ends_at_24_00_and_zone_defaults_to_utc():
    day = Window.parse("00:00-24:00")
    start, end = day.around(0.0)
    assert (start, end, day.zone) == (0.0, 86400.0, "UTC")


def test_a_window_prints_as_it_is_written():
    assert str(Window.parse("9:05 - 10:00  Europe/Berlin")) == "09:05-10:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tonight", "'tonight' is not a window; write for example \"22:00-05:00 Europe/Berlin\""),
        ("22:00-25:00", "'25:00' is not a time of day; write for example 22:00"),
        ("22:00-22:00", "'22:00-22:00' is an empty window; its start and its end must differ"),
        ("22:00-05:00 Europe/Berln", "'Europe/Berln' is not a time zone; did you mean Europe/Berlin?"),
        ("22:00-05:00 Europe", "'Europe' is not a time zone; "),
        ("22:00-05:00 ../../etc", "'../../etc' is not a time zone; write for example Europe/Berlin or UTC"),
    ],
)
def test_a_wrong_window_says_what_to_write(text, message):
    with pytest.raises(ValueError, match="is ") as caught:
        Window.parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("now", "text", "then"),
    [
        ("2026-01-11T02:00", "01:00 Europe/Berlin", "2026-01-11T01:00"),
        ("2026-01-10T22:00", "01:00 Europe/Berlin", "2026-01-11T01:00"),
        ("2026-01-11T02:00", "23:00 Europe/Berlin", "2026-01-10T23:00"),
        ("2026-01-11T02:00", "2026-02-01T00:00:00+01:00", "2026-02-01T00:00"),
    ],
)
def test_a_time_of_day_means_its_nearest_occurrence(now, text, then):
    assert moment(text, berlin(now)) == berlin(then)


def test_an_iso_time_without_zone_is_utc():
    assert moment("1970-01-01T01:00", 0.0) == 3600.0


def test_a_wrong_moment_says_what_to_write():
    with pytest.raises(ValueError, match="'soon' is not a time; write for example"):
        moment("soon", 0.0)
