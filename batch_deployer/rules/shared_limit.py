"""A rate limit that several runs share: who takes part, which slots are taken, and when the next may be used. Pure.

Times are monotonic seconds of one boot of one host, on which all these runs are.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batch_deployer.rules.moving_window import window_span
from batch_deployer.rules.spacing import TIMER_TOLERANCE_SECONDS, burst_of
from batch_deployer.settings import Rate

LEASE_SECONDS = 10.0
"""After so many seconds without a renewal a run counts as gone: it hangs, or it was stopped."""
USABLE_SECONDS = 5.0
"""For so long after its last renewal a run may send. The rest of the lease is for what happens between that check and the
first byte."""
AHEAD_SECONDS = 0.25
"""Slots are granted so long before they may be used, so that no time passes between two grants."""


class Grant(NamedTuple):
    """One slot that a run may use."""

    slot: int
    """Number, unique within the run."""
    at: float
    """Not before this time."""


class Usage(NamedTuple):
    """What became of a slot."""

    slot: int
    arrived: float | None
    """When its call arrived at the latest, infinity while it has yet to depart; None: it was not used and is given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRequest:
    """What a run tells of one of its rate limiters, and asks of the shared limit."""

    rate: Rate
    """As configured in this run."""
    used: Sequence[Usage] = ()
    wanted: int = 0
    """Slots wanted now."""
    first: int = 0
    """Number of the first slot that is granted; the others follow."""
    learned_rate: float | None = None
    """Calls a second that this run has just learned; infinity: as configured. None: nothing new."""
    paused_until: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReply:
    """What the shared limit answers."""

    grants: Sequence[Grant] = ()
    next_at: float = -math.inf
    """When to ask again for what was not granted; in the past when all was."""
    learned_rate: float = math.inf
    paused_until: float = -math.inf
    arrived: tuple[float, ...] = ()
    """When calls of other runs arrived that count in the limiter of a run that is alone from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How a run takes part. One that is alone uses its own limiter; it is told when it no longer is."""

    alone: bool = False
    ready: bool = True
    """Whether all others take part in sharing, so that slots may be asked for."""
    sharing: bool = False
    """Whether it shares from now on, so that calls of all runs are known already."""
    others: tuple[str, ...] = ()
    """Ids of the other runs."""


@dataclass(slots=True, kw_only=True)
class LimitState:
    """One shared limit."""

    releases: list[float | None]
    """When each call that counts arrived at the latest; None while that is not known."""
    rates: Collection[Rate]
    """As configured in the runs that take part."""
    next_spaced_at: float = -math.inf
    """When the next call is due at an even rate."""
    learned_rate: float = math.inf
    paused_until: float = -math.inf


def grant(state: LimitState, request: SlotRequest, now: float) -> SlotReply:
    """Grant slots, at most as many as wanted, and note them in the state. Every run's own limit holds for all together."""
    grants: list[Grant] = []
    next_at = -math.inf
    for number in range(request.wanted):
        at = _next_free(state, now)
        if at > now + AHEAD_SECONDS:
            # Of a call that has yet to depart only its run can tell.
            next_at = now + AHEAD_SECONDS / 2 if at == math.inf else at - AHEAD_SECONDS
            break
        grants.append(Grant(request.first + number, at))
        state.releases.append(None)
        state.next_spaced_at = max(at, state.next_spaced_at) + _spacing(state)
    return SlotReply(grants=grants, next_at=next_at, learned_rate=state.learned_rate, paused_until=state.paused_until)


def live(renewed: float, now: float) -> bool:
    """Whether the lease of a run is still good."""
    return now - renewed < LEASE_SECONDS


def _next_free(state: LimitState, now: float) -> float:
    """When one more call may be sent; infinity while that depends on a call of which nothing is known."""
    at = max(now, state.paused_until, state.next_spaced_at - _burst_seconds(state))
    arrivals = sorted(math.inf if arrived is None else arrived for arrived in state.releases)
    for rate in state.rates:
        surplus = len(arrivals) - rate.count
        if surplus >= 0:
            at = max(at, arrivals[surplus] + window_span(rate))
    return at


def _spacing(state: LimitState) -> float:
    return 1.0 / min(state.learned_rate, *(rate.per_second for rate in state.rates))


def _burst_seconds(state: LimitState) -> float:
    """Seconds by which calls may be sent sooner than an even rate has them."""
    strictest = min(state.rates, key=lambda rate: rate.per_second)
    if state.learned_rate < strictest.per_second:
        return TIMER_TOLERANCE_SECONDS
    return (burst_of(strictest) - 1) / strictest.per_second
