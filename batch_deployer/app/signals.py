"""Signals from the first moment of a process to its last: SIGINT, SIGTERM, SIGHUP and SIGQUIT ask for an orderly end."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_taking: list[Callable[[int], None]] = []
"""Who takes signals of the running loop; the last one does."""


class Stopped(BaseException):
    """A signal asks this process to end, and nothing is under way that has to be watched."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stoppable(Protocol):
    """What an engine is to a signal."""

    def stop(self, signal: int) -> None:
        """Ask for an end; a second call ends at once."""
        ...


def heed() -> None:
    """From now on a signal raises Stopped, wherever this process is. As PID 1 it would be ignored otherwise."""
    for number in _heeded():
        if number != signal.SIGINT:  # Python's own raises KeyboardInterrupt
            signal.signal(number, _raise)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


def _heeded() -> list[signal.Signals]:
    """All but those that whoever started this process has turned off, as nohup does."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _hand_over(number: int) -> None:
    _taking[-1](number)


@contextmanager
def taken(take: Callable[[int], None]) -> Iterator[None]:
    """Have the running loop hand signals to `take` for as long as this lasts, and to whoever took them before afterwards."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}
    if not _taking:
        before = {number: signal.getsignal(number) for number in _heeded()}
        for number in before:
            loop.add_signal_handler(number, _hand_over, int(number))
    _taking.append(take)
    try:
        yield
    finally:
        _taking.remove(take)
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal interrupt what is left to do at the end of a run; it is short."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        with taken(self.stop):
            yield self

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
