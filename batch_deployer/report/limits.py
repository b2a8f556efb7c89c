"""What was asked of the clouds: calls by kind and verdict, and each limit with the peak that was observed."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from batch_deployer.plan.plan import CloudSpec
from batch_deployer.report.document import ApiCalls, Calls, Limit
from batch_deployer.report.run_history import RunHistory, Throttling
from batch_deployer.settings import IntOrPercent, Rate

_SLACK = 0.99
"""Share of a window in which intents are counted: they are stamped by a wall clock a moment before their call leaves."""


def api_calls(story: RunHistory) -> ApiCalls:
    """The last counters of each cloud in each part, added up."""
    kinds: dict[str, Counter[str]] = {cloud: Counter() for cloud in story.plan.clouds}
    verdicts: dict[str, Counter[str]] = {cloud: Counter() for cloud in story.plan.clouds}
    for part in story.parts:
        for cloud, measured in part.measured.items():
            kinds.setdefault(cloud, Counter()).update(measured.calls)
            verdicts.setdefault(cloud, Counter()).update(measured.answers)
    by_kind = sum(kinds.values(), Counter[str]())
    by_verdict = sum(verdicts.values(), Counter[str]())
    return ApiCalls(
        total=by_kind.total(),
        by_kind=_sorted(by_kind),
        by_verdict=_sorted(by_verdict),
        clouds={
            cloud: Calls(by_kind=_sorted(kinds[cloud]), by_verdict=_sorted(verdicts[cloud])) for cloud in sorted(kinds)
        },
        complete=all(part.whole for part in story.parts),
    )


def limits(story: RunHistory) -> dict[str, dict[str, Limit]]:
    """Per cloud and bucket: `writes`, `reads`, `in_flight`, `per_cluster`, `connections`."""
    sizes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for deployment in story.plan.deployments:
        sizes[deployment.cluster.cloud][deployment.cluster.id] += 1
    return {name: _of_cloud(story, name, spec, sizes[name]) for name, spec in story.plan.clouds.items()}


def _of_cloud(story: RunHistory, cloud: str, spec: CloudSpec, sizes: Counter[str]) -> dict[str, Limit]:
    """`sizes`: deployments by cluster; what percentages are taken of."""
    limits = spec.limits
    peaks: dict[str, int] = {}
    rates: dict[str, float] = {}
    for part in story.parts:
        measured = part.measured.get(cloud)
        if measured is not None:
            rates.update(measured.rates)
            for bucket, peak in measured.peaks.items():
                peaks[bucket] = max(peak, peaks.get(bucket, 0))
    intended = peak_in_window(story.intents.get(cloud, ()), limits.writes.period * _SLACK)
    configured: dict[str, tuple[Rate | IntOrPercent | int, int]] = {
        "writes": (limits.writes, limits.writes.count),
        "reads": (limits.reads, limits.reads.count),
        "in_flight": (limits.in_flight, max(1, limits.in_flight.of(sizes.total()))),
        "per_cluster": (limits.per_cluster, max(1, limits.per_cluster.of(max(sizes.values(), default=0)))),
        "connections": (limits.connections, limits.connections),
    }
    return {
        bucket: _limit(
            limit,
            most,
            measured=peaks.get(bucket),
            intended=intended if bucket == "writes" else None,
            rate=rates.get(bucket),
            met=story.throttles.get((cloud, bucket), Throttling()),
        )
        for bucket, (limit, most) in configured.items()
    }


def _limit(
    limit: Rate | IntOrPercent | int,
    most: int,
    *,
    measured: int | None,
    intended: int | None,
    rate: float | None,
    met: Throttling,
) -> Limit:
    observed = max(measured or 0, intended or 0)
    return Limit(
        configured=str(limit),
        most=most,
        period=limit.period if isinstance(limit, Rate) else None,
        observed_peak=observed,
        within=observed <= most,
        measured_peak=measured,
        intended_peak=intended,
        learned_rate=rate,
        throttles=met.count,
        throttled=round(met.paused, 3),
    )


def peak_in_window(times: Sequence[float], period: float) -> int:
    """The most of `times` (any order) that lie in one half-open window of `period` seconds."""
    ordered = sorted(times)
    peak = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= period:
            first += 1
        peak = max(peak, last - first + 1)
    return peak


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted((name, count) for name, count in counts.items() if count))
