"""Every format a story can be told in, by name. What a format needs is loaded when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from batch_deployer.errors import BadInput
from batch_deployer.report.document import Summary
from batch_deployer.report.story import Story

_WHERE: Mapping[str, str] = MappingProxyType(
    {
        "text": "format_text:to_text",
        "json": "format_json:to_json",
        "junit": "format_junit:to_junit",
        "csv": "format_csv:to_csv",
        "markdown": "format_markdown:to_markdown",
        "html": "format_html:to_html",
    }
)
_LISTS = frozenset({"junit", "csv"})
"""Formats that show no summary."""
FORMATS = tuple(_WHERE)
"""Names that `render` takes."""


def render(name: str, story: Story, summary: Summary | None = None) -> Iterator[str]:
    """The story in a format, piece by piece; joined they are the whole text. Raises BadInput for an unknown name.

    `summary`: the story's own, where it was made already.
    """
    if name not in _WHERE:
        raise BadInput(f"there is no report format {name!r}; choose one of {', '.join(FORMATS)}")
    module, function = _WHERE[name].split(":")
    chosen: Callable[..., Iterator[str]] = getattr(import_module(f"batch_deployer.report.{module}"), function)
    return chosen(story) if name in _LISTS else chosen(story, summary=summary)
