"""`diff RUN RUN`: what changed from one run to another."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from batch_deployer.report.deployment_history import DeploymentHistory
from batch_deployer.report.formats.text import fit, table
from batch_deployer.report.lookup import readable
from batch_deployer.report.run_history import RunHistory
from batch_deployer.util.text import clean, span

VERSION = 1
_SLOWER_BY = 30.0
_SLOWER_TIMES = 1.5
"""A duration counts as changed when it differs by 30 s and by half: installs vary by themselves."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of one deployment that differs."""

    key: str
    name: str
    """`cluster-name/namespace/name`."""
    what: str
    """`outcome`, `version`, `chart` or `values`."""
    before: str
    after: str


class DurationChange(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that took notably longer or shorter; seconds."""

    key: str
    name: str
    before: float
    after: float


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    run: str
    manifest: str
    deployments: int
    outcomes: dict[str, int]
    duration: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed; deployments are matched by key."""

    version: int
    before: Side
    after: Side
    new: list[str]
    gone: list[str]
    changes: list[Change]
    paces: list[DurationChange]
    """Slowest first."""


def compare(before: RunHistory, after: RunHistory) -> Difference:
    """Match the deployments of two runs and say what differs."""
    shared = [key for key in after.records if key in before.records]
    pairs = [(before.records[key], after.records[key]) for key in shared]
    paces = [pace for old, new in pairs if (pace := _duration_change(old, new)) is not None]
    return Difference(
        version=VERSION,
        before=_side(before),
        after=_side(after),
        new=[_label(record) for key, record in after.records.items() if key not in before.records],
        gone=[_label(record) for key, record in before.records.items() if key not in after.records],
        changes=[change for old, new in pairs for change in _changes(old, new)],
        paces=sorted(paces, key=lambda pace: pace.before - pace.after),
    )


def to_json(difference: Difference) -> str:
    """The difference as JSON, its keys as in `Difference`."""
    return msgspec.json.format(msgspec.json.encode(difference), indent=2).decode() + "\n"


def to_text(difference: Difference, width: int = 100, most: int = 50) -> Iterator[str]:
    """The difference for a terminal; at most `most` lines of each kind."""
    before, after = difference.before, difference.after
    yield fit(f"{before.run} ({before.manifest}) -> {after.run} ({after.manifest})", width) + "\n"
    yield fit(f"took {span(before.duration)} -> {span(after.duration)}", width) + "\n\n"
    words = dict.fromkeys([*before.outcomes, *after.outcomes])
    counts = [
        (word, str(before.outcomes.get(word, 0)), str(after.outcomes.get(word, 0)), _signed(after, before, word))
        for word in words
    ]
    yield from table([("outcome", "before", "after", ""), *counts], width, frozenset({1, 2, 3}))
    for title, names in (("new", difference.new), ("gone", difference.gone)):
        yield from _listed(title, [(name,) for name in names], width, most)
    for what in dict.fromkeys(change.what for change in difference.changes):
        lines = [(c.name, c.before, "->", c.after) for c in difference.changes if c.what == what]
        yield from _listed(f"{what} changed", lines, width, most)
    paces = [(pace.name, span(pace.before), "->", span(pace.after)) for pace in difference.paces]
    yield from _listed("duration changed", paces, width, most)
    if not (difference.new or difference.gone or difference.changes or difference.paces):
        yield "\nnothing else changed\n"


def _listed(title: str, lines: Sequence[tuple[str, ...]], width: int, most: int) -> Iterator[str]:
    if lines:
        yield f"\n{title}: {len(lines):,}\n"
        yield from table(lines[:most], width)
    if len(lines) > most:
        yield f"  and {len(lines) - most:,} more; --format json has all\n"


def _signed(after: Side, before: Side, word: str) -> str:
    delta = after.outcomes.get(word, 0) - before.outcomes.get(word, 0)
    return f"{delta:+d}" if delta else ""


def _side(story: RunHistory) -> Side:
    outcomes = Counter(record.word for record in story.records.values())
    parts = story.parts
    return Side(
        run=clean(story.run),
        manifest=clean(story.manifest),
        deployments=len(story.records),
        outcomes=dict(sorted(outcomes.items())),
        duration=round(parts[-1].ended - parts[0].started, 3) if parts else 0.0,
    )


def _changes(old: DeploymentHistory, new: DeploymentHistory) -> Iterator[Change]:
    was, now = old.deployment.release, new.deployment.release
    if old.word != new.word:
        yield _change(new, "outcome", _ending(old), _ending(new))
    if was.version != now.version:
        yield _change(new, "version", was.version, now.version)
    if was.chart != now.chart:
        yield _change(new, "chart", was.chart.name or was.chart.id, now.chart.name or now.chart.id)
    if was.values_json != now.values_json:
        yield _change(new, "values", "", "other values")


def _change(record: DeploymentHistory, what: str, before: str, after: str) -> Change:
    return Change(
        key=clean(record.deployment.key),
        name=_label(record),
        what=what,
        before=clean(before, 200),
        after=clean(after, 200),
    )


def _ending(record: DeploymentHistory) -> str:
    return record.word if record.succeeded or not record.reason else f"{record.word}: {record.reason}"


def _duration_change(old: DeploymentHistory, new: DeploymentHistory) -> DurationChange | None:
    before, after = old.install_duration, new.install_duration
    if before is None or after is None or abs(before - after) < _SLOWER_BY:
        return None
    if max(before, after) < _SLOWER_TIMES * min(before, after):
        return None
    return DurationChange(
        key=clean(new.deployment.key), name=_label(new), before=round(before, 3), after=round(after, 3)
    )


def _label(record: DeploymentHistory) -> str:
    return clean(readable(record.deployment))
