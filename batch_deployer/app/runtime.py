"""The event loop of this process: uvloop where it runs, asyncio's elsewhere."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from batch_deployer.app.resources import check_memory, check_threads, loop_threads
from batch_deployer.app.signals import Stopped, taken

T = TypeVar("T")


def run_in_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a fresh loop. Raises Stopped when a signal ends it that nobody inside takes."""
    stopped = 0

    async def interruptible() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are inside a coroutine

        def stop(number: int) -> None:
            nonlocal stopped
            stopped = stopped or number
            task.cancel()

        await _start_threads()
        if threading.current_thread() is not threading.main_thread():
            return await main()  # signals go to the main thread alone
        with taken(stop):
            return await main()

    runner = asyncio.Runner(loop_factory=_quick_loop())
    try:
        return runner.run(interruptible())
    except asyncio.CancelledError:
        if stopped:
            raise Stopped(stopped) from None
        raise
    finally:
        # Without a free file the loop cannot be closed; that must not hide how its work ended.
        with contextlib.suppress(OSError, RuntimeError):
            runner.close()


async def _start_threads() -> None:
    """Start the threads for name look-ups now: later the loop would abort the process if it could not.

    Raises OutOfResources.
    """
    check_memory()
    check_threads(loop_threads() + 2)
    with contextlib.suppress(OSError):
        # No address, so that nothing is looked up; the loop answers addresses without a thread.
        await asyncio.get_running_loop().getaddrinfo("localhost", None, flags=socket.AI_NUMERICHOST)


def _quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return new_event_loop
