"""SIGINT and SIGTERM as requests to the engine: the first asks, the second tells."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """What an engine is to a signal."""

    def stop(self, signal: int) -> None:
        """Ask for an end; a second call ends at once."""
        ...


class Stopper:
    """Until there is an engine, a signal cancels the task that is about to make one."""

    def __init__(self) -> None:
        """Make it inside the task that is to be stopped."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are inside a coroutine
        self._task: asyncio.Task[object] = task
        self._engine: Stoppable | None = None
        self.signal = 0
        """The first signal that came; 0 while there was none."""

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Take the signals for as long as this lasts."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop, int(number))
        try:
            yield self
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def serve(self, engine: Stoppable) -> None:
        """From now on signals go to the engine; one that came before does at once."""
        self._engine = engine
        if self.signal:
            engine.stop(self.signal)

    def stop(self, number: int) -> None:
        """Take in a signal."""
        self.signal = self.signal or number
        if self._engine is None:
            self._task.cancel()
        else:
            self._engine.stop(number)
