"""Turning foreign text and times into what a person may safely read on a terminal or in a report."""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device strings
    r"|\x1b[ -/]*[0-~]"
)
_BLANKS = re.compile(r"\s+")
_COMMANDS = re.compile(r"##(?=vso\[|\[)|^\s*:(?=:[A-Za-z_-]+[^:]*::)")
"""How commands to a CI system start in a log: GitHub's `::error::` begins a line, Azure's `##vso[` stands anywhere."""
_SPECIAL = re.compile(r"[<>@]|\](?=\()")
_PLAIN = {"<": "\u2039", ">": "\u203a", "@": "@\u200b", "]": "]\u200b"}


def clean(text: str, limit: int = 2000) -> str:
    """One printable line of at most `limit` characters.

    Terminal escapes go, every other character that does not print (controls, bidirectional overrides, lone surrogates)
    becomes a blank, and blanks run together. A command to a CI system is broken by a blank. Other printable text comes
    back as it is.
    """
    if not text.isprintable():
        bare = _ESCAPES.sub("", text)
        text = _BLANKS.sub(" ", "".join(char if char.isprintable() else " " for char in bare)).strip()
    if "::" in text or "##" in text:
        text = _COMMANDS.sub(lambda found: f"{found[0].strip()} ", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain_text(text: str) -> str:
    """A text that stays text in a chat or a mail: no HTML, no link behind other words, nobody mentioned (`@everyone`)."""
    return _SPECIAL.sub(lambda found: _PLAIN[found[0]], text)


def utc(at: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    fraction, whole = math.modf(at)
    # To the nearest microsecond, then cut: as `datetime` does it.
    carry, micros = divmod(round(fraction * 1e6), 1_000_000)
    return f"{_second(int(whole) + carry)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(at: int) -> str:
    """The date and time of a whole second; a report names the same ones over and over."""
    return datetime.fromtimestamp(at, UTC).isoformat()[:19]


def span(seconds: float) -> str:
    """A duration for people: `0.4s`, `12s`, `3m 05s`, `2h 03m`, `4d 02h`."""
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"
