"""`report.csv`: for spreadsheets."""

import csv
from collections.abc import Iterator

from batch_deployer.report.document import Row
from batch_deployer.report.rows import rows
from batch_deployer.report.story import Story

COLUMNS = (
    *("key", "cluster_id", "cluster_name", "cloud", "namespace", "name", "chart", "version", "wave", "action"),
    *("outcome", "state", "status", "revision", "attempts", "refusals", "uncertain"),
    *("planned", "started", "accepted", "finished", "duration", "install_duration", "reason", "fingerprint"),
    "request_ids",
)
_TIMES = frozenset({"planned", "started", "accepted", "finished"})
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


class _Echo:
    """Hands each written line back."""

    def write(self, text: str) -> str:
        """Return what csv made."""
        return text


def to_csv(story: Story) -> Iterator[str]:
    """RFC 4180: CRLF, quotes doubled, a header line. Texts that a spreadsheet would run as a formula start with `'`."""
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield str(writer.writerow(COLUMNS))
    for row in rows(story):
        yield str(writer.writerow([_cell(row, column) for column in COLUMNS]))


def _cell(row: Row, column: str) -> str:
    value = getattr(row.times, column) if column in _TIMES else getattr(row, column)
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value}"
    text = " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.lstrip().startswith(_FORMULA) else text
