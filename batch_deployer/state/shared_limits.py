"""Rate limits that the runs of one state folder share, in `limits.db`: a row for each slot, short transactions."""

import asyncio
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from batch_deployer.errors import JournalError
from batch_deployer.ports import Exchanged
from batch_deployer.rules.shared_ledger import UNRECORDED, Member, Mode, Shared, SharedLedger
from batch_deployer.rules.shared_limit import Membership, SlotRequest
from batch_deployer.settings import Rate
from batch_deployer.state.database import Database
from batch_deployer.state.lock.process import is_alive, start_time, this_host

LOCKED_SECONDS = 1.0
"""For so long one exchange waits for another process that keeps the file locked."""
RENEW_SECONDS = 2.0
"""A run that is alone renews itself no more often; between, it only looks for others."""


class StoredLimits:
    """ports.SharedLimits of one run and one project. All work is done on a thread of its own."""

    def __init__(self, path: Path, scope: str, run: str) -> None:
        """`scope`: what the provider throttles as one. Nothing is opened yet."""
        self._path = path
        self._scope = self._next_scope = scope
        self._me = Member(id=0, run=run, process=_process(), mode=Mode.JOINING, renewed=-math.inf, rates={})
        self._arrived: dict[str, tuple[float, ...]] = {}
        """What joining told of calls of other runs, for the limiters that are made afterwards."""
        self._last: Exchanged | None = None
        self.joined = Membership()
        """How the run took part once it had joined."""
        self._database: Database | None = None
        self._thread = ThreadPoolExecutor(1, "limits")

    async def exchange(self, requests: Mapping[str, SlotRequest], *, sharing: bool) -> Exchanged:
        """Renew this run, tell what its calls did, and get slots."""
        found = await self._run(requests, sharing=sharing)
        if not self._arrived:
            return found
        arrived, self._arrived = self._arrived, {}
        replies = {name: replace(reply, arrived=arrived.get(name, ())) for name, reply in found.replies.items()}
        return replace(found, replies=replies)

    async def join(self, rates: Mapping[str, Rate]) -> Membership:
        """Take part; returns whether all others share by now, so that a limiter may be built."""
        requests = {name: SlotRequest(rate=rate) for name, rate in rates.items()}
        found = await self._run(requests, begins=True)
        # The journals, which are read afterwards, tell of the others.
        if reply := found.replies.get(UNRECORDED):
            self._arrived[UNRECORDED] = reply.arrived
        self.joined = found.membership
        return found.membership

    def move(self, scope: str) -> None:
        """Take part in another project's limits from the next exchange on: the login came late, and told which it is."""
        self._next_scope = scope

    async def leave(self, requests: Mapping[str, SlotRequest]) -> None:
        """Tell the last calls and take this run out."""
        with suppress(JournalError):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._leave, requests)

    async def close(self) -> None:
        """Take this run out, unless it has left already, and let go of the file."""
        if self._me.id:
            await self.leave({})
        self._thread.shutdown(wait=False)

    async def _run(
        self, requests: Mapping[str, SlotRequest], *, sharing: bool = False, begins: bool = False
    ) -> Exchanged:
        work = partial(self._exchange, requests, sharing=sharing, begins=begins)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _exchange(self, requests: Mapping[str, SlotRequest], *, sharing: bool, begins: bool) -> Exchanged:
        moves = self._next_scope != self._scope
        if moves:
            self._leave({})
            self._scope = self._next_scope
        database = self._open()
        if self._is_still_alone(database, requests, sharing=sharing):
            assert self._last is not None  # noqa: S101 - it has been alone
            return self._last
        before = self._me.id
        with self._ledger() as (ledger, now):
            membership, replies = ledger.exchange(
                self._me, requests, now, sharing=sharing, begins=begins, alive=_is_alive
            )
        rejoined = moves or (bool(before) and before != self._me.id)
        found = Exchanged(membership=membership, replies=replies, renewed_at=now, rejoined=rejoined)
        told_once = {name: replace(reply, arrived=()) for name, reply in replies.items()}
        self._last = replace(found, replies=told_once)
        return found

    def _is_still_alone(self, database: Database, requests: Mapping[str, SlotRequest], *, sharing: bool) -> bool:
        last = self._last
        if sharing or last is None or not last.membership.alone or time.monotonic() - last.renewed_at >= RENEW_SECONDS:
            return False
        if any(request.learned_rate is not None for request in requests.values()):
            return False
        return database.run("limit_member_ids", self._scope) == [(self._me.id,)]

    def _leave(self, requests: Mapping[str, SlotRequest]) -> None:
        try:
            with self._ledger() as (ledger, now):
                ledger.leave(self._me.id, requests, now)
        finally:
            self._me.id, self._last = 0, None
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _ledger(self) -> Iterator[tuple[SharedLedger, float]]:
        """Load the ledger of the project in a transaction, with the time of that, and save what was changed in it."""
        database = self._open()
        with database.transaction():
            now = time.monotonic()
            _follow_clock(database, now)
            with _changing(database, self._scope) as ledger:
                yield ledger, now

    def _open(self) -> Database:
        if self._database is None:
            self._database = Database(
                self._path, schema="limits_schema.sql", queries="limits_queries.sql", write=True, shared=True,
                durable=False, patience=LOCKED_SECONDS,
            )  # fmt: skip
        return self._database


def _process() -> str:
    ours, pid = this_host(), os.getpid()
    return json.dumps([ours.host, ours.boot, ours.space, pid, start_time(pid)])


def _is_alive(process: str) -> bool:
    """Whether a process may still send. Of one in another container or on another host only its lease tells."""
    host, boot, space, pid, start = json.loads(process)
    ours = this_host()
    return (host, boot, space) != (ours.host, ours.boot, ours.space) or is_alive(pid, start)


def _follow_clock(database: Database, now: float) -> None:
    """Begin with the clock of this boot. What another boot left may have been sent just before, so it counts from now."""
    boot = this_host().boot
    rows = database.run("limit_clock")
    if rows and rows[0][0] == boot and rows[0][1] <= now:
        if now - rows[0][1] < RENEW_SECONDS:
            return
    elif rows:
        for (scope,) in database.run("limit_scopes"):
            with _changing(database, scope) as ledger:
                ledger.restart(now)
    database.run("clear_limit_clock")
    database.run("set_limit_clock", boot, now)


@contextmanager
def _changing(database: Database, scope: str) -> Iterator[SharedLedger]:
    ledger = _load(database, scope)
    old = ledger.copy()
    yield ledger
    _save(database, scope, old, ledger)


def _load(database: Database, scope: str) -> SharedLedger:
    ledger = SharedLedger(next_id=database.run("last_limit_member")[0][0] + 1)
    for number, run, process, mode, renewed, rates in database.run("limit_members", scope):
        parsed = {name: Rate(count, period) for name, (count, period) in json.loads(rates).items()}
        ledger.members[number] = Member(
            id=number, run=run, process=process, mode=Mode(mode), renewed=renewed, rates=parsed
        )
    for bucket, next_spaced_at, learned_rate, paused_until in database.run("limit_rates", scope):
        ledger.limits[bucket] = Shared(
            next_spaced_at=next_spaced_at, learned_rate=learned_rate, paused_until=paused_until
        )
    for bucket, member, slot, arrived in database.run("limit_slots", scope):
        ledger.limits.setdefault(bucket, Shared()).slots[member, slot] = arrived
    return ledger


def _save(database: Database, scope: str, old: SharedLedger, new: SharedLedger) -> None:
    """Write what has changed."""
    for number in old.members.keys() - new.members.keys():
        database.run("remove_limit_member", number)
    for number, member in new.members.items():
        if old.members.get(number) != member:
            rates = json.dumps({name: [rate.count, rate.period] for name, rate in member.rates.items()})
            database.run(
                "save_limit_member", number, scope, member.run, member.process, str(member.mode), member.renewed, rates
            )
    for bucket, limit in new.limits.items():
        before = old.limits.get(bucket)
        found = limit.next_spaced_at, limit.learned_rate, limit.paused_until
        if before is None or found != (before.next_spaced_at, before.learned_rate, before.paused_until):
            database.run("save_limit_rate", scope, bucket, *found)
        slots = before.slots if before is not None else {}
        gone = [list(key) for key in slots.keys() - limit.slots.keys()]
        changed = [[*key, at] for key, at in limit.slots.items() if key not in slots or slots[key] != at]
        if gone:
            database.run("remove_limit_slots", scope, bucket, json.dumps(gone))
        if changed:
            database.run("save_limit_slots", scope, bucket, json.dumps(changed))
