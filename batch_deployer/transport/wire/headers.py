"""What answer headers say. Pure: the present moment is an argument."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from batch_deployer.util.wire_text import clean

_SECONDS = re.compile(r"\s*(\d{1,9})(?:\.\d*)?\s*")


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After of whole seconds or an HTTP date; None when there is none to be understood.

    `now`: seconds since the epoch, best by the server's own `Date`. A date that has passed means 0.
    """
    if not text:
        return None
    if match := _SECONDS.fullmatch(text):
        return float(match[1])
    moment = http_date(text)
    return None if moment is None else max(0.0, moment - now)


@lru_cache(maxsize=16)
def http_date(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date; None when it is none. Kept, as a busy server says the same for a second."""
    try:
        moment = parsedate_to_datetime(text or "")
        # asctime's form names no zone; RFC 9110 has all three in UTC.
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def request_id(headers: Mapping[str, str]) -> str:
    """The gateway's or the identity service's id of a request, for support tickets; empty when there is none.

    `headers`: names in lower case.
    """
    return clean(headers.get("x-request-id") or headers.get("x-iam-trace-id") or "")
