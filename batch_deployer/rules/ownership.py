"""Whether a release is shown as our own write left it, or somebody else changed it. Only proof counts, never a doubt."""

import json
from collections.abc import Iterator

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.chart_version import same_version
from batch_deployer.model.deployment import ConfirmedState
from batch_deployer.model.helm_values import Json, load_values, same_scalar
from batch_deployer.rules.observation import different_times

THEIRS = "changed by somebody else"
"""Cause of a failure: what runs is not the work of our write. It is left alone."""
OTHER_VALUES = "other values"
MAX_NAMED = 5
"""Values that one reason names."""
SHORTEST_MASK = 3
"""Asterisks that a cloud shows in place of a secret, at least."""


def changed_since(ours: ConfirmedState, now: ConfirmedState) -> str:
    """All that differs between a release as our last confirmed poll left it and as it is shown now; empty: still ours."""
    found = []
    if ours.revision and now.revision and now.revision != ours.revision:
        found.append(f"revision {now.revision}, ours was {ours.revision}")
    if different_times(ours.created_at, now.created_at):
        found.append(f"created at {now.created_at}, ours was created at {ours.created_at}")
    if ours.chart_name and now.chart_name and now.chart_name != ours.chart_name:
        found.append(f"chart {now.chart_name}, ours was {ours.chart_name}")
    if ours.chart_version and now.chart_version and not same_version(now.chart_version, ours.chart_version):
        found.append(f"chart version {now.chart_version}, ours was {ours.chart_version}")
    if ours.values and now.values and is_comparable(ours, now) and now.values != ours.values:
        found.append(OTHER_VALUES)
    return "; ".join(found)


def is_comparable(one: ConfirmedState, other: ConfirmedState) -> bool:
    """Whether the digests were made by one key; by another, after the state folder has lost its own, they prove nothing."""
    unknown = not one.values or not other.values
    return unknown or one.values.partition("-")[2] == other.values.partition("-")[2]


def contradiction(state: ReleaseState, *, chart_name: str, version: str, values_json: str) -> str:
    """How chart and values of a release prove that it is not what our write sent; empty without proof.

    chart_name, version, values_json: as sent, empty where unknown; the values may still hold their secret markers.
    """
    found = []
    if chart_name and state.chart_name and state.chart_name != chart_name:
        found.append(f"chart {state.chart_name} runs, {chart_name} was sent")
    if version and state.chart_version and not same_version(state.chart_version, version):
        found.append(f"chart version {state.chart_version} runs, {version} was sent")
    shown, sent = load_values(state.values_json), load_values(values_json)
    if isinstance(shown, dict) and shown and isinstance(sent, dict):
        paths = list(contradictions(shown, sent))
        more = f" and {len(paths) - MAX_NAMED:,} more" if len(paths) > MAX_NAMED else ""
        if paths:
            found.append(f"other values run: {', '.join(paths[:MAX_NAMED])}{more}")
    return "; ".join(found)


def contradictions(shown: Json, sent: Json, path: str = "") -> Iterator[str]:
    """Paths at which the shown values prove that others were written than the sent ones.

    A server may turn 8080 into "8080", leave out what is empty, hide a secret, or add the defaults of a chart: no proof.
    """
    if sent is None or shown is None or _is_mask(shown):
        return
    if isinstance(sent, dict) and isinstance(shown, dict):
        for name, value in sent.items():
            below = f"{path}.{name}" if path else name
            if name in shown:
                yield from contradictions(shown[name], value, below)
            elif _is_visible(value):
                yield below
    elif isinstance(sent, list) and isinstance(shown, list):
        yield from _of_lists(shown, sent, path)
    elif isinstance(sent, dict | list) or isinstance(shown, dict | list):
        if _is_visible(sent) and not (_is_empty(shown) and _is_empty(sent)):
            yield path
    elif not _holds_secret(sent) and not _same(shown, sent):
        yield path


def _of_lists(shown: list[Json], sent: list[Json], path: str) -> Iterator[str]:
    """Contradictions of two lists, of which the shown one may lack what is empty."""
    filled = [item for item in sent if not _is_empty(item)]
    visible = [item for item in filled if _is_visible(item) or _holds_secret(item)]
    for present in (sent, filled, visible):
        if len(shown) == len(present):
            for number, (left, right) in enumerate(zip(shown, present, strict=True)):
                yield from contradictions(left, right, f"{path}[{number}]")
            return
    if any(map(_is_visible, sent)):
        yield path


def _is_mask(value: Json) -> bool:
    return isinstance(value, str) and len(value) >= SHORTEST_MASK and not value.strip("*")


def _is_empty(value: Json) -> bool:
    return value is None or value in ("", [], {})


def _is_visible(value: Json) -> bool:
    """Whether a cloud that leaves out what is empty, and hides secrets, would still show something of it."""
    if isinstance(value, dict):
        return any(map(_is_visible, value.values()))
    if isinstance(value, list):
        return any(map(_is_visible, value))
    return not _is_empty(value) and not _holds_secret(value)


def _holds_secret(value: Json) -> bool:
    return isinstance(value, str) and "${secret:" in value


def _same(shown: Json, sent: Json) -> bool:
    """Whether two scalars are one value, whatever their types: 8080 and "8080", true and "true"."""
    sent = sent.replace("$${", "${") if isinstance(sent, str) else sent
    if same_scalar(shown, sent):
        return True
    if isinstance(shown, str) and isinstance(sent, str):
        return False
    return same_scalar(_read(shown), _read(sent))


def _read(value: Json) -> Json:
    """A text that holds a number or a boolean, as that."""
    if not isinstance(value, str):
        return value
    try:
        found: Json = json.loads(value.strip().lower())
    except (ValueError, RecursionError):
        return value
    return value if isinstance(found, dict | list) else found
