"""`report.json`: for programs."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from batch_deployer.report.document import Summary
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise

_BATCH = 512
"""Rows a piece."""


def to_json(story: RunHistory, summary: Summary | None = None, *, rows: Rows | None = None) -> Iterator[str]:
    """The document of `document.Document`, one deployment a line, so that it streams and diffs well."""
    encoder = msgspec.json.Encoder()
    head = msgspec.json.format(encoder.encode(summary or summarise(story)), indent=2).decode()
    # Add a last key to the object.
    yield head.rstrip().removesuffix("}").rstrip() + ',\n  "deployments": ['
    lines, separator = map(encoder.encode, rows or Rows(story)), "\n    "
    while batch := list(islice(lines, _BATCH)):
        yield separator + b",\n    ".join(batch).decode()
        separator = ",\n    "
    yield "\n  ]\n}\n"
