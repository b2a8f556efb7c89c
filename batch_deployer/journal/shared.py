"""`state.db`: what runs of one state folder learn from each other. Short transactions, a connection each, any thread, any process."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batch_deployer.journal.database import Database

KEPT_DURATIONS = 200
"""Install durations kept per chart: enough for a p95, soon forgetting how a chart used to be."""


class SharedState:
    """Learned paces and install durations. JournalError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save_pace(self, cloud: str, bucket: str, rate: float) -> None:
        """Keep the pace, calls a second, that a cloud's bucket was found to bear."""
        with self._open() as database:
            database.run("save_pace", cloud, bucket, rate)

    def load_paces(self) -> Mapping[tuple[str, str], float]:
        """(cloud, bucket) to calls a second. Nothing is made or changed, here and in `durations`."""
        if not self.path.exists():
            return {}
        with self._open(write=self._may_repair()) as database:
            return {(cloud, bucket): rate for cloud, bucket, rate in database.run("paces")}

    def add_durations(self, seconds: Mapping[str, Sequence[float]]) -> None:
        """Add install durations per chart, oldest first; the latest 200 of a chart are kept."""
        with self._open() as database, database.transaction():
            for chart, values in seconds.items():
                database.run("add_durations", chart, json.dumps(list(values)))
                database.run("trim_durations", chart, KEPT_DURATIONS)

    def durations(self) -> Mapping[str, Sequence[float]]:
        """Chart to its latest install durations in seconds, oldest first."""
        if not self.path.exists():
            return {}
        found: dict[str, list[float]] = {}
        with self._open(write=self._may_repair()) as database:
            for chart, seconds in database.run("durations"):
                found.setdefault(chart, []).append(seconds)
        return found

    def _may_repair(self) -> bool:
        """Who may write opens for writing even to read: a writer that died may have left something to be undone."""
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    @contextmanager
    def _open(self, *, write: bool = True) -> Iterator[Database]:
        database = Database(self.path, schema="state_schema.sql", queries="state_queries.sql", write=write, shared=True)
        try:
            yield database
        finally:
            database.close()
