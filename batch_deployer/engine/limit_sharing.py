"""Keeps the rate limiters of one project in step with those of other runs."""

import math
from collections.abc import Sequence

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.errors import JournalError, StateLocked
from batch_deployer.model import events as e
from batch_deployer.ports import Exchanged, SharedLimits
from batch_deployer.rules.shared_limit import USABLE_SECONDS, SlotRequest
from batch_deployer.rules.shared_rate_limit import SharedRateLimiter

ALONE_SECONDS = 1.0
"""Between two looks for other runs while there are none."""
STEP_SECONDS = 0.02
"""Between two looks whether there is anything to ask for or to tell."""
RENEW_SECONDS = 1.0
"""Between two exchanges that nothing else asks for."""
GIVE_UP_SECONDS = 30.0
"""After so long a run that shares its limits ends when the store cannot be used, for another reason than a lock."""
NEWS_SHARE = 0.25
"""Share of a limit's period for which news may wait: a slot is free again only once its call is known to have arrived."""


def sharings(run: RunContext, schedulers: Sequence[CloudScheduler]) -> Sequence["LimitSharing"]:
    """One for each project whose limits may be shared."""
    by_scope: dict[str, list[CloudScheduler]] = {}
    for scheduler in schedulers:
        by_scope.setdefault(run.scope(scheduler.cloud), []).append(scheduler)
    shared = run.ports.shared_limits
    return [LimitSharing(run, found, shared[scope]) for scope, found in by_scope.items() if scope in shared]


class LimitSharing:
    """The buckets of one project."""

    def __init__(self, run: RunContext, schedulers: Sequence[CloudScheduler], limits: SharedLimits) -> None:
        """Nothing may be sent before the first exchange."""
        self._run = run
        self._schedulers = schedulers
        self._limits = limits
        pairs = {"writes": schedulers[0].writes, "reads": schedulers[0].reads}
        self._buckets = {name: bucket for name, bucket in pairs.items() if isinstance(bucket, SharedRateLimiter)}
        for bucket in self._buckets.values():
            bucket.usable_until = -math.inf
        self._next_at = dict.fromkeys(self._buckets, -math.inf)
        """When to ask for slots that were not granted, by bucket."""
        self._others: tuple[str, ...] = ()
        self._exchanged_at = -math.inf
        self._alone = False
        self._trouble = ""
        self._failing_since = math.inf
        self._given_up = False
        """Whether this run goes on without the others, since the store cannot be used."""

    def is_awaited(self, now: float) -> bool:
        """Whether calls may wait for slots, now or later."""
        by_slots = any(bucket.sharing or now >= bucket.usable_until for bucket in self._buckets.values())
        return by_slots and any(scheduler.has_work() for scheduler in self._schedulers)

    async def work(self) -> None:
        """Exchange with the other runs for as long as the run lasts."""
        clock = self._run.ports.clock
        while not self._given_up:
            await self._exchange()
            while not self._is_due(self._run.now()):
                await clock.sleep(ALONE_SECONDS if self._alone else STEP_SECONDS)

    async def leave(self) -> None:
        """Tell all calls that still count, and take part no more."""
        for bucket in self._buckets.values():
            bucket.share()
        await self._limits.leave(self._requests())

    async def _exchange(self) -> None:
        run = self._run
        sharing = all(bucket.sharing for bucket in self._buckets.values())
        requests = self._requests()
        self._exchanged_at = run.now()
        try:
            found = await self._limits.exchange(requests, sharing=sharing)
        except JournalError as error:
            self._take_back(requests)
            self._fail(error)
            return
        self._trouble, self._failing_since = "", math.inf
        membership = found.membership
        if not (membership.alone or (sharing and membership.ready)):
            self._take_back(requests)
        self._take_in(found, sharing=sharing)
        self._announce(membership.others)
        run.on_room()

    def _take_in(self, found: Exchanged, *, sharing: bool) -> None:
        now, membership = self._run.now(), found.membership
        self._alone = membership.alone
        usable_until = found.renewed_at + USABLE_SECONDS if membership.ready else -math.inf
        for name, bucket in self._buckets.items():
            if found.rejoined:
                bucket.leave_grants()
            if not membership.alone:
                bucket.share()
            bucket.usable_until = usable_until
            bucket.take_in(found.replies[name], now)
            self._next_at[name] = found.replies[name].next_at
        if not membership.alone and not sharing:
            self._exchanged_at = -math.inf  # Calls are told with the next exchange, at once.

    def _is_due(self, now: float) -> bool:
        since = now - self._exchanged_at
        if since >= RENEW_SECONDS:
            return True
        if self._alone or self._trouble or self._given_up:
            return self._given_up
        for name, bucket in self._buckets.items():
            if bucket.has_news() and since >= min(RENEW_SECONDS, NEWS_SHARE * bucket.rate.period):
                return True
            wanted = bucket.wanted(now, self._demand(name, now), self._runs())
            if wanted and now >= self._next_at[name]:
                return True
        return False

    def _requests(self) -> dict[str, SlotRequest]:
        now = self._run.now()
        return {
            name: bucket.request(now, self._demand(name, now), self._runs()) for name, bucket in self._buckets.items()
        }

    def _take_back(self, requests: dict[str, SlotRequest]) -> None:
        for name, bucket in self._buckets.items():
            bucket.unreported(requests[name])

    def _demand(self, name: str, now: float) -> int:
        return sum(scheduler.demand(name, now) for scheduler in self._schedulers)

    def _runs(self) -> int:
        return 1 + len(self._others)

    def _fail(self, error: JournalError) -> None:
        """Wait for a locked store, and say so once. One that cannot be used is given up: at once by a run that is alone."""
        if not self._trouble:
            self._trouble = str(error)
            message = f"the rate limits that other runs share cannot be read: {error}; it is waited for"
            if self._alone and not isinstance(error, StateLocked):
                self._given_up = True
                message = f"rate limits are no longer shared with other runs of this state folder: {error}"
                for bucket in self._buckets.values():
                    bucket.usable_until = math.inf
            self._run.announce(e.Warned(at=self._run.wall(), message=message))
        self._failing_since = min(self._failing_since, self._exchanged_at)
        if not isinstance(error, StateLocked) and self._exchanged_at - self._failing_since >= GIVE_UP_SECONDS:
            self._run.halt("limits", f"the rate limits that other runs share cannot be used: {error}")

    def _announce(self, others: tuple[str, ...]) -> None:
        if others != self._others:
            self._others = others
            for scheduler in self._schedulers:
                self._run.announce(e.LimitShared(at=self._run.wall(), cloud=scheduler.cloud.name, runs=others))
