"""Whether a release runs as wanted: the one rule of `plan`, `run` and the adoption of a write whose answer was lost.

A release that is shown exactly as our last write left it is compared with what that write sent. Any other release is
compared with what the cloud shows. docs/manifest.md ("When a release is unchanged") has the rule for users.
"""

import json
from collections.abc import Callable, Iterator, Mapping

import msgspec

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.chart_version import same_version
from batch_deployer.model.deployment import ConfirmedState, ReleaseSpec, Remembered
from batch_deployer.model.helm_values import Json, compact, covers, dotted, load_values
from batch_deployer.rules.ownership import MAX_NAMED, changed_since, is_comparable


class Comparison(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a release differs from what is wanted. Paths of values are texts such as `image.tag` and `hosts[0].name`."""

    reason: str = ""
    """Empty when it runs as wanted."""
    changed: tuple[str, ...] = ()
    """Values that are wanted otherwise than they were sent last."""
    removed: tuple[str, ...] = ()
    """Values that are no longer wanted."""
    extra: tuple[str, ...] = ()
    """Values that the cloud shows and nobody wants; they are kept."""


def compare(
    spec: ReleaseSpec,
    chart_name: str,
    values: Mapping[str, Json],
    state: ReleaseState,
    *,
    exact: bool = False,
    now: ConfirmedState | None = None,
    remembered: Remembered | None = None,
    digests: Callable[[], Mapping[str, str]] = dict,
) -> Comparison:
    """Compare what runs with what is wanted.

    chart_name: empty when the chart is only known by an id that the cloud does not list; then names are not compared.
    values: as wanted, secrets filled in. exact: a value that is shown and not wanted is a difference.
    now: `state` in the form of `remembered`; without both, the release is compared with what is shown.
    digests: `leaf_digests` of `values`.
    """
    if chart_name and state.chart_name and state.chart_name != chart_name:
        return Comparison(reason=f"chart {state.chart_name} runs, {chart_name} is wanted")
    if not same_version(state.chart_version, spec.version):
        return Comparison(reason=f"chart version {state.chart_version or 'unknown'} runs, {spec.version} is wanted")
    ours = remembered.confirmed if remembered is not None else None
    if remembered and ours and now and is_comparable(ours, now) and not changed_since(ours, now):
        return _with_sent(remembered.sent, digests())
    return _with_shown(load_values(state.values_json), values, exact=exact)


def whole_digest(values: Mapping[str, Json], digest: Callable[[str], str]) -> str:
    """What stands for all values of a release in the journal."""
    return digest(compact(dict(values)))[:16]


def leaf_digests(values: Json, digest: Callable[[str], str]) -> dict[str, str]:
    """Digest of each value that is neither a filled map nor a filled list, by its path as a JSON array."""
    return {compact(list(path)): digest(compact(_plain(value)))[:16] for path, value in _leaves(values, ())}


def _leaves(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    elif path:
        yield path, value


def _plain(value: Json) -> Json:
    """Whole numbers in one spelling: 1.0 and 1 are one value in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_sent(sent: Mapping[str, str], wanted: Mapping[str, str]) -> Comparison:
    if sent == wanted:
        return Comparison()
    changed = tuple(_dotted(path) for path, digest in wanted.items() if sent.get(path) != digest)
    # What became a map or a list is changed, not removed.
    removed = tuple(path for path in map(_dotted, (each for each in sent if each not in wanted)) if path not in changed)
    told = [f"{path} is changed" for path in changed] + [f"{path} is removed" for path in removed]
    more = f" and {len(told) - MAX_NAMED:,} more" if len(told) > MAX_NAMED else ""
    reason = f"values differ from those sent last: {', '.join(told[:MAX_NAMED])}{more}"
    return Comparison(reason=reason, changed=changed, removed=removed)


def _with_shown(shown: Json, values: Mapping[str, Json], *, exact: bool) -> Comparison:
    if shown is None:
        return Comparison(reason="the cloud shows no values to compare" if values else "")
    extra = tuple(extra_keys(shown, dict(values)))
    if not covers(shown, dict(values)):
        return Comparison(reason="values differ", removed=extra if exact else ())
    if exact and extra:
        return Comparison(reason="values that nobody wants are shown", removed=extra)
    return Comparison(extra=extra)


def extra_keys(shown: Json, wanted: Json, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Paths of the keys of maps that are shown and not wanted."""
    if isinstance(shown, dict) and isinstance(wanted, dict):
        for name, value in shown.items():
            if name in wanted:
                yield from extra_keys(value, wanted[name], (*path, name))
            elif value is not None:
                yield dotted((*path, name))


def _dotted(path: str) -> str:
    return dotted(json.loads(path))
