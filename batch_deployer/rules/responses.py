"""What an answer of the API means for the caller. One table, classified by HTTP status first, then by code family.

Codes are matched on their last six digits (`HHHNNN`): which family number charts and releases use is undocumented
(docs/api.md section 4.1). Unknown bodies are tolerated; an unknown 4xx is final, an unknown 5xx is ambiguous for a write.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from batch_deployer.model.api import Answer, Call, CreateRelease, Sent


class Verdict(StrEnum):
    """What to do about an answer."""

    OK = "ok"
    ABSENT = "absent"
    """The service says that the thing does not exist (never said by the gateway)."""
    EXISTS = "exists"
    THROTTLED = "throttled"
    """Not executed; the whole bucket waits."""
    LOCKED = "locked"
    """Not executed; this one release waits."""
    UNSETTLED = "unsettled"
    """Not executed: the release is changing; look, then decide anew."""
    TRANSIENT = "transient"
    """Not executed, or a read that failed: try again after a backoff."""
    AMBIGUOUS = "ambiguous"
    """A write that may have been executed: read back."""
    EXPIRED = "expired"
    """Try once more with a fresh credential."""
    AUTH = "auth"
    """The credential is refused for good: stop the run."""
    STATE = "state"
    """A read that the state of the cluster (or account) forbids now: ask for its phase."""
    DENIED = "denied"
    """No permission."""
    MISROUTED = "misrouted"
    """The gateway knows no such address: a configuration error, says nothing about the release."""
    REJECTED = "rejected"
    """Final: the same request would get the same answer."""


@dataclass(frozen=True, slots=True)
class _Row:
    statuses: range
    pattern: re.Pattern[str]
    """Searched in `code other_code message`."""
    verdict: Verdict


def _row(statuses: range | int, pattern: str, verdict: Verdict) -> _Row:
    span = statuses if isinstance(statuses, range) else range(statuses, statuses + 1)
    return _Row(span, re.compile(pattern, re.IGNORECASE), verdict)


_ANY_4XX = range(400, 500)

TABLE: tuple[_Row, ...] = (
    _row(_ANY_4XX, r"update release is forbidden", Verdict.UNSETTLED),
    # Failing again with these risks a lock of the account or key.
    _row(range(400, 402), r"IAM\.110[1-7]\b|IAM\.006[12]\b|IAM\.1109\b", Verdict.AUTH),
    _row(400, r"IAM\.1108\b", Verdict.EXPIRED),
    _row(401, r"aksk|\bak\b.*(not exist|reach the limit)|secretkey|APIGW?\.03(03|05|11)\b", Verdict.AUTH),
    _row(401, r"", Verdict.EXPIRED),
    # The account is restricted, or the state forbids it: no lack of permission. Look again, then decide.
    _row(403, r"\b\w+\.\d{2}40300[2-9]\b", Verdict.STATE),
    _row(403, r"", Verdict.DENIED),
    _row(404, r"\b\w+\.\d{2}404001\b|CCE_CM\.0003\b", Verdict.ABSENT),
    _row(404, r"", Verdict.MISROUTED),
    # The proxy's own refusal: its password is as wrong the next time.
    _row(407, r"", Verdict.AUTH),
    _row(409, r"\d{2}409002\b", Verdict.UNSETTLED),
    _row(409, r"", Verdict.EXISTS),
    _row(_ANY_4XX, r"release name is already exist|name .*already (exists|in use)", Verdict.EXISTS),
    _row(410, r"IAM\.0020\b", Verdict.TRANSIENT),
    _row(429, r"\d{2}429002\b", Verdict.LOCKED),
    _row(429, r"", Verdict.THROTTLED),
)


def judge(call: Call, answer: Answer) -> Verdict:
    """Classify one answer to one call."""
    status = answer.status
    if 200 <= status < 300:
        # A read whose body could not be read says nothing; a write's 2xx counts whatever its body (section 8, 7 and 18).
        if call.writes:
            # A page came from a proxy or a login page, so whether the API got the request is unknown.
            return Verdict.AMBIGUOUS if answer.shape == "G" else Verdict.OK
        return Verdict.OK if answer.body is not None else Verdict.TRANSIENT
    if status == 0:
        return Verdict.AMBIGUOUS if call.writes and answer.sent is Sent.MAYBE else Verdict.TRANSIENT
    if status == 408 or status >= 500:
        return Verdict.AMBIGUOUS if call.writes else Verdict.TRANSIENT
    text = f"{answer.code} {answer.other_code} {answer.message}"
    for row in TABLE:
        if status in row.statuses and row.pattern.search(text):
            if row.verdict is Verdict.EXISTS and not isinstance(call, CreateRelease):
                return Verdict.REJECTED
            return row.verdict
    return Verdict.MISROUTED if 300 <= status < 400 else Verdict.REJECTED


_WINDOW = re.compile(r"time:\s*(\d+)\s*(second|minute|hour)|per\s+(\d+)\s*second", re.IGNORECASE)
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


SHORTEST_PAUSE = 1.0
"""Seconds that a bucket rests after a refusal, whatever the server asks for."""


def throttle_wait(answer: Answer, default: float) -> float:
    """Seconds for which a bucket must rest: as the answer names them, else `default`."""
    named = named_wait(answer)
    return default if named is None else named


def named_wait(answer: Answer) -> float | None:
    """Seconds to wait that a refusal names: Retry-After, else the window named in the text; None: neither.

    At least a second, since a server that asks for none is not believed, and at most an hour: one that asks for more
    is more likely broken than busy.
    """
    if answer.retry_after is not None:
        return min(max(answer.retry_after, SHORTEST_PAUSE), 3600.0)
    found = _WINDOW.search(answer.message)
    if found is None:
        return None
    seconds = float(found[3]) if found[3] else float(found[1]) * _SECONDS[found[2].lower()]
    return min(max(seconds, SHORTEST_PAUSE), 3600.0)


_VARIABLE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{12,}\b|\d+(?:\.\d+)*|'[^']*'|\"[^\"]*\"|\[[^]]*\]",
    re.IGNORECASE,
)


def fingerprint(*parts: str) -> str:
    """What failures with the same cause have in common: ids, numbers and quoted names blanked, at most 160 characters."""
    return _VARIABLE.sub("*", " ".join(part for part in parts if part)).strip()[:160]


def describe(answer: Answer) -> str:
    """One line for people: `HTTP 409 CCE.01409001: message (request id ...)`."""
    if answer.status == 0:
        return answer.message or "no answer"
    codes = " ".join(code for code in (answer.code, answer.other_code) if code)
    line = f"HTTP {answer.status}" + (f" {codes}" if codes else "") + (f": {answer.message}" if answer.message else "")
    return line + (f" (request id {answer.request_id})" if answer.request_id else "")
