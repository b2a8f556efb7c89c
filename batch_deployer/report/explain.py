"""`explain RUN KEY`: what one deployment is waiting for, why, since when and until when, and its whole story."""

from collections.abc import Sequence

from batch_deployer.model.deployment import Outcome
from batch_deployer.model.events import Event
from batch_deployer.plan.plan import Plan
from batch_deployer.report.blockers import Blocker, why_not_started
from batch_deployer.report.deployment_history import IN_FLIGHT, DeploymentHistory, State
from batch_deployer.report.lookup import find, readable
from batch_deployer.report.rows import wave_name
from batch_deployer.report.run_history import RunHistory, build_history
from batch_deployer.report.timeline import lines, timeline
from batch_deployer.util.text import clean, span, utc


def explain(plan: Plan, events: Sequence[Event], key: str, now: float, *, alive: bool = True) -> str:
    """The whole text. `key` may be `cluster-name/namespace/name`; InputError with suggestions when there is none.

    `now` is wall clock seconds. `alive`: whether a process is at work on the run; without one nothing moves.
    """
    deployment = find(plan, key)
    story = build_history(plan, events, alive=alive)
    record = story.records[deployment.key]
    release = deployment.release
    head = [
        clean(f"{readable(deployment)}  (key {deployment.key})"),
        clean(
            f"cloud {deployment.cluster.cloud}, wave {wave_name(story, deployment.wave)!r}, "
            f"chart {release.chart.name or release.chart.id} {release.version}, "
            f"action {record.action or 'not planned yet'}" + (f" ({record.plan_reason})" if record.plan_reason else "")
        ),
        "",
        *_now(story, record, now),
        "",
        "Story",
    ]
    told = list(lines(timeline(plan, events, deployment)))
    return "\n".join([*head, *(told or ["  nothing yet"])]) + "\n"


def _now(story: RunHistory, record: DeploymentHistory, now: float) -> list[str]:
    """State, since when; what is waited for; until when."""
    if record.state is State.ENDED:
        return _ended(record)
    since = record.since if record.since is not None else (story.parts[0].started if story.parts else None)
    text = [f"State    {record.state.value.replace('_', ' ')}" + (f" since {_moment(since, now)}" if since else "")]
    unsent = record.deferral is not None or record.state in (State.WAITING, State.DEFERRED)
    waits = why_not_started(story, record, now) if unsent else [_under_way(story, record, now)]
    moving = story.alive and story.end is None
    if story.end is not None:
        resumable = story.state == "interrupted" or record.word == IN_FLIGHT
        option = "--deferred" if record.word == Outcome.DEFERRED else "--not-started"
        how = "resume it to go on" if resumable else f"`retry {option}` takes it up in a new run"
        text.append(f"Waiting  for nothing: the run ended with exit code {story.end.exit_code}; {how}")
    elif not story.alive:
        text.append("Waiting  for nothing: no process is at work on this run; resume it to go on")
    for index, wait in enumerate(waits):
        word = "     and" if index else "Waiting  for" if moving else "Before   it waited for"
        text.append(f"{word} {clean(wait.what)}")
        if moving and wait.until is not None:
            text.append(f"Until    {_moment(wait.until, now)}{wait.note}")
        elif moving and wait.note:
            text.append(f"Until    {clean(wait.note)}")
    return text


def _ended(record: DeploymentHistory) -> list[str]:
    last = f", last status {clean(record.status)}, revision {record.revision}" if record.status else ""
    took = f" after {span(record.duration)}" if record.duration else ""
    text = [f"State    ended: {record.word}{last}"]
    if record.finished is not None:
        text.append(f"Since    {utc(record.finished)}{took}")
    if record.deferred is not None:
        text.append(
            f"Deferred since {utc(record.deferred)}" + (f", phase {clean(record.phase)}" if record.phase else "")
        )
    if record.reason:
        text.append(f"Reason   {clean(record.reason)}")
    if record.fingerprint:
        text.append(f"Cause    {clean(record.fingerprint)}")
    text.append(f"Writes   {record.attempts} intended, {record.refusals} refused, {record.uncertain} uncertain")
    return text


def _under_way(story: RunHistory, record: DeploymentHistory, now: float) -> Blocker:
    """What a deployment with a write behind it waits for."""
    settings, release = story.plan.settings, record.deployment.release
    since = record.since if record.since is not None else now
    operation = record.operation.value if record.operation else "release"
    match record.state:
        case State.SENDING:
            return Blocker(
                f"the answer to its {operation}",
                until=since + settings.wire.write_timeout,
                note=", then it is read back",
            )
        case State.READING_BACK:
            return Blocker(
                f"a look that shows whether the {operation} was executed ({record.why})",
                until=since + settings.reconcile.absence_grace,
                note=f" at the earliest, if it stays absent in {settings.reconcile.confirmations} looks",
            )
        case State.WATCHING:
            return Blocker(
                f"the cloud to end the {operation}: status {record.status or 'not seen yet'}, revision {record.revision}",
                until=(record.accepted or since) + release.timeout,
                note=f" at the latest (timeout {span(release.timeout)} from the accepted write)",
            )
        case State.REFUSED if record.until is not None and record.until > now:
            return Blocker(f"another try of its {operation}: {record.why}", until=record.until, note=" at the earliest")
        case State.REFUSED:
            return Blocker(f"its turn to try the {operation} again: {record.why}")
    return Blocker(f"the next step after its {operation}: {record.why or 'it is over'}")


def _moment(at: float, now: float) -> str:
    """A time, and how far away it is."""
    return f"{utc(at)} ({span(now - at)} ago)" if at <= now else f"{utc(at)} (in {span(at - now)})"
