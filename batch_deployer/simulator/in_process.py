"""One cloud's API in process: the same fleet as behind the HTTP server, with latency, timeouts and tokens that die."""

from collections.abc import Callable

import anyio

from batch_deployer.model.api import Answer, Call, Sent
from batch_deployer.ports import Clock, HeldBack
from batch_deployer.settings import HttpSettings
from batch_deployer.simulator.keyed_random import uniform
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.responses import answer_of

_THERE = 0.005
"""Seconds from the client to the gateway; constant, so that the gateway sees calls spaced as they were sent."""
_BACK = 0.04
"""Most seconds for the way back."""
_LOGIN = 0.2


class SimulatedApi:
    """Implements the Api port. The server's clock starts with the client's, and then goes its own way."""

    def __init__(self, fleet: SimulatedProvider, cloud: str, clock: Clock, *, wire: HttpSettings | None = None) -> None:
        """`wire`: only its timeouts count. InputError when the fleet has no such cloud."""
        self._fleet = fleet
        self._cloud = cloud
        self._clock = clock
        self._wire = wire or HttpSettings()
        self._login = anyio.Lock()
        self._calls = 0
        self._generation = 1
        self._base = fleet.advance(clock.wall()) - clock.monotonic()
        self._token = fleet.issue_token(cloud, self._now())

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """Make one attempt; see the port. A request has taken effect once it is at the gateway, cancelled or not."""
        self._calls += 1
        back = _BACK * uniform(self._fleet.seed, "latency", self._cloud, self._calls)
        generation, token = self._generation, self._token
        if on_sent is not None:
            try:
                on_sent()
            except HeldBack as error:
                return Answer(sent=Sent.NO, message=str(error), credential=generation)
        await self._clock.sleep(_THERE)
        reply = self._fleet.handle(self._cloud, call, self._now(), token=token)
        patience = self._wire.write_timeout if call.writes else self._wire.read_timeout
        wait = _THERE + back + reply.delay
        await self._clock.sleep(min(wait, patience) - _THERE)
        if wait > patience:
            return Answer(sent=Sent.MAYBE, message=f"no answer within {patience:g} s", credential=generation)
        answer = answer_of(reply, credential=generation)
        return answer.but(server_time=float(int(self._now()))) if answer.status else answer

    async def renew(self, credential: int) -> None:
        """Log in again unless that has happened since."""
        async with self._login:
            if credential < self._generation:
                return
            await self._clock.sleep(_LOGIN)
            self._token = self._fleet.issue_token(self._cloud, self._now())
            self._generation += 1

    async def close(self) -> None:
        """Nothing is open."""

    def _now(self) -> float:
        """The server's time: what the client's wall clock said at first (or later, if the fleet has lived on), and since."""
        return self._base + self._clock.monotonic()
