"""Run the simulator as told by one line of JSON on standard input; say `ready URL` on standard output."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.http.server import serve
from batch_deployer.simulator.process import Options
from batch_deployer.simulator.provider import SimulatedProvider

_COLLECT_AFTER = 50_000
"""Objects made between two searches for cycles: a request leaves few behind, and a fleet is large to search."""


def main() -> int:
    """Serve until terminated, until stopped over HTTP, or until standard input ends (unless `outlive`)."""
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    options = msgspec.json.decode(sys.stdin.buffer.readline(), type=Options)
    try:
        options.world.check()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(options))
    except InputError as error:
        _print(f"error {error}")
        return error.exit_code
    return 0


async def _run(options: Options) -> None:
    fleet = SimulatedProvider(
        options.world, seed=options.seed, faults=files.load_data(msgspec.json.decode(options.faults))
    )
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(
        serve(
            fleet,
            admin_token=options.admin_token,
            host=options.host,
            port=options.port,
            speed=options.speed,
            ready=lambda url: _print(f"ready {url}"),
            ledger_file=Path(options.ledger_file) if options.ledger_file else None,
        )
    )
    loop.add_signal_handler(signal.SIGTERM, serving.cancel)
    if not options.outlive:
        threading.Thread(target=_until_orphaned, args=(loop, serving.cancel), daemon=True).start()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _until_orphaned(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Standard input ends when the parent does, however it died."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(end)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _print(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
