"""The APIs of a plan's clouds: all logged in before anything is sent, each freed of secrets that a server echoes."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

import anyio
import msgspec

from batch_deployer.compose.secrets import SecretStore
from batch_deployer.errors import CloudUnreachable
from batch_deployer.model.api import Answer, Body, Call, ReleaseState, Sent
from batch_deployer.plan.frozen import Plan
from batch_deployer.ports import Api, Clock, Fence, unheard
from batch_deployer.transport.connect import open_api

_AGAIN = 15.0
"""Seconds between two tries to log in at a cloud that did not answer."""

Opener: TypeAlias = Callable[[], Awaitable[Api]]


class DiscreetApi:
    """An Api whose answers hold none of our secrets, whatever the server put into its texts."""

    def __init__(self, api: Api, redact: Callable[[str], str]) -> None:
        """`redact` takes all secrets known so far out of a text."""
        self._api = api
        self._redact = redact

    async def call(self, call: Call, leaving: Callable[[], None] = unheard) -> Answer:
        """One attempt."""
        answer = await self._api.call(call, leaving)
        body = self._clean(answer.body)
        message = self._redact(answer.message)
        return answer if body is answer.body and message == answer.message else answer.but(body=body, message=message)

    async def renew(self, credential: int) -> None:
        """As the cloud's API does it."""
        await self._api.renew(credential)

    async def close(self) -> None:
        """Release connections."""
        await self._api.close()

    def _clean(self, body: Body) -> Body:
        if isinstance(body, ReleaseState):
            return self._release(body)
        if isinstance(body, list) and body and isinstance(body[0], ReleaseState):
            return [self._release(one) if isinstance(one, ReleaseState) else one for one in body]
        return body

    def _release(self, state: ReleaseState) -> ReleaseState:
        text = self._redact(state.status_description) if state.status_description else ""
        return state if text == state.status_description else msgspec.structs.replace(state, status_description=text)


class LateApi:
    """A cloud that could not be logged in to yet: tried again while the others work, unreachable until then."""

    def __init__(self, opener: Opener, why: str, clock: Clock) -> None:
        """`why`: what the first try said."""
        self._open = opener
        self._why = why
        self._clock = clock
        self._next = clock.monotonic() + _AGAIN
        self._api: Api | None = None
        self._lock = anyio.Lock()

    async def call(self, call: Call, leaving: Callable[[], None] = unheard) -> Answer:
        """One attempt, once there is somebody to ask."""
        api = await self._opened()
        return Answer(sent=Sent.NO, message=self._why) if api is None else await api.call(call, leaving)

    async def renew(self, credential: int) -> None:
        """As the cloud's API does it."""
        if self._api is not None:
            await self._api.renew(credential)

    async def close(self) -> None:
        """Release connections, if there are any."""
        if self._api is not None:
            await self._api.close()

    async def _opened(self) -> Api | None:
        async with self._lock:
            if self._api is None and self._clock.monotonic() >= self._next:
                try:
                    self._api = await self._open()
                except CloudUnreachable as error:
                    self._why = str(error)
                self._next = self._clock.monotonic() + _AGAIN
            return self._api


@contextlib.asynccontextmanager
async def opened(
    plan: Plan, *, store: SecretStore, clock: Clock, fence: Fence | None = None
) -> AsyncIterator[Mapping[str, Api]]:
    """Log in everywhere and close everything at the end. AuthFailed and BadInput of any cloud pass through.

    A cloud that does not answer is tried again during the run, unless none answers: then CloudUnreachable passes too.
    """
    async with contextlib.AsyncExitStack() as stack:
        apis: dict[str, Api] = {}
        late: dict[str, CloudUnreachable] = {}
        for name in plan.clouds:
            opener = _opener(plan, name, store, clock, fence)
            try:
                api = await opener()
            except CloudUnreachable as error:
                late[name] = error
                api = LateApi(opener, str(error), clock)
            apis[name] = DiscreetApi(api, store.redact)
            stack.push_async_callback(api.close)
        if late and len(late) == len(plan.clouds):
            raise next(iter(late.values()))
        yield apis


def _opener(plan: Plan, name: str, store: SecretStore, clock: Clock, fence: Fence | None) -> Opener:
    cloud = plan.clouds[name]

    async def open_one() -> Api:
        return await open_api(
            cloud,
            wire=plan.settings.wire,
            connections=cloud.limits.connections,
            secrets=store,
            clock=clock,
            fence=fence,
        )

    return open_one
