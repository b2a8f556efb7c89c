"""`state.db`: what all runs of one state folder share. Short transactions, a connection each, any thread, any process."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batch_deployer.journal.database import Database
from batch_deployer.journal.lease import Lease
from batch_deployer.journal.machine import Stamp, here, is_alive, stamp

KEPT_DURATIONS = 200
"""Install durations kept per chart: enough for a p95, soon forgetting how a chart used to be."""


class SharedState:
    """Leases, learned paces and install durations. JournalError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lease(self, name: str) -> Lease | None:
        """The lease on a manifest's name, expired or not."""
        with self._open() as database:
            rows = database.run("lease", name)
        return Lease.from_row(rows[0]) if rows else None

    def live_runs(self) -> frozenset[str]:
        """Ids of the runs whose process is there, also one that is stopped or suspended past its lease."""
        if not self.path.exists():
            return frozenset()
        with self._open(write=os.access(self.path, os.W_OK)) as database:
            return _present(database)

    @contextmanager
    def standstill(self) -> Iterator[frozenset[str]]:
        """Ids as `live_runs` gives them, while no lease can be taken."""
        with self._open() as database, database.transaction():
            yield _present(database)

    def take_lease(self, lease: Lease, free: Callable[[Lease], bool]) -> Lease | None:
        """Put this lease in place of none or of a free one; else the one that stands in the way."""
        with self._open() as database, database.transaction():
            rows = database.run("lease", lease.name)
            held = Lease.from_row(rows[0]) if rows else None
            if held is not None and not free(held):
                return held
            database.run("take", *lease.as_row())
            return None

    def renew_lease(self, lease: Lease, now: Stamp) -> bool:
        """Renew a lease; False when somebody else has taken it over."""
        with self._open() as database:
            return bool(database.run("renew", now.boot, now.wall, lease.name, lease.token))

    def drop_lease(self, lease: Lease) -> None:
        """Give a lease back; nothing happens when somebody else has taken it over."""
        with self._open() as database:
            database.run("drop", lease.name, lease.token)

    def save_pace(self, cloud: str, bucket: str, rate: float) -> None:
        """Keep the pace, calls a second, that a cloud's bucket was found to bear."""
        with self._open() as database:
            database.run("save_pace", cloud, bucket, rate)

    def load_paces(self) -> Mapping[tuple[str, str], float]:
        """(cloud, bucket) to calls a second."""
        with self._open() as database:
            return {(cloud, bucket): rate for cloud, bucket, rate in database.run("paces")}

    def add_durations(self, seconds: Mapping[str, Sequence[float]]) -> None:
        """Add install durations per chart, oldest first; the latest 200 of a chart are kept."""
        with self._open() as database, database.transaction():
            for chart, values in seconds.items():
                database.run("add_durations", chart, json.dumps(list(values)))
                database.run("trim_durations", chart, KEPT_DURATIONS)

    def durations(self) -> Mapping[str, Sequence[float]]:
        """Chart to its latest install durations in seconds, oldest first."""
        found: dict[str, list[float]] = {}
        with self._open() as database:
            for chart, seconds in database.run("durations"):
                found.setdefault(chart, []).append(seconds)
        return found

    @contextmanager
    def _open(self, *, write: bool = True) -> Iterator[Database]:
        database = Database(self.path, schema="state_schema.sql", queries="state_queries.sql", write=write, shared=True)
        try:
            yield database
        finally:
            database.close()


def _present(database: Database) -> frozenset[str]:
    place, now = here(), stamp()
    leases = [Lease.from_row(row) for row in database.run("leases")]
    return frozenset(lease.run for lease in leases if lease.present(place, now, is_alive))
