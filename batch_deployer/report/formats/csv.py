"""`report.csv`: for spreadsheets."""

import csv
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import StringIO
from itertools import chain, islice

from batch_deployer.report.document import DeploymentRow
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory

COLUMNS = (
    *("key", "cluster_id", "cluster_name", "cloud", "namespace", "name", "chart", "version", "wave", "action"),
    *("outcome", "state", "status", "revision", "attempts", "refusals", "uncertain"),
    *("planned", "started", "accepted", "finished", "duration", "install_duration", "reason", "fingerprint"),
    *("request_ids", "phase", "deferred_since"),
)
_BATCH = 512
"""Lines a piece."""
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def to_csv(story: RunHistory, *, rows: Rows | None = None) -> Iterator[str]:
    """RFC 4180: CRLF, quotes doubled, a header line. Texts that a spreadsheet would run as a formula start with `'`."""
    lines: Iterator[Sequence[str | float | None]] = chain((COLUMNS,), map(_cells, rows or Rows(story)))
    while batch := list(islice(lines, _BATCH)):
        piece = StringIO()
        csv.writer(piece, lineterminator="\r\n").writerows(batch)
        yield piece.getvalue()


def _cells(row: DeploymentRow) -> Sequence[str | float | None]:
    """In the order of `COLUMNS`; `csv` writes None as nothing and a number as Python does."""
    times = row.times
    return (
        *(_safe(row.key), _shared(row.cluster_id), _shared(row.cluster_name), _shared(row.cloud)),
        *(_shared(row.namespace), _shared(row.name), _shared(row.chart), _shared(row.version), _shared(row.wave)),
        *(row.action, row.outcome, row.state, _safe(row.status)),
        *(row.revision, row.attempts, row.refusals, row.uncertain),
        *(times.planned, times.started, times.accepted, times.finished, row.duration, row.install_duration),
        *(_safe(row.reason), _safe(row.fingerprint), _safe(" ".join(row.request_ids))),
        *(_shared(row.phase), row.deferred_since),
    )


def _safe(text: str) -> str:
    # Nearly all texts begin with a letter or a digit, which begins no formula.
    return text if text[:1].isalnum() or not text.lstrip().startswith(_FORMULA) else "'" + text


@lru_cache(maxsize=1024)
def _shared(text: str) -> str:
    """The same for a text that many deployments share."""
    return _safe(text)
