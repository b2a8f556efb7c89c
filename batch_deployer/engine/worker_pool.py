"""The worker pool: lanes that perform jobs, and one keeper of time. The only file of the engine that knows an event loop.

There is no task per deployment: a lane takes a call that may leave now, performs it, and takes the next; whatever has to
wait waits as an entry in a heap.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import anyio

from batch_deployer.engine.jobs import Job
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.ports import Clock

TICK_SECONDS = 0.001
"""Timers are rounded up to whole milliseconds: exact ones make the loop spin."""
JOBS_PER_YIELD = 128
"""Jobs that end without waiting (in-process transports) before a lane lets others have the loop."""


class WorkerPool:
    """Workers for the schedulers of all clouds."""

    def __init__(
        self,
        schedulers: Sequence[CloudScheduler],
        clock: Clock,
        perform: Callable[[CloudScheduler, Job], Awaitable[None]],
        keep_time: Callable[[float], float | None],
        background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """`keep_time(now)` does what is due and gives the next time it wants to be called; None when the run is over.

        `background`: what goes on beside the calls until then.
        """
        self._background = background
        self._schedulers = list(schedulers)
        self._clock = clock
        self._perform = perform
        self._supervise = keep_time
        self._lanes = sum(scheduler.cloud.limits.connections for scheduler in self._schedulers)
        self._idle: list[asyncio.Future[None]] = []
        """What each lane without work waits for."""
        self._alarm: asyncio.TimerHandle | None = None
        """Wakes a lane when the next call may leave."""
        self._alarm_at = math.inf
        self._news: asyncio.Future[None] | None = None
        """What the time keeper waits for."""
        self._turn = 0

    async def run(self) -> None:
        """Work until `keep_time` says that the run is over; whatever is still under way then is cancelled."""
        try:
            async with anyio.create_task_group() as group:
                for _ in range(self._lanes):
                    group.start_soon(self._lane)
                for work in self._background:
                    group.start_soon(work)
                await self._supervisor()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self._disarm()

    def wake_supervisor(self) -> None:
        """Have the time keeper look at once: something changed that it judges by."""
        if self._news is not None:
            _wake(self._news)

    def arm(self) -> float:
        """See to it that a lane is there when the next call may leave.

        Gives that time; infinity when nobody knows it, or no lane is idle: then whichever is done first looks for itself.
        """
        if not self._idle:
            return math.inf
        now, at = self._clock.monotonic(), math.inf
        for scheduler in self._schedulers:
            at = min(at, scheduler.wake_at(now))
        if at <= now:
            _wake(self._idle.pop())  # it arms for the one after
        elif at < self._alarm_at:
            self._disarm()
            self._alarm_at = at
            self._alarm = _later(at - now, self._on_wakeup)
        return at

    async def _lane(self) -> None:
        loop, since_rest = asyncio.get_running_loop(), 0
        while True:
            taken = self._next_job()
            if taken is None:
                wake = loop.create_future()
                self._idle.append(wake)
                if self.arm() == math.inf and len(self._idle) == self._lanes:
                    self.wake_supervisor()  # Nothing is under way or due: is it over, or a stall?
                await wake
                continue
            scheduler, job = taken
            self.arm()
            try:
                await self._perform(scheduler, job)
            finally:
                scheduler.give_back(job)
            since_rest += 1
            if since_rest >= JOBS_PER_YIELD:
                since_rest = 0
                await anyio.lowlevel.checkpoint()

    def _next_job(self) -> tuple[CloudScheduler, Job] | None:
        """Take a job from the schedulers in turn."""
        now = self._clock.monotonic()
        schedulers = self._schedulers
        for step in range(len(schedulers)):
            scheduler = schedulers[(self._turn + step) % len(schedulers)]
            job = scheduler.take(now)
            if job is not None:
                self._turn += step + 1
                return scheduler, job
        return None

    def _on_wakeup(self) -> None:
        self._disarm()
        if self._idle:
            _wake(self._idle.pop())

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm, self._alarm_at = None, math.inf

    async def _supervisor(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = self._supervise(self._clock.monotonic())
            if due is None:
                return
            self.arm()
            self._news = news = loop.create_future()
            wait = max(0.0, due - self._clock.monotonic())
            timer = _later(wait, _wake, news) if wait < math.inf else None
            await news
            if timer is not None:
                timer.cancel()


def _later(seconds: float, what: Callable[..., None], *args: object) -> asyncio.TimerHandle:
    """Not a cancel scope with a deadline: its float misses uvloop's whole milliseconds by a hair, and spins."""
    return asyncio.get_running_loop().call_later(math.ceil(seconds / TICK_SECONDS) * TICK_SECONDS, what, *args)


def _wake(waiter: asyncio.Future[None]) -> None:
    """Let whoever waits go on; it may have been woken already, or cancelled."""
    if not waiter.done():
        waiter.set_result(None)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first single error in a group: lanes that fail together fail for one reason."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
