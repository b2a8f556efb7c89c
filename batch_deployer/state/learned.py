"""`state.db`: what runs of one state folder learn from each other. Short transactions, a connection each, any thread, any process."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from batch_deployer.model.deployment import ConfirmedState, Remembered
from batch_deployer.state.database import Database

KEPT_DURATIONS = 200
"""Install durations kept per chart: enough for a p95, soon forgetting how a chart used to be."""
KEPT_RELEASES = 200_000
"""Releases of which it is known what was sent; about 300 bytes each."""


class SharedState:
    """Learned paces, install durations, and what was sent last. JournalError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._batch: ExitStack | None = None
        self._batched: Database | None = None

    def save_learned(self, rates: Mapping[tuple[str, str], float], durations: Mapping[str, Sequence[float]]) -> None:
        """Keep what a run has learned, in one transaction.

        rates: (cloud, bucket) to calls a second. durations: chart to install durations in seconds, oldest first; the latest
        200 of a chart are kept.
        """
        with self._writing() as database:
            for (cloud, bucket), rate in rates.items():
                database.run("save_rate", cloud, bucket, rate)
            for chart, values in durations.items():
                database.run("add_durations", chart, json.dumps(list(values)))
                database.run("trim_durations", chart, KEPT_DURATIONS)

    def load_rates(self) -> Mapping[tuple[str, str], float]:
        """(cloud, bucket) to calls a second. Nothing is made or changed, here and in `durations`."""
        if not self.path.exists():
            return {}
        with self._open(write=self._may_repair()) as database:
            return {(cloud, bucket): rate for cloud, bucket, rate in database.run("paces")}

    def durations(self) -> Mapping[str, Sequence[float]]:
        """Chart to its latest install durations in seconds, oldest first."""
        if not self.path.exists():
            return {}
        found: dict[str, list[float]] = {}
        with self._open(write=self._may_repair()) as database:
            for chart, seconds in database.run("durations"):
                found.setdefault(chart, []).append(seconds)
        return found

    def remember(
        self,
        releases: Mapping[str, tuple[ConfirmedState, str]],
        values: Mapping[str, Mapping[str, str]],
        *,
        forget: Iterable[str] = (),
    ) -> None:
        """Keep of each deployment, by key, how it was confirmed and the digest of the values that were sent.

        values: digest of the whole to the digests by path. forget: keys of which nothing is known any more.
        """
        rows = [[key, msgspec.json.encode(state).decode(), sent] for key, (state, sent) in releases.items()]
        with self._writing() as database:
            database.run("forget", json.dumps(list(forget)))
            database.run("remember", json.dumps(rows))
            database.run("trim_remembered", KEPT_RELEASES)
            for digest, leaves in values.items():
                database.run("save_values", digest, json.dumps(dict(leaves)))
            database.run("trim_values")

    def remembered(self) -> Mapping[str, Remembered]:
        """All of it, by key. Nothing is made or changed."""
        if not self.path.exists():
            return {}
        with self._open(write=self._may_repair()) as database:
            values = {digest: json.loads(leaves) for digest, leaves in database.run("sent_values")}
            return {
                key: Remembered(
                    confirmed=msgspec.json.decode(confirmed, type=ConfirmedState, strict=False), sent=values[sent]
                )
                for key, confirmed, sent in database.run("remembered")
                if sent in values
            }

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that is written within: each waits for the disk four times."""
        with ExitStack() as self._batch:
            try:
                yield
            finally:
                self._batched = None
        self._batch = None

    @contextmanager
    def _writing(self) -> Iterator[Database]:
        if self._batched is not None:
            yield self._batched
            return
        with ExitStack() as alone:
            stack = self._batch or alone
            database = stack.enter_context(self._open())
            stack.enter_context(database.transaction())
            if self._batch is not None:
                self._batched = database
            yield database

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
