"""`report.json`: for programs."""

from collections.abc import Iterator

import msgspec

from batch_deployer.report.rows import rows
from batch_deployer.report.story import Story
from batch_deployer.report.summary import summarise


def to_json(story: Story) -> Iterator[str]:
    """The document of `document.Document`, one deployment a line, so that it streams and diffs well."""
    encoder = msgspec.json.Encoder()
    head = msgspec.json.format(encoder.encode(summarise(story)), indent=2).decode()
    yield from _joined(head, (encoder.encode(row).decode() for row in rows(story)))


def _joined(head: str, lines: Iterator[str]) -> Iterator[str]:
    """Add a last key `deployments` to the object `head`."""
    yield head.rstrip().removesuffix("}").rstrip() + ',\n  "deployments": ['
    separator = "\n    "
    for line in lines:
        yield separator + line
        separator = ",\n    "
    yield "\n  ]\n}\n"
