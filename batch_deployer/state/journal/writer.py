"""Natural group commit: a thread takes all that waits, commits it as one batch, tells those who wait, and repeats.

Nothing is timed: alone, an event is committed at once; under load, batches grow to what arrives during a commit.
"""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

from batch_deployer.errors import JournalError, shortage
from batch_deployer.state.database import Database
from batch_deployer.state.journal.codec import join

BATCH = 256
"""A batch is closed once it holds this many rows, so that none waits long for its neighbours."""

_Waiter: TypeAlias = asyncio.Future[None]
_Item: TypeAlias = tuple[Sequence[bytes], Sequence[_Waiter] | threading.Event]


class Store:
    """Appends batches of encoded events to a file that nobody else writes. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        old = path.exists() and path.stat().st_size > 0
        self.failure: JournalError | None = None
        """Set once a batch could not be written; from then on nothing is."""
        self._next = 0
        """Number of the next event; 0 before the first."""
        self._database = Database(path, schema="schema.sql", queries="queries.sql", write=True)
        if old:
            try:
                self._database.check()
            except BaseException:
                self._database.close()
                raise

    def append(self, rows: Sequence[bytes]) -> JournalError | None:
        """Make the rows durable, all or none of them. Returns the failure that this journal has met, if any."""
        if self.failure is None and rows:
            try:
                if not self._next:
                    self._next = self._database.run("last_seq")[0][0] + 1
                self._database.run("append", join(rows), self._next)
                self._next += len(rows)
            except JournalError as error:
                self.failure = error
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of a bug of ours too
                self.failure = JournalError(f"cannot write {self._database.path}: {shortage(error) or repr(error)}")
        return self.failure

    def close(self) -> None:
        """Take the log home and let go. What cannot be taken home stays in the log, where the next opening finds it."""
        try:
            self._database.checkpoint()
        except JournalError:
            pass
        finally:
            self._database.close()


class Writer:
    """A thread that owns the writing end. Put from one event loop at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Its put is one C call that never blocks; None asks the thread to end.
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def put(self, rows: Sequence[bytes], waiters: Sequence[_Waiter] | threading.Event = ()) -> None:
        """Queue rows that belong together; the waiters are told once they are durable, or why they are not."""
        self._queue.put((rows, waiters))

    def close(self) -> None:
        """Write all that is queued and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            rows: list[bytes] = []
            futures: list[_Waiter] = []
            events: list[threading.Event] = []
            going = self._drain(rows, futures, events)
            failure = self._store.append(rows)
            for event in events:
                event.set()
            if futures:
                # The loop may be gone, if its run was cut short: then nobody waits any more.
                with contextlib.suppress(RuntimeError):
                    futures[0].get_loop().call_soon_threadsafe(_resolve, futures, failure)

    def _drain(self, rows: list[bytes], futures: list[_Waiter], events: list[threading.Event]) -> bool:
        """Fill in one batch, waiting for its first item. False once asked to end."""
        item = self._queue.get()
        while item is not None:
            rows += item[0]
            if isinstance(item[1], threading.Event):
                events.append(item[1])
            else:
                futures += item[1]
            if len(rows) >= BATCH:
                return True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return True
        return False


def _resolve(futures: Sequence[_Waiter], failure: JournalError | None) -> None:
    for future in futures:
        if future.done():
            continue  # its task was cancelled meanwhile
        if failure is None:
            future.set_result(None)
        else:
            # One exception each: a shared one would gather the tracebacks of all tasks.
            future.set_exception(JournalError(str(failure)))
