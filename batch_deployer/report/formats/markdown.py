"""`report.md`: for pull requests, chats and job summaries (GitHub-flavoured)."""

import re
from collections.abc import Iterator, Sequence

from batch_deployer.report.document import DeploymentRow, Group, Summary
from batch_deployer.report.groups import success_words
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise
from batch_deployer.util.text import span

_MOST_ROWS = 1000
"""GitHub cuts a job summary at 1 MiB."""


def to_markdown(story: RunHistory, summary: Summary | None = None, *, rows: Rows | None = None) -> Iterator[str]:
    """The summary as tables, then every deployment that is not good, then the rest, at most 1,000 rows."""
    summary, good = summary or summarise(story), success_words(story)
    run = summary.run
    code = "none" if run.exit_code is None else str(run.exit_code)
    yield f"# {code_span(run.manifest)}: {run.state}, exit code {code}\n\n"
    yield f"Run {code_span(run.id)}, started {run.started or 'never'}, took {span(run.duration)}"
    yield f" in {run.parts} parts.\n" if run.parts > 1 else ".\n"
    yield "".join(f"\n{kind}: {code_span(text)}\n" for kind, text in _remarks(summary))
    yield "\n## Totals\n\n" + _table(("Outcome", "Deployments"), _outcomes(summary))
    yield _failures(summary)
    yield _deferred(summary)
    yield "\n## Waves\n\n" + _groups("Wave", summary.waves, good)
    yield "\n## Clouds\n\n" + _groups("Cloud", summary.clouds, good)
    yield "\n## Limits\n\n" + _limits(summary)
    for cloud, runs in summary.shared_with.items():
        yield f"\nThe limits of {code_span(cloud)} were shared with {', '.join(map(code_span, runs))}.\n"
    yield from _deployments(rows or Rows(story), summary.totals.deployments, good)


def code_span(text: str) -> str:
    """Foreign text so that neither Markdown, HTML, mentions nor links in it come alive."""
    if not text:
        return ""
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _remarks(summary: Summary) -> Iterator[tuple[str, str]]:
    if summary.run.reason:
        yield "Reason", summary.run.reason
    for halt in summary.run.halts:
        yield "Halted", halt
    for warning in summary.warnings[:20]:
        yield "Warning", warning


def _outcomes(summary: Summary) -> Iterator[tuple[str, ...]]:
    for outcome, count in summary.totals.outcomes.items():
        if count:
            yield outcome, f"{count:,}"
    yield "**all**", f"**{summary.totals.deployments:,}**"


def _failures(summary: Summary) -> str:
    if not summary.failures:
        return ""
    lines = (
        (
            f"{failure.count:,}",
            failure.outcome,
            code_span(failure.reason),
            _clusters(failure.clusters, failure.cluster_count),
        )
        for failure in summary.failures[:50]
    )
    return "\n## Failures\n\n" + _table(("Count", "Outcome", "Reason (first)", "Clusters"), lines)


def _deferred(summary: Summary) -> str:
    if not summary.deferred:
        return ""
    lines = (
        (
            code_span(each.cluster_name),
            code_span(each.name),
            code_span(each.phase or each.cause),
            each.since or "",
            code_span(each.reason),
        )
        for each in summary.deferred[:50]
    )
    count = summary.totals.outcomes["deferred"]
    more = f"\nand {count - 50:,} more; report.csv has all\n" if count > 50 else ""
    return "\n## Deferred\n\n" + _table(("Cluster", "Release", "Phase or cause", "Since", "Reason"), lines) + more


def _clusters(names: Sequence[str], count: int) -> str:
    shown = ", ".join(code_span(name) for name in names[:5])
    return f"{shown} and {count - 5} more" if count > 5 else shown


def _groups(title: str, groups: Sequence[Group], good: frozenset[str]) -> str:
    lines = (
        (
            code_span(group.name),
            f"{group.deployments:,}",
            f"{group.good:,}",
            ", ".join(f"{count:,} {word}" for word, count in group.outcomes.items() if word not in good),
            "" if group.duration is None else span(group.duration),
        )
        for group in groups
    )
    return _table((title, "Deployments", "Good", "Others", "Took"), lines)


def _limits(summary: Summary) -> str:
    lines = (
        (
            code_span(cloud),
            bucket,
            limit.configured,
            str(limit.observed_peak),
            "yes" if limit.within else "**no**",
            str(limit.throttles),
        )
        for cloud, buckets in summary.limits.items()
        for bucket, limit in buckets.items()
    )
    return _table(("Cloud", "Bucket", "Configured", "Observed peak", "Within", "429s"), lines)


def _deployments(rows: Rows, total: int, good: frozenset[str]) -> Iterator[str]:
    yield "\n## Deployments\n\n"
    if total > _MOST_ROWS:
        yield f"The first {_MOST_ROWS:,} of {total:,}, those that need a look first; report.csv has all.\n\n"
    head = ("Cluster", "Namespace", "Release", "Version", "Action", "Outcome", "Reason")
    yield _table(head, ())
    yield from (_line(_cells(row)) for row in rows.failures_first(good, _MOST_ROWS))


def _cells(row: DeploymentRow) -> tuple[str, ...]:
    texts = (row.cluster_name, row.namespace, row.name, row.version)
    return (*(code_span(text) for text in texts), row.action, row.outcome, code_span(row.reason))


def _table(head: Sequence[str], lines: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    return _line(head) + _line(["---"] * len(head)) + "".join(_line(line) for line in lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
