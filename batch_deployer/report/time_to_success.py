"""How fast a fleet got good: time to 50, 90 and 100%."""

from collections.abc import Sequence

from batch_deployer.model.deployment import Outcome
from batch_deployer.report.document import TimeToSuccess
from batch_deployer.report.run_history import RunHistory

_MOST_POINTS = 200


def curve(story: RunHistory) -> TimeToSuccess:
    """Seconds from the run's first start until shares of the deployments that are not deferred were as wanted."""
    begin = story.parts[0].started if story.parts else 0.0
    times = sorted(
        max(0.0, record.finished - begin)
        for record in story.records.values()
        if record.finished is not None and record.succeeded
    )
    total = sum(record.word != Outcome.DEFERRED for record in story.records.values())
    return TimeToSuccess(
        p50=time_to(50, times, total),
        p90=time_to(90, times, total),
        p100=time_to(100, times, total),
        points=_points(times),
    )


def time_to(percent: int, times: Sequence[float], total: int) -> float | None:
    """When `percent` of `total` were good, given the sorted times at which each became so; None: never (or no total)."""
    needed = -(-total * percent // 100)
    return round(times[needed - 1], 3) if 0 < needed <= len(times) else None


def _points(times: Sequence[float]) -> list[tuple[float, int]]:
    """Evenly chosen steps of the curve; the last one always among them."""
    count = len(times)
    chosen = sorted({(step + 1) * count // _MOST_POINTS for step in range(_MOST_POINTS)} - {0})
    return [(round(times[number - 1], 3), number) for number in chosen]
