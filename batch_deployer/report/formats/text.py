"""The summary for a terminal: plain text, no colours, fitted to a width."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from batch_deployer.report.document import Group, Summary
from batch_deployer.report.groups import success_words
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise
from batch_deployer.util.text import span

_MOST_FAILURES = 10
_MOST_DEFERRED = 10


def to_text(story: RunHistory, width: int = 100, summary: Summary | None = None) -> Iterator[str]:
    """Headline, totals, failures, waves, clouds, pace, limits: about a screenful whatever the fleet's size."""
    summary, good = summary or summarise(story), success_words(story)
    width = max(40, width)
    yield from _head(summary, width)
    yield from _totals(summary, width)
    yield from _failures(summary, width)
    yield from _groups("wave", summary.waves, width, good)
    if len(summary.clouds) > 1:
        yield from _groups("cloud", summary.clouds, width, good)
    yield from _time_to_success(summary, width)
    yield from _limits(summary, width)


def table(rows: Sequence[Sequence[str]], width: int, right: frozenset[int] = frozenset()) -> Iterator[str]:
    """Lines of aligned columns; the widest column is cut until a line fits. `right`: columns aligned right."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while sum(widths) + 2 * len(widths) > width and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    for row in rows:
        cells = (
            fit(cell, size).rjust(size) if column in right else fit(cell, size).ljust(size)
            for column, (cell, size) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip() + "\n"


def fit(text: str, size: int) -> str:
    """The text cut to a size, with a mark that it was."""
    return text if len(text) <= size else text[: max(0, size - 1)] + "…"


def _head(summary: Summary, width: int) -> Iterator[str]:
    run = summary.run
    code = "" if run.exit_code is None else f", exit code {run.exit_code}"
    yield fit(f"{run.manifest}: {run.state}{code}", width) + "\n"
    parts = f" in {run.parts} parts" if run.parts > 1 else ""
    yield fit(f"run {run.id}, started {run.started or 'never'}, took {span(run.duration)}{parts}", width) + "\n"
    # A halt's own words are mostly the run's reason as well; once is enough.
    halts = [f"halted by {halt}" for halt in run.halts]
    reasons = [run.reason] if run.reason and not any(halt.endswith(run.reason) for halt in halts) else []
    for text in reasons + halts:
        yield from (line + "\n" for line in wrap(text, width, subsequent_indent="  "))


def _totals(summary: Summary, width: int) -> Iterator[str]:
    yield "\n"
    total = summary.totals.deployments
    room = max(0, width - 32)
    for word, count in summary.totals.outcomes.items():
        if count:
            bar = "#" * max(1, round(room * count / total))
            yield f"  {word:<12}{count:>8,}  {100 * count / total:5.1f}%  {bar}".rstrip() + "\n"
    yield f"  {'all':<12}{total:>8,}\n"


def _failures(summary: Summary, width: int) -> Iterator[str]:
    if summary.failures:
        yield "\nfailures, most frequent first\n"
    for failure in summary.failures[:_MOST_FAILURES]:
        clusters = ", ".join(failure.clusters[:3])
        more = f" and {failure.cluster_count - 3} more" if failure.cluster_count > 3 else ""
        for text in (
            f"  {failure.count:,} {failure.outcome}: {failure.reason}",
            f"      on {clusters}{more}; for example {failure.example}",
        ):
            yield fit(text, width) + "\n"
    if len(summary.failures) > _MOST_FAILURES:
        yield f"  and {len(summary.failures) - _MOST_FAILURES} more kinds of failure; see the report files\n"
    yield from _deferred(summary, width)
    if summary.not_started:
        yield "\nnot started\n"
    for held in summary.not_started[:5]:
        yield fit(f"  {held.count:,}: {held.reason}", width) + "\n"


def _deferred(summary: Summary, width: int) -> Iterator[str]:
    if summary.deferred:
        yield "\ndeferred\n"
    for each in summary.deferred[:_MOST_DEFERRED]:
        phase = each.phase or each.cause
        yield fit(f"  {each.cluster_name}/{each.name}: {phase} since {each.since}: {each.reason}", width) + "\n"
    count = summary.totals.outcomes["deferred"]
    if count > _MOST_DEFERRED:
        yield f"  and {count - _MOST_DEFERRED:,} more; see the report files\n"


def _groups(title: str, groups: Sequence[Group], width: int, good: frozenset[str]) -> Iterator[str]:
    yield "\n"
    head = [(title, "all", "good", "took", "others")]
    lines = [
        (
            group.name,
            f"{group.deployments:,}",
            f"{group.good:,}",
            "" if group.duration is None else span(group.duration),
            ", ".join(f"{count:,} {word}" for word, count in group.outcomes.items() if word not in good),
        )
        for group in groups
    ]
    yield from table(head + lines, width, frozenset({1, 2, 3}))


def _time_to_success(summary: Summary, width: int) -> Iterator[str]:
    curve = summary.curve
    reached = [("50%", curve.p50), ("90%", curve.p90), ("100%", curve.p100)]
    yield "\n"
    yield fit("good after: " + ", ".join(f"{name} {_after(at)}" for name, at in reached), width) + "\n"
    if summary.slowest:
        slow = "; ".join(f"{slow.cluster_name}/{slow.name} {span(slow.duration)}" for slow in summary.slowest[:3])
        yield fit(f"slowest: {slow}", width) + "\n"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.api_calls.by_kind.items())
    yield fit(f"api calls: {summary.api_calls.total:,}" + (f" ({kinds})" if kinds else ""), width) + "\n"


def _after(at: float | None) -> str:
    return "never" if at is None else span(at)


def _limits(summary: Summary, width: int) -> Iterator[str]:
    lines = [("limit", "configured", "peak", "429s", "")]
    for cloud, buckets in summary.limits.items():
        for bucket, limit in buckets.items():
            if limit.measured_peak is not None or limit.throttles or bucket == "writes":
                remark = "" if limit.within else "EXCEEDED"
                lines.append(
                    (f"{cloud} {bucket}", limit.configured, str(limit.observed_peak), str(limit.throttles), remark)
                )
    yield "\n"
    yield from table(lines, width, frozenset({1, 2, 3}))
    for cloud, runs in summary.shared_with.items():
        yield f"  limits of {cloud} shared with {fit(', '.join(runs), max(20, width - len(cloud) - 26))}\n"
