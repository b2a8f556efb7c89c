"""Progress as plain lines, for logs of CI systems, cron mail and pipes."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO, get_args

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.observe.counters import RunCounters
from batch_deployer.plan.plan import Plan
from batch_deployer.util.text import clean, span, utc

_MOST_FAILURES = 20
"""Single failures told at once; more are only counted, so that a bad night does not fill a disk."""
_MOST_DEFERRALS = 20
"""Single deferrals, and ends of such, told at once."""
_NO_NEWS = frozenset(get_args(e.DeploymentEvent)) - {e.Finished, e.Deferred, e.Requeued}
"""What happens many times to each deployment and is never worth a line."""


class PlainProgress:
    """A listener that writes a line when something happens that a person wants to know, and one every `every` seconds.

    As a context manager it also ticks while no event comes. `quiet`: nothing but failures, halts and the end.
    """

    def __init__(
        self,
        tally: RunCounters,
        plan: Plan,
        stream: TextIO,
        *,
        every: float = 15.0,
        quiet: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Lines are prefixed with the time of the event, or with `now()` for those that come by the clock."""
        self._tally = tally
        self._plan = plan
        self._stream = stream
        self._every = every
        self._quiet = quiet
        self._now = now
        self._last = ""
        self._failures = self._deferrals = 0
        self._throttled_until = 0.0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start to tick."""
        if not self._quiet:
            self._thread = threading.Thread(target=self._ticks, name="plain-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to tick."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def on_event(self, event: e.Event) -> None:
        """Say it at once if it is worth a line."""
        text = "" if type(event) in _NO_NEWS else self._line(event)
        if text:
            self._print(self._tally.wall(event.at), text)

    def tick(self) -> None:
        """The periodic line; left out when nothing changed since the last one."""
        now = self._now()
        text = status_line(self._tally, now - self._tally.clock_steps)
        counts = text.split(";")[0]
        if counts != self._last:
            self._last = counts
            self._print(now, text)

    def _ticks(self) -> None:
        while not self._done.wait(self._every):
            self.tick()

    def _print(self, at: float, text: str) -> None:
        self._stream.write(f"{utc(at)} {text}\n")
        self._stream.flush()

    def _line(self, event: e.Event) -> str:
        match event:
            case e.Finished():
                return self._failure(event)
            case e.Halted():
                return f"halted ({event.scope}): {clean(event.reason)}"
            case e.Stopping():
                return f"signal {event.signal}: nothing more is started; what is in flight is watched for a while"
            case e.RunFinished():
                ended = status_line(self._tally, event.at)
                return f"run {clean(self._tally.run)} ended, exit code {event.exit_code}: {ended}"
        return "" if self._quiet else self._chat(event)

    def _chat(self, event: e.Event) -> str:
        match event:
            case e.RunStarted():
                word = "resumed" if event.resumed else "started"
                return f"run {clean(event.run)} {word}: {self._tally.total:,} deployments"
            case e.WaveStarted():
                return f"wave {self._wave(event.wave)} started"
            case e.WavePassed():
                return f"wave {self._wave(event.wave)} passed"
            case e.Paused():
                return "paused by an operator"
            case e.Continued():
                return "continued by an operator"
            case e.Deferred() | e.Requeued():
                return self._deferral(event)
            case e.Warned():
                return f"warning: {clean(event.message)}"
            case e.Throttled() if event.at >= self._throttled_until:
                self._throttled_until = event.at + max(event.wait, 30.0)
                return f"cloud {clean(event.cloud)} throttles {event.bucket}: waiting {span(event.wait)}"
            case e.LimitShared():
                runs = ", ".join(clean(run, 60) for run in event.runs)
                cloud = f"the limits of cloud {clean(event.cloud)} are"
                return f"{cloud} shared with {runs}" if runs else f"{cloud} no longer shared"
        return ""

    def _failure(self, event: e.Finished) -> str:
        unsaid = (Outcome.NOT_STARTED, Outcome.DEFERRED)
        if self._tally.wanted(event.key, event.outcome) or event.outcome in unsaid:
            return ""
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            return ""
        more = " (further failures are only counted)" if self._failures == _MOST_FAILURES else ""
        return f"{self._tally.name(event.key)} {event.outcome.value}: {clean(event.reason, 300)}{more}"

    def _deferral(self, event: e.Deferred | e.Requeued) -> str:
        if isinstance(event, e.Deferred) and event.cause is Deferral.CLOUD:
            return ""  # a warning has told of the cloud
        self._deferrals += 1
        if self._deferrals > _MOST_DEFERRALS:
            return ""
        more = " (further ones are only counted)" if self._deferrals == _MOST_DEFERRALS else ""
        what = f"deferred: {clean(event.why, 300)}" if isinstance(event, e.Deferred) else "is no longer deferred"
        return f"{self._tally.name(event.key)} {what}{more}"

    def _wave(self, wave: int) -> str:
        return repr(clean(self._plan.waves[wave].name)) if 0 <= wave < len(self._plan.waves) else str(wave)


def status_line(tally: RunCounters, now: float) -> str:
    """`412/1,000 ended (400 deployed, 12 failed), 64 in flight; 9.8/min, about 1h 00m left; ...`."""
    counts = [f"{count:,} {word}" for word, count in sorted(tally.outcomes.items(), key=lambda pair: -pair[1]) if count]
    text = f"{tally.ended:,}/{tally.total:,} ended"
    text += f" ({', '.join(counts)})" if counts else ""
    text += f", {tally.in_flight:,} in flight"
    text += f", {tally.deferred:,} deferred" if tally.deferred else ""
    eta = tally.eta(now)
    if eta is not None and tally.exit_code is None:
        text += f"; {60 * tally.rate(now):.1f}/min, about {span(eta)} left"
    for cloud, bucket, left in tally.throttled(now):
        text += f"; {clean(cloud)} {bucket} throttled for {span(left)}"
    return text + ("; paused" if tally.paused else "")
