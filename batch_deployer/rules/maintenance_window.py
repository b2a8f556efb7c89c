"""Maintenance windows and start-by times, in the zone where they were meant. The caller says what time it is."""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

_DAY = 24 * 60
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_WINDOW = re.compile(r"\s*(\S+?)\s*-\s*(\S+)(?:\s+(\S+))?\s*")
_MOMENT = re.compile(r"\s*(\d{1,2}:\d{2})(?:\s+(\S+))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of each day, which may pass midnight: `22:00-05:00 Europe/Berlin`."""

    opens: int
    """Minutes after local midnight."""
    closes: int
    """Minutes after local midnight; not above `opens` when it closes on the next day."""
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`HH:MM-HH:MM [ZONE]`, ZONE an IANA name, UTC when left out. ValueError (with advice) on anything else."""
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise ValueError(f'{text!r} is not a window; write for example "22:00-05:00 Europe/Berlin"')
        opens, closes = _minutes(match[1]), _minutes(match[2])
        if opens in (_DAY, closes):
            raise ValueError(f"{text!r} is an empty window; its start and its end must differ")
        return cls(opens=opens, closes=closes, zone=_zone(match[3] or "UTC"))

    def around(self, at: float) -> tuple[float, float]:
        """Start and end of the opening that `at` falls in, else of the next one; all seconds since the epoch.

        Both ends are local times of the day, so a night with a clock change is an hour longer or shorter.
        """
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(at, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        lasts = self.closes if self.closes > self.opens else self.closes + _DAY
        # A local day can be skipped as a whole (it happened in Samoa), hence a few days of room.
        for day in range(-1, 4):
            start, end = (_local(today, day, minutes) for minutes in (self.opens, lasts))
            if at < end and start < end:
                return start, end
        raise AssertionError("a daily window opens every day")

    def __str__(self) -> str:
        """As the user writes it."""
        return f"{_text(self.opens)}-{_text(self.closes)} {self.zone}"


def moment(text: str, now: float) -> float:
    """Seconds since the epoch of `23:30`, `23:30 Europe/Berlin` or `2026-01-02T23:30:00+01:00`.

    A bare time of day means its occurrence nearest to `now`: at 02:00, `01:00` is an hour ago and `23:00` is three.
    ValueError (with advice) on anything else.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        try:
            exact = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(
                f'{text!r} is not a time; write for example "23:30 Europe/Berlin" or an ISO time'
            ) from None
        return (exact if exact.tzinfo else exact.replace(tzinfo=UTC)).timestamp()
    minutes, zone = _minutes(match[1]), ZoneInfo(_zone(match[2] or "UTC"))
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return min((_local(today, day, minutes) for day in (-1, 0, 1)), key=lambda at: abs(at - now))


def _local(midnight: datetime, day: int, minutes: int) -> float:
    """Seconds since the epoch when the wall shows `minutes` after midnight, `day` days on."""
    return (midnight + timedelta(days=day, minutes=minutes)).timestamp()


def _minutes(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else _DAY + 1
    if minutes > _DAY:
        raise ValueError(f"{text!r} is not a time of day; write for example 22:00")
    return minutes


def _text(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        advice = f"did you mean {near[0]}?" if near else "write for example Europe/Berlin or UTC"
        raise ValueError(f"{name!r} is not a time zone; {advice}") from None
    return name
