"""`report.html`: one file for people, no network needed, light and dark."""

import base64
import hashlib
from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined

from batch_deployer.model.text import span
from batch_deployer.report.document import Curve, Summary
from batch_deployer.report.groups import good_words
from batch_deployer.report.rows import bad_first
from batch_deployer.report.story import Story
from batch_deployer.report.summary import summarise

_MOST_ROWS = 5000
"""More rows make browsers slow; the file says so and names report.csv."""
_WIDE, _HIGH = 1040, 190


def to_html(story: Story, summary: Summary | None = None) -> Iterator[str]:
    """Totals, curve, failures, groups, limits, and deployments that a click filters; bad ones first."""
    environment = Environment(
        loader=PackageLoader("batch_deployer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = lambda seconds: "\u2013" if seconds is None else span(seconds)
    environment.filters["count"] = lambda number: f"{number:,}"
    script = environment.get_template("report.js").render()
    summary, good = summary or summarise(story), good_words(story)
    yield from environment.get_template("report.html").generate(
        s=summary,
        rows=bad_first(story, good, _MOST_ROWS),
        left_out=max(0, summary.totals.deployments - _MOST_ROWS),
        path=polyline(summary.curve, summary.totals.deployments, summary.run.duration),
        longest=summary.run.duration,
        wide=_WIDE,
        high=_HIGH,
        good=good,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def polyline(curve: Curve, total: int, longest: float) -> str:
    """The curve as SVG points in a box of 1040 x 190 that `longest` seconds fill, origin at the top left.

    Empty when nothing got good.
    """
    if not curve.points or longest <= 0:
        return ""
    points = [(0.0, 0), *curve.points, (longest, curve.points[-1][1])]
    return " ".join(f"{_WIDE * at / longest:.1f},{_HIGH - _HIGH * count / total:.1f}" for at, count in points)
