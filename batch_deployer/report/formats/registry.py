"""Every format a story can be told in, by name. What a format needs is loaded when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from batch_deployer.errors import InputError
from batch_deployer.report.document import Summary
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory

_WHERE: Mapping[str, str] = MappingProxyType(
    {
        "text": "text:to_text",
        "json": "json:to_json",
        "junit": "junit:to_junit",
        "csv": "csv:to_csv",
        "markdown": "markdown:to_markdown",
        "html": "html:to_html",
    }
)
_WITHOUT_SUMMARY = frozenset({"junit", "csv"})
_WITHOUT_ROWS = frozenset({"text"})
FORMATS = tuple(_WHERE)
"""Names that `render` takes."""


def load_all() -> None:
    """Load what every format needs, so that nothing is read from the program's files later."""
    for where in _WHERE.values():
        module = import_module(f"batch_deployer.report.formats.{where.split(':')[0]}")
        getattr(module, "prepare", _nothing)()


def _nothing() -> None:
    pass


def render(name: str, story: RunHistory, summary: Summary | None = None, rows: Rows | None = None) -> Iterator[str]:
    """The story in a format, piece by piece; joined they are the whole text. Raises InputError for an unknown name.

    `summary`, `rows`: the story's own, where they were made already.
    """
    if name not in _WHERE:
        raise InputError(f"there is no report format {name!r}; choose one of {', '.join(FORMATS)}")
    module, function = _WHERE[name].split(":")
    chosen: Callable[..., Iterator[str]] = getattr(import_module(f"batch_deployer.report.formats.{module}"), function)
    given = ({} if name in _WITHOUT_SUMMARY else {"summary": summary}) | (
        {} if name in _WITHOUT_ROWS else {"rows": rows}
    )
    return chosen(story, **given)
