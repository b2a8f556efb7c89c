"""The event loop's lag while the engine is at work: how late the loop calls a ticker."""

import asyncio
import time
from typing import Any

_TICK = 0.005


def watch_lag(lags: list[float]) -> None:
    """Have a ticker beside each run of the engine, and collect by how many seconds it was called late.

    Before the engine's first call and after its last nobody waits for the loop, so nothing is measured there.
    """
    from batch_deployer.engine.engine import Engine  # noqa: PLC0415 - counts as the import of what is measured
    from batch_deployer.engine.result import RunResult  # noqa: PLC0415 - counts as the import of what is measured

    run = Engine.run

    async def ticker() -> None:
        while True:
            due = time.monotonic() + _TICK
            await asyncio.sleep(_TICK)
            lags.append(max(0.0, time.monotonic() - due))

    async def watched(engine: Engine) -> RunResult:
        ticking = asyncio.ensure_future(ticker())
        try:
            return await run(engine)
        finally:
            ticking.cancel()

    engines: Any = Engine
    engines.run = watched
