"""The runs that share one project's limits, and the slots that they hold. Pure; whoever keeps it calls it one at a time."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from batch_deployer.rules.moving_window import window_span
from batch_deployer.rules.shared_limit import LimitState, Membership, SlotReply, SlotRequest, grant, live
from batch_deployer.settings import Rate

UNRECORDED = "reads"
"""Calls of which no journal tells. Of a run that was alone when it died they are unknown, so their window is waited for. A run
that begins reads the journals for the others; one that was put out and joins again does not, and waits for all."""


class Mode(StrEnum):
    """How a run takes part."""

    JOINING = "joining"
    """It waits until the run that was alone shares."""
    ALONE = "alone"
    """It uses its own limiter, and its slots are not in the ledger."""
    SHARING = "sharing"


@dataclass(slots=True, kw_only=True)
class Member:
    """One run that takes part."""

    id: int
    run: str
    process: str
    """Identity of its process, as `alive` takes it."""
    mode: Mode
    renewed: float
    rates: dict[str, Rate]
    """Configured limits by bucket."""


@dataclass(slots=True, kw_only=True)
class Shared:
    """One shared limit."""

    slots: dict[tuple[int, int], float | None] = field(default_factory=dict)
    """(member, slot) to when its call arrived at the latest; None while that is not known."""
    next_spaced_at: float = -math.inf
    learned_rate: float = math.inf
    paused_until: float = -math.inf


@dataclass(slots=True)
class SharedLedger:
    """All of one project."""

    members: dict[int, Member] = field(default_factory=dict)
    limits: dict[str, Shared] = field(default_factory=dict)
    next_id: int = 1

    def copy(self) -> "SharedLedger":
        """A ledger of its own with the same contents."""
        limits = {name: replace(limit, slots=dict(limit.slots)) for name, limit in self.limits.items()}
        return SharedLedger({number: replace(each) for number, each in self.members.items()}, limits, self.next_id)

    def restart(self, now: float) -> None:
        """Begin with a new clock, after a restart of the host: nobody is left, and every call counts from now."""
        self.members.clear()
        for limit in self.limits.values():
            limit.slots = dict.fromkeys(limit.slots, now)
            limit.next_spaced_at = -math.inf
            limit.paused_until = -math.inf

    def exchange(
        self,
        me: Member,
        requests: Mapping[str, SlotRequest],
        now: float,
        *,
        sharing: bool,
        begins: bool,
        alive: Callable[[str], bool],
    ) -> tuple[Membership, Mapping[str, SlotReply]]:
        """Renew a run, note what it tells, and grant it slots. `me`: changed in place; its id is 0 when it is new.

        A run whose lease ran out has been put out, and comes in again with a new id. `begins`: it has sent nothing yet, and
        reads the journals of the others once it is ready.
        """
        unknown = self._put_out(me, now, alive)
        for name in {name for each in unknown for name in each.rates if not begins or name == UNRECORDED}:
            span = max(window_span(each.rates[name]) for each in unknown)
            self._limit(name).paused_until = max(self._limit(name).paused_until, now + span)
        if me.id not in self.members:
            me.id, self.next_id = self.next_id, self.next_id + 1
            me.mode = Mode.JOINING
            self.members[me.id] = me
        mine = self.members[me.id]
        mine.renewed, mine.rates = now, {name: request.rate for name, request in requests.items()}
        others = [each for each in self.members.values() if each.id != me.id]
        mine.mode = me.mode = _mode(mine.mode, others, sharing=sharing)
        runs = tuple(sorted({each.run for each in others}))
        if mine.mode is Mode.ALONE and not others:
            self._note_rates(requests)
            return Membership(alone=True), self._take_over(requests, now)
        if mine.mode is not Mode.SHARING:
            return Membership(ready=mine.mode is Mode.ALONE, others=runs), self._replies(requests)
        self._forget(now)
        self._note_rates(requests)
        replies = {name: self._serve(me.id, name, request, now) for name, request in requests.items()}
        return Membership(sharing=True, others=runs), replies

    def leave(self, member: int, requests: Mapping[str, SlotRequest], now: float) -> None:
        """Take a run out that ends; what it did not tell counts as sent now."""
        if member not in self.members:
            return
        del self.members[member]
        for name, request in requests.items():
            self._note_slots(member, self._limit(name), request)
        self._close_slots(member, now)

    def _put_out(self, me: Member, now: float, alive: Callable[[str], bool]) -> list[Member]:
        """Put out whoever is gone: its slots count until their window has passed, since a write may have left.

        Returns those that were alone, whose slots are unknown.
        """
        unknown = []
        for each in list(self.members.values()):
            if live(each.renewed, now) and (each.id == me.id or alive(each.process)):
                continue
            del self.members[each.id]
            self._close_slots(each.id, now)
            if each.mode is Mode.ALONE and each.id != me.id:
                unknown.append(each)
        return unknown

    def _close_slots(self, member: int, now: float) -> None:
        for limit in self.limits.values():
            for (whose, slot), arrived in list(limit.slots.items()):
                if whose == member and arrived is None:
                    limit.slots[whose, slot] = now

    def _forget(self, now: float) -> None:
        """Forget calls that no longer count for anybody."""
        for name, limit in self.limits.items():
            span = max((window_span(rate) for rate in self._rates(name)), default=0.0)
            gone = [key for key, arrived in limit.slots.items() if arrived is not None and arrived + span <= now]
            for key in gone:
                del limit.slots[key]

    def _serve(self, member: int, name: str, request: SlotRequest, now: float) -> SlotReply:
        limit = self._limit(name)
        self._note_slots(member, limit, request)
        state = LimitState(
            releases=list(limit.slots.values()),
            rates=self._rates(name),
            next_spaced_at=limit.next_spaced_at,
            learned_rate=limit.learned_rate,
            paused_until=limit.paused_until,
        )
        reply = grant(state, request, now)
        limit.next_spaced_at = state.next_spaced_at
        limit.slots.update(dict.fromkeys(((member, each.slot) for each in reply.grants), None))
        return reply

    def _note_slots(self, member: int, limit: Shared, request: SlotRequest) -> None:
        for usage in request.used:
            if usage.arrived is None:
                if limit.slots.pop((member, usage.slot), 0.0) is None:
                    limit.next_spaced_at -= 1.0 / min(limit.learned_rate, request.rate.per_second)
            else:
                limit.slots[member, usage.slot] = None if usage.arrived == math.inf else usage.arrived

    def _note_rates(self, requests: Mapping[str, SlotRequest]) -> None:
        for name, request in requests.items():
            limit = self._limit(name)
            if request.learned_rate is not None:
                limit.learned_rate = request.learned_rate
            limit.paused_until = max(limit.paused_until, request.paused_until)

    def _take_over(self, requests: Mapping[str, SlotRequest], now: float) -> Mapping[str, SlotReply]:
        """Give what others left to a run that is alone, which counts it from now on."""
        self._forget(now)
        replies = {}
        for name, reply in self._replies(requests).items():
            left = self._limit(name).slots
            replies[name] = replace(reply, arrived=tuple(sorted(now if at is None else at for at in left.values())))
            left.clear()
        return replies

    def _replies(self, requests: Mapping[str, SlotRequest]) -> Mapping[str, SlotReply]:
        limits = {name: self._limit(name) for name in requests}
        return {
            name: SlotReply(learned_rate=each.learned_rate, paused_until=each.paused_until)
            for name, each in limits.items()
        }

    def _rates(self, name: str) -> list[Rate]:
        return [each.rates[name] for each in self.members.values() if name in each.rates]

    def _limit(self, name: str) -> Shared:
        return self.limits.setdefault(name, Shared())


def _mode(mode: Mode, others: list[Member], *, sharing: bool) -> Mode:
    """The mode that a run has from now on. Whoever is alone first tells all its calls, and shares with the same request."""
    if sharing or mode is Mode.SHARING:
        alone = any(each.mode is Mode.ALONE for each in others)
        return Mode.JOINING if alone and mode is Mode.JOINING else Mode.SHARING
    if mode is Mode.ALONE or not others:
        return Mode.ALONE
    if any(each.mode is Mode.ALONE for each in others):
        return Mode.JOINING
    return Mode.SHARING if any(each.mode is Mode.SHARING for each in others) else Mode.ALONE
