"""The APIs of a plan's clouds: all logged in before anything is sent, each freed of secrets that a server echoes."""

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import anyio

from batch_deployer.app.redacting_api import RedactingApi
from batch_deployer.app.secrets import SecretStore
from batch_deployer.errors import AuthFailed, BatchDeployerError, CloudUnreachable, InputError
from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Api, Clock, Fence
from batch_deployer.settings import Settings
from batch_deployer.transport.connect import OpenCloud, open_cloud
from batch_deployer.util.text import span

_FIRST_PAUSE = 8.0
"""Seconds after the first tries to log in at a cloud that did not answer; doubled with each further one."""
_LONGEST_PAUSE = 60.0
_FIRST_TRIES = 4
_SHORTEST_PAUSE = 1.0
_LONGEST_OPENING_PAUSE = 15.0


def ignore_message(_text: str) -> None:
    """For who need not know."""


Opened = TypeVar("Opened")
Opener: TypeAlias = Callable[[int], Awaitable[Api]]
"""Logs in with so many tries."""


class LazyLoginApi:
    """A cloud that could not be logged in to yet: tried again while the others work, unreachable until then."""

    def __init__(self, opener: Opener, why: str, clock: Clock, pause: float = 0.0) -> None:
        """`why`: what the first try said. `pause`: seconds after the login in which nothing is sent yet."""
        self._pause_after_login = pause
        self._usable_at = math.inf
        self._open = opener
        self._why = why
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._next = clock.monotonic() + self._pause
        self._refused = ""
        self._api: Api | None = None
        self._lock = anyio.Lock()

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """One attempt, once there is somebody to ask."""
        api = await self._opened()
        if self._refused:
            return Answer(status=401, sent=Sent.NO, message=self._refused)
        return Answer(sent=Sent.NO, message=self._why) if api is None else await api.call(call, on_sent)

    async def renew(self, credential: int) -> None:
        """As the cloud's API does it; raises AuthFailed too when the login was refused, or is one for another project."""
        if self._refused:
            raise AuthFailed(self._refused)
        if self._api is not None:
            await self._api.renew(credential)

    async def close(self) -> None:
        """Release connections, if there are any."""
        if self._api is not None:
            await self._api.close()

    async def _opened(self) -> Api | None:
        async with self._lock:
            if self._api is None and not self._refused and self._clock.monotonic() >= self._next:
                try:
                    self._api = await self._open(1)
                    self._usable_at = self._clock.monotonic() + self._pause_after_login
                except CloudUnreachable as error:
                    self._why = str(error)
                except (AuthFailed, InputError) as error:
                    self._refused = str(error)
                self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
                self._next = self._clock.monotonic() + self._pause
            return self._api if self._clock.monotonic() >= self._usable_at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long clouds that do not answer are waited for."""

    seconds: float
    all_needed: bool = False
    """Whether every cloud is waited for; else it is enough that one answers, and the others may come later."""
    tell: Callable[[str], None] = ignore_message
    """Told once what is waited for."""

    @classmethod
    def for_preview(cls, settings: Settings, wait: float | None, tell: Callable[[str], None]) -> "Patience":
        """Of a command that only looks: a minute, or as long as a run would, whichever is shorter. `wait`: instead."""
        seconds = min(LONGEST_LOOK, settings.retry.give_up_after) if wait is None else wait
        return cls(seconds=seconds, all_needed=True, tell=tell)


IMPATIENT = Patience(seconds=0.0)
LONGEST_LOOK = 60.0
"""Seconds for which a command that only looks waits for clouds that do not answer."""


@contextlib.asynccontextmanager
async def open_apis(
    plan: Plan,
    *,
    store: SecretStore,
    clock: Clock,
    fence: Fence | None = None,
    patience: Patience = IMPATIENT,
    on_login: Callable[[str, OpenCloud], None] = lambda _name, _found: None,
    late_pause: float = 0.0,
) -> AsyncIterator[Mapping[str, Api]]:
    """Log in everywhere and close everything at the end. AuthFailed and InputError of any cloud pass through.

    A cloud that does not answer is tried again during the run, unless none answers within the patience: then
    CloudUnreachable passes too. `on_login`: receives the name of each cloud and what its login told.
    `late_pause`: seconds after a login during the run in which nothing is sent to its cloud.
    """
    openers = {name: _opener(plan, name, store, clock=clock, fence=fence, on_login=on_login) for name in plan.clouds}
    async with contextlib.AsyncExitStack() as stack:
        apis: dict[str, Api] = {}
        failed: list[BatchDeployerError] = []
        for name, result in (await _open_in_time(openers, clock, patience)).items():
            if isinstance(result, BatchDeployerError):
                failed.append(result)
                result = LazyLoginApi(openers[name], str(result), clock, late_pause)  # noqa: PLW2901 - used only if it is no more than late
            apis[name] = RedactingApi(result, store.redactor)
            stack.push_async_callback(result.close)
        late = [error for error in failed if isinstance(error, CloudUnreachable)]
        if failed and (len(late) < len(failed) or len(late) == len(openers)):
            raise next((error for error in failed if not isinstance(error, CloudUnreachable)), failed[0])
        yield apis


async def _open_in_time(
    openers: Mapping[str, Opener], clock: Clock, patience: Patience
) -> Mapping[str, Api | BatchDeployerError]:
    """Log in everywhere, again and again where nothing answers, until the patience is over."""
    until = clock.monotonic() + patience.seconds
    # With no patience the few tries of one login are all there is; else each is followed by a look at the others.
    tries = 1 if patience.seconds else _FIRST_TRIES
    found: dict[str, Api | BatchDeployerError] = {}
    pause, told = _SHORTEST_PAUSE, False
    try:
        while True:
            missing = {name: opener for name, opener in openers.items() if not _is_final(found.get(name))}
            found |= await _open_all(missing, tries)
            left = until - clock.monotonic()
            if _may_begin(found, patience) or left <= 0:
                return {name: found[name] for name in openers}
            if not told:
                late = next(result for result in found.values() if not _is_final(result))
                patience.tell(f"{late}; waiting for it for up to {span(patience.seconds)}")
                told = True
            await clock.sleep(min(max(pause, _asked(found.values())), left))
            pause = min(_LONGEST_OPENING_PAUSE, 2 * pause)
    except BaseException:
        await _close_all(found)
        raise


def _asked(results: Iterable[object]) -> float:
    """Seconds for which a server asks not to be tried again."""
    return max((each.wait for each in results if isinstance(each, CloudUnreachable)), default=0.0)


def _is_final(result: Api | BatchDeployerError | None) -> bool:
    """Whether a login came to an end that waiting does not change."""
    if isinstance(result, CloudUnreachable):
        return result.permanent
    return result is not None


def _may_begin(found: Mapping[str, Api | BatchDeployerError], patience: Patience) -> bool:
    final = [_is_final(result) for result in found.values()]
    refused = any(
        isinstance(each, BatchDeployerError) and not isinstance(each, CloudUnreachable) for each in found.values()
    )
    return refused or all(final) or (any(final) and not patience.all_needed)


async def _close_all(found: Mapping[str, Api | BatchDeployerError]) -> None:
    with anyio.CancelScope(shield=True):
        for result in found.values():
            if not isinstance(result, BatchDeployerError):
                await result.close()


async def _open_all(openers: Mapping[str, Opener], tries: int) -> Mapping[str, Api | BatchDeployerError]:
    """Log in everywhere at once; in the order of the clouds, what each came to."""
    found: dict[str, Api | BatchDeployerError] = {}

    async def open_one(name: str) -> None:
        try:
            found[name] = await openers[name](tries)
        except BatchDeployerError as error:
            found[name] = error

    try:
        async with anyio.create_task_group() as group:
            for name in openers:
                group.start_soon(open_one, name)
    except BaseException:
        await _close_all(found)
        raise
    return {name: found[name] for name in openers}


def _opener(
    plan: Plan,
    name: str,
    store: SecretStore,
    *,
    clock: Clock,
    fence: Fence | None,
    on_login: Callable[[str, OpenCloud], None],
) -> Opener:
    cloud = plan.clouds[name]

    async def open_one(tries: int) -> Api:
        found = await open_cloud(
            cloud,
            wire=plan.settings.wire,
            connections=cloud.limits.connections,
            secrets=store,
            clock=clock,
            fence=fence,
            on_secret=store.remember,
            tries=tries,
            permissions=store.permissions,
        )
        on_login(name, found)
        return found.api

    return open_one


async def open_patiently(opener: Callable[[], Awaitable[Opened]], clock: Clock, patience: Patience) -> Opened:
    """Log in at one cloud, again and again while nothing answers and there is patience left."""
    until, pause = clock.monotonic() + patience.seconds, _SHORTEST_PAUSE
    while True:
        try:
            return await opener()
        except CloudUnreachable as error:
            left = until - clock.monotonic()
            if error.permanent or left <= 0:
                raise
            if pause == _SHORTEST_PAUSE:
                patience.tell(f"{error}; waiting for it for up to {span(patience.seconds)}")
            await clock.sleep(min(max(pause, error.wait), left))
            pause = min(_LONGEST_OPENING_PAUSE, 2 * pause)
