"""A story in numbers: everything a report says above its list of deployments."""

from batch_deployer.report.document import VERSION, RunInfo, Summary
from batch_deployer.report.groups import deferred, failures, groups, held_back, slowest, totals
from batch_deployer.report.limits import api_calls, limits
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.time_to_success import curve
from batch_deployer.util.text import clean, utc

_KILLED = "the run has no end in its journal: its process was killed; resume it to go on"


def summarise(story: RunHistory) -> Summary:
    """All numbers of a story; pure."""
    by_wave, by_cloud, by_release = groups(story)
    return Summary(
        version=VERSION,
        run=run_info(story),
        totals=totals(story),
        waves=by_wave,
        clouds=by_cloud,
        releases=by_release,
        failures=failures(story),
        deferred=deferred(story),
        not_started=held_back(story),
        slowest=slowest(story.records.values()),
        curve=curve(story),
        api_calls=api_calls(story),
        limits=limits(story),
        shared_with={cloud: sorted(map(clean, runs)) for cloud, runs in sorted(story.shared_with.items())},
        warnings=_warnings(story),
    )


def run_info(story: RunHistory) -> RunInfo:
    """What ran, when, and how it ended."""
    parts = story.parts
    begin, end = (parts[0].started, parts[-1].ended) if parts else (None, None)
    unended = "the run goes on" if story.alive else _KILLED
    return RunInfo(
        id=clean(story.run),
        manifest=clean(story.manifest),
        state=story.state,
        exit_code=None if story.end is None else story.end.exit_code,
        reason=clean(unended if story.end is None else story.end.reason),
        program_version=parts[-1].version if parts else "",
        started=None if begin is None else utc(begin),
        ended=None if end is None or story.state == "running" else utc(end),
        duration=0.0 if begin is None or end is None else round(max(0.0, end - begin), 3),
        active=round(sum(part.ended - part.started for part in parts), 3),
        parts=len(parts),
        halts=[clean(f"{halt.scope}: {halt.reason}") for halt in story.halts],
    )


def _warnings(story: RunHistory) -> list[str]:
    said = [clean(text) for text in story.plan.warnings if text not in story.warnings]
    said += [clean(text) + (f" (x{count})" if count > 1 else "") for text, count in story.warnings.items()]
    if story.strangers:
        said.append(f"{story.strangers} events name deployments that the plan does not hold; the journal is damaged")
    return said
