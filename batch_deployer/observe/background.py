"""Slow words to the outside (pings, notifications) in one thread of their own, so that a run never waits for them."""

import queue
import threading
from collections.abc import Callable


class Background:
    """Does what it is given, in order, one at a time. What fails is told to `warn` and changes nothing else."""

    def __init__(self, name: str, warn: Callable[[str], None]) -> None:
        """Starts the thread, so that one that cannot be started is an error before a run rather than at its end."""
        self._name = name
        self._warn = warn
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], None]) -> None:
        """Queue a task; returns at once."""
        self._tasks.put(task)

    def close(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for what was queued; whether all of it was done."""
        if self._thread is None:
            return True
        self._tasks.put(None)
        self._thread.join(timeout)
        done = not self._thread.is_alive()
        if not done:
            self._warn(f"{self._name}: gave up after {timeout:g} s")
        self._thread = None
        return done

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - a word to the outside that fails must not fail the run
                self._warn(f"{self._name}: {type(error).__name__}: {error}")
