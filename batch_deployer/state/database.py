"""The one door to SQLite: opening, migrating, and saying in one line what is wrong with a file."""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from batch_deployer.errors import JournalError, StateLocked
from batch_deployer.state.sql import load_sql
from batch_deployer.util import files
from batch_deployer.util.text import clean

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, then resume the run",
    sqlite3.SQLITE_IOERR: "the disk does not take or give the data ({error}); check it and its quota, then resume the run",
    sqlite3.SQLITE_READONLY: "it is read-only; make the file and its folder writable or choose another --state-dir",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the file and its folder are there and writable",
    sqlite3.SQLITE_PERM: "access is denied; check who owns the file and its folder",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; end that process, then try again",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked; end that process, then try again",
}
_DAMAGED = (
    "the file is damaged ({error}); keep a copy of it, then start a new run: "
    "a run looks at what the clouds have before it writes, and finds what the file does not tell"
)
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)


_TAKEN_OVER = "another process has taken this run over and writes its journal; this one writes nothing more"


def advice(error: sqlite3.Error) -> str:
    """What is wrong and what to do about it, for a SQLite error."""
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
        return _TAKEN_OVER
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = _DAMAGED if code in _DAMAGES else _ADVICE.get(code, "{error}")
    return text.format(error=error)


class Database:
    """One SQLite file and the named statements it answers to. Every failure is a JournalError of one line.

    `write`: open for writing, made (0600) when absent, and brought to the newest version of `schema`; otherwise the file
    is only read, and its writer is not disturbed. `shared` files have short transactions of many processes and keep
    SQLite's plain rollback journal; the others have one writer and use the write-ahead log.
    `still`: nobody writes it now, so it is read without making any file beside it.
    `durable`: a commit survives a power loss; otherwise it survives the process, waits for no disk, and a file that a power
    loss has damaged is made anew.
    `patience`: seconds to wait for another process that keeps it locked (StateLocked).
    `longest`: bytes that one row may have. A file whose tables are not those of `schema` is refused: whoever wrote it could
    make a query never end.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        queries: str,
        write: bool,
        shared: bool = False,
        durable: bool = True,
        still: bool = False,
        longest: int | None = None,
        patience: float = 10.0,
    ) -> None:
        self.path = path
        self._sql = load_sql(queries)
        self._doing = "write" if write else "read"
        mode = "mode=rw" if write else "mode=ro&immutable=1" if still else "mode=ro"
        with self._explained("open"):
            if write:
                files.touch(path, secret=shared)
            for end in ("", "-wal", "-shm", "-journal"):
                files.check_regular(path.with_name(path.name + end))
            self._refuse_headless()
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{mode}",
                uri=True,
                timeout=patience,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            if longest is not None:
                self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
            with self._explained("open"):
                self._connection.execute("PRAGMA trusted_schema=OFF")
                self._prepare(load_sql(schema), write=write, shared=shared, durable=durable)
        except BaseException:
            self._connection.close()
            raise

    def run(self, name: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of one named statement. Outside `transaction` it is its own transaction."""
        try:
            return self._connection.execute(self._sql[name], values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(self._doing, error) from error

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """Several statements at once, alone and all or nothing."""
        with self._explained("write"):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self
            with self._explained("write"):
                self._connection.execute("COMMIT")
        except BaseException:
            # Some failures (a full disk) have rolled back by themselves.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def check(self) -> None:
        """Look at every page; JournalError when the file is damaged."""
        with self._explained("read"):
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise JournalError(f"cannot use {self.path}: {_DAMAGED.format(error=clean(found[0], 200))}")

    def checkpoint(self) -> None:
        """Bring the write-ahead log home into the file, as far as readers allow."""
        with self._explained("write"):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def has_schema(self) -> bool:
        """Whether anything was ever set up in it; a process killed at birth leaves an empty file."""
        return self._version() > 0

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _refuse_headless(self) -> None:
        """SQLite throws the log of an empty file away; ours is never empty once there is a log, so that would be a loss."""
        log = self.path.with_name(self.path.name + "-wal")
        if self.path.stat().st_size == 0 and log.exists() and log.stat().st_size > 0:
            raise JournalError(f"cannot open {self.path}: {_DAMAGED.format(error='empty beside a full log')}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _prepare(self, steps: Mapping[str, str], *, write: bool, shared: bool, durable: bool) -> None:
        connection = self._connection
        version = self._known_version(list(steps.values()))
        if not write:
            return
        # A new file becomes durable by one sync at its end, instead of one for each step.
        connection.execute(f"PRAGMA synchronous={'FULL' if durable and version else 'OFF'}")
        if version < len(steps):
            self._migrate(list(steps.values()))
        mode = connection.execute(f"PRAGMA journal_mode={'DELETE' if shared else 'WAL'}").fetchone()[0]
        if not shared and mode != "wal":
            raise JournalError(f"cannot use {self.path}: its file system has no shared memory; use a local folder")
        if durable and not version:
            files.sync(self.path)
            # From now on each commit syncs the log (or the journal and the file) before it returns.
            connection.execute("PRAGMA synchronous=FULL")

    def _known_version(self, steps: Sequence[str]) -> int:
        """The version of the file's schema. JournalError when it is newer, or when the file is not one of ours."""
        self._connection.execute("BEGIN")  # Another process may bring it up to date just now.
        try:
            version, found = self._version(), _objects(self._connection)
        finally:
            self._connection.execute("ROLLBACK")
        if version > len(steps):
            raise JournalError(
                f"cannot use {self.path}: a newer batch-deployer wrote it (version {version}, "
                f"this one knows {len(steps)}); upgrade batch-deployer"
            )
        expected = _expected(tuple(steps[: max(version, 0)]))
        needed = {each for each in expected if each[0] != "trigger"}
        if version < 0 or not needed <= found <= expected:
            raise JournalError(
                f"cannot use {self.path}: its tables are not those that batch-deployer makes, so something else wrote it; "
                "put it aside, or choose another --state-dir"
            )
        return version

    def _migrate(self, steps: Sequence[str]) -> None:
        with self.transaction():
            # Asked again inside the transaction: another process may have been faster.
            for script in steps[self._version() :]:
                for statement in _statements(script):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={len(steps)}")

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failure(doing, error) from error

    def _failure(self, doing: str, error: sqlite3.Error | OSError) -> JournalError:
        why = advice(error) if isinstance(error, sqlite3.Error) else error.strerror or str(error)
        locked = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return (StateLocked if locked else JournalError)(f"cannot {doing} {self.path}: {why}")


def _objects(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Type, name and definition of all tables, views, triggers and indexes, without comments and line breaks."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    return frozenset((kind, name, " ".join(re.sub("--[^\n]*", "", sql).split())) for kind, name, sql in rows)


@lru_cache(maxsize=16)
def _expected(steps: tuple[str, ...]) -> frozenset[tuple[str, str, str]]:
    """What the steps of a schema make."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for script in steps:
            for statement in _statements(script):
                connection.execute(statement)
        return _objects(connection)


def _statements(script: str) -> Iterator[str]:
    """The script's statements, each of which ends a line (a trigger's inner ones do not count)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
