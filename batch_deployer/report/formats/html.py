"""`report.html`: one file for people, no network needed, light and dark."""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from batch_deployer.report.document import DeploymentRow, Summary, TimeToSuccess
from batch_deployer.report.groups import success_words
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise
from batch_deployer.util.text import span

_MOST_ROWS = 5000
"""More rows make browsers slow; the file says so and names report.csv."""
_BATCH = 256
"""Rows a piece."""
_WIDE, _HIGH = 1040, 190


@cache
def prepare() -> Environment:
    """The environment with every template loaded: a report must not need the program's files, which may be replaced."""
    environment = Environment(
        loader=PackageLoader("batch_deployer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["span"] = _span
    environment.globals["outcome"] = _outcome
    environment.filters["count"] = lambda number: f"{number:,}"
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


def to_html(story: RunHistory, summary: Summary | None = None, *, rows: Rows | None = None) -> Iterator[str]:
    """Totals, curve, failures, groups, limits, and deployments that a click filters; bad ones first."""
    environment = prepare()
    script = environment.get_template("report.js").render()
    summary, good = summary or summarise(story), success_words(story)
    yield from environment.get_template("report.html").generate(
        s=summary,
        lines=_lines((rows or Rows(story)).failures_first(good, _MOST_ROWS)),
        left_out=max(0, summary.totals.deployments - _MOST_ROWS),
        path=polyline(summary.curve, summary.totals.deployments, summary.run.duration),
        longest=summary.run.duration,
        wide=_WIDE,
        high=_HIGH,
        good=good,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _lines(rows: Iterator[DeploymentRow]) -> Iterator[Markup]:
    """The rows of the table of deployments, many a piece. Not left to the template: thousands of rows take it long."""
    while batch := list(islice(rows, _BATCH)):
        yield Markup("\n".join(map(_line, batch)))  # noqa: S704 - every text in it is escaped


def _line(row: DeploymentRow) -> str:
    cell = _escaped
    return (
        f'<tr data-outcome="{cell(row.outcome)}"><td title="{cell(row.cluster_id)}">{cell(row.cluster_name)}</td>'
        f"<td>{cell(row.namespace)}</td><td>{cell(row.name)}</td><td>{cell(row.chart)} {cell(row.version)}</td>"
        f"<td>{cell(row.wave)}</td><td>{cell(row.action)}</td>"
        f"<td>{_outcome(row.outcome)}</td>"
        f'<td class="n">{row.revision or ""}</td><td class="n">{row.attempts}</td>'
        f'<td class="n">{_span(row.duration)}</td><td class="why">{cell(row.reason)}</td></tr>'
    )


@lru_cache(maxsize=64)
def _outcome(word: str) -> Markup:
    """An outcome in its colour."""
    text = _escaped(word)
    return Markup(f'<span class="o o-{text}">{text.replace("_", " ")}</span>')  # noqa: S704 - the word is escaped


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    """A text as HTML; most are shared by many deployments."""
    return str(escape(text))


def _span(seconds: float | None) -> str:
    return "\u2013" if seconds is None else span(seconds)


def polyline(curve: TimeToSuccess, total: int, longest: float) -> str:
    """The curve as SVG points in a box of 1040 x 190 that `longest` seconds fill, origin at the top left.

    Empty when nothing got good.
    """
    if not curve.points or longest <= 0:
        return ""
    points = [(0.0, 0), *curve.points, (longest, curve.points[-1][1])]
    return " ".join(f"{_WIDE * at / longest:.1f},{_HIGH - _HIGH * count / total:.1f}" for at, count in points)
