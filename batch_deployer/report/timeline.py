"""The journal's events as lines that a person reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deployment
from batch_deployer.plan.plan import Plan
from batch_deployer.util.text import clean, span, utc


def timeline(plan: Plan, events: Iterable[e.Event], deployment: Deployment) -> Iterator[tuple[float, str]]:
    """(wall time, what happened) of everything that concerned one deployment, in journal order."""
    ended = False
    for event in events:
        key = getattr(event, "key", None)
        if key == deployment.key:
            ended = isinstance(event, e.Finished)
        elif key is not None or (ended and not isinstance(event, e.RunStarted | e.RunFinished)):
            continue
        if isinstance(event, e.Throttled | e.LimitShared) and event.cloud != deployment.cluster.cloud:
            continue
        if isinstance(event, e.WaveStarted | e.WavePassed) and event.wave > deployment.wave:
            continue
        say = _FORMATTERS.get(type(event))
        if say is not None:
            yield event.at, clean(say(event, plan))


def lines(told: Iterable[tuple[float, str]]) -> Iterator[str]:
    """A timeline as text, each line with its time and the seconds since the one before."""
    before: float | None = None
    for at, text in told:
        gap = "" if before is None else f"+{span(max(0.0, at - before))}"
        yield f"  {utc(at)}  {gap:>9}  {text}"
        before = at


def _status(status: str, revision: int) -> str:
    return (status or "no status") + (f", revision {revision}" if revision else "")


def _planned(event: e.Planned, _plan: Plan) -> str:
    found = f"found {_status(event.status, event.revision)}" if event.status else "found absent"
    return f"planned: {event.action.value}" + (f" ({event.reason})" if event.reason else "") + f"; {found}"


def _intended(event: e.Intended, _plan: Plan) -> str:
    base = f", baseline revision {event.revision}" if event.revision else ""
    return f"{event.operation.value} is about to leave (write {event.attempt}{base})"


def _accepted(event: e.Accepted, _plan: Plan) -> str:
    return f"{event.operation.value} accepted by the cloud{_request(event.request_id)}"


def _refused(event: e.Refused, _plan: Plan) -> str:
    told = ": ".join(part for part in (event.why, event.code, event.message) if part)
    again = f"; again after {span(event.wait)}" if event.wait else ""
    return f"{event.operation.value} not executed ({told}){again}{_request(event.request_id)}"


def _uncertain(event: e.Uncertain, _plan: Plan) -> str:
    return f"{event.operation.value} may have been executed ({event.why}): reading back{_request(event.request_id)}"


def _confirmed(event: e.Confirmed, _plan: Plan) -> str:
    return f"read back: the {event.operation.value} took effect ({_status(event.status, event.revision)})"


def _missing(event: e.Missing, _plan: Plan) -> str:
    return f"read back: the {event.operation.value} did not take effect; it may be sent once more"


def _step_completed(event: e.StepCompleted, _plan: Plan) -> str:
    why = f": {event.reason}" if event.reason else ""
    return f"{event.operation.value} is over ({_status(event.status, event.revision)}){why}; the next step follows"


def _finished(event: e.Finished, _plan: Plan) -> str:
    last = f" ({_status(event.status, event.revision)})" if event.status else ""
    return f"ended: {event.outcome.value}{last}" + (f": {event.reason}" if event.reason else "")


def _run_started(event: e.RunStarted, _plan: Plan) -> str:
    process = f" by process {event.pid}" if event.pid else ""
    return f"run {event.run} {'resumed' if event.resumed else 'started'}{process}"


def _wave(plan: Plan, wave: int) -> str:
    return f"wave {plan.waves[wave].name!r}" if 0 <= wave < len(plan.waves) else f"wave {wave + 1}"


def _throttled(event: e.Throttled, _plan: Plan) -> str:
    said = f": {event.message}" if event.message else ""
    return f"cloud {event.cloud} throttled its {event.bucket} for {span(event.wait)}{said}"


def _limit_shared(event: e.LimitShared, _plan: Plan) -> str:
    with_whom = f"shared with {', '.join(event.runs)}" if event.runs else "no longer shared"
    return f"the limits of cloud {event.cloud} are {with_whom}"


def _run_finished(event: e.RunFinished, _plan: Plan) -> str:
    return f"run ended with exit code {event.exit_code}" + (f": {event.reason}" if event.reason else "")


def _request(request_id: str) -> str:
    return f" [request {request_id}]" if request_id else ""


_FORMATTERS: Mapping[type, Callable[[Any, Plan], str]] = MappingProxyType(
    {
        e.Planned: _planned,
        e.Intended: _intended,
        e.Accepted: _accepted,
        e.Refused: _refused,
        e.Uncertain: _uncertain,
        e.Confirmed: _confirmed,
        e.Missing: _missing,
        e.Undecided: lambda event, _plan: f"cannot start yet: {event.why}",
        e.Deferred: lambda event, _plan: f"deferred: {event.why}",
        e.Requeued: lambda _event, _plan: "no longer deferred: it is due again",
        e.Seen: lambda event, _plan: f"seen: {_status(event.status, event.revision)}",
        e.StepCompleted: _step_completed,
        e.Finished: _finished,
        e.RunStarted: _run_started,
        e.WaveStarted: lambda event, plan: f"{_wave(plan, event.wave)} started",
        e.WavePassed: lambda event, plan: f"{_wave(plan, event.wave)} passed its gate",
        e.Halted: lambda event, _plan: f"halted ({event.scope}): {event.reason}",
        e.Paused: lambda _event, _plan: "paused by an operator",
        e.Continued: lambda _event, _plan: "continued by an operator",
        e.Stopping: lambda event, _plan: f"signal {event.signal}: nothing more is started",
        e.Throttled: _throttled,
        e.LimitShared: _limit_shared,
        e.RunFinished: _run_finished,
    }
)
