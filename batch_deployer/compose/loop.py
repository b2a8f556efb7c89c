"""The event loop of this process: uvloop where it runs, asyncio's elsewhere; and what else a long run asks of it."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_COLLECT_AFTER = 20_000
"""Objects made and not yet freed before a collection; Python's default of 700 suits small programs."""


def run_in_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a fresh loop."""
    with asyncio.Runner(loop_factory=_quick_loop()) as runner:
        return runner.run(main())


def _quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return new_event_loop


def spare_the_plan() -> None:
    """Take what is loaded by now out of the garbage collector's sight: it lives to the end, and is large.

    Later collections then look at what a run makes only, and come less often, for calls leave hardly any cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
