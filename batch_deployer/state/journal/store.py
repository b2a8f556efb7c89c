"""The writing end of one journal file: batches go in whole or not at all, and the first failure is the last word."""

from collections.abc import Sequence
from pathlib import Path

from batch_deployer.errors import JournalError, shortage
from batch_deployer.state.database import Database
from batch_deployer.state.journal.codec import join


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
