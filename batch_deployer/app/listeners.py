"""Everybody who hears a run's events: its story, its log or progress, metrics, pings and notifications."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from batch_deployer.app.fanout import Fanout
from batch_deployer.app.secrets import SecretStore
from batch_deployer.model.events import Event, RunFinished
from batch_deployer.observe.counters import RunCounters
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Listener
from batch_deployer.report.run_history import RunHistory, build_history
from batch_deployer.rules.wall_clock import SteadyTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How a run is told while it goes on."""

    log_format: Literal["json", "console"] = "console"
    """`json`: structured log lines; `console`: live progress on a terminal, plain lines elsewhere."""
    live: bool = False
    """Whether stderr is a terminal that can redraw."""
    quiet: bool = False
    """Only failures, and nothing at all (notification included) when nothing was changed."""
    ping: str = ""
    metrics_file: Path | None = None
    notify: Sequence[str] = ()


class EventListeners:
    """The listeners of one run. Enter it before the first event, leave it after the last."""

    def __init__(self, plan: Plan, telling: OutputOptions, store: SecretStore, warn: Callable[[str], None]) -> None:
        """Raises InputError for a URL or a file that cannot be used."""
        self.story: RunHistory = build_history(plan, ())
        self.tally = RunCounters(plan)
        self._times = SteadyTimes()
        self._progress = _progress(plan, telling, self.tally, store)
        self._ping, self._closing = None, []
        outside: list[Listener] = []
        if telling.metrics_file is not None:
            from batch_deployer.observe.metrics import MetricsFile  # noqa: PLC0415 - loaded only where it is wanted

            outside.append(MetricsFile(telling.metrics_file, plan, self.tally, warn))
        if telling.ping:
            from batch_deployer.observe.healthcheck import Healthcheck  # noqa: PLC0415 - loaded only where it is wanted

            store.remember(telling.ping)
            self._ping = Healthcheck(telling.ping, self.tally, warn)
            outside.append(self._ping)
            self._closing.append(self._ping.close)
        if telling.notify:
            from batch_deployer.observe.notify import Notifier  # noqa: PLC0415 - loaded only where it is wanted

            for url in telling.notify:
                store.remember(url)
            notifier = Notifier(telling.notify, self.tally, warn, unless_unchanged=telling.quiet)
            outside.append(notifier)
            self._closing.append(notifier.close)
        # The tally counts first, for all who show its numbers.
        self._fanout = Fanout([self.tally, self.story, *self._progress, *outside], warn)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin to show progress."""
        for listener in self._progress:
            if isinstance(listener, AbstractContextManager):
                self._stack.enter_context(listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal clean and wait a little for the last words to the outside."""
        self._stack.close()
        for close in self._closing:
            close()

    def on_event(self, event: Event) -> None:
        """Tell everybody."""
        self._fanout.on_event(self._times.steady(event))

    def restore(self, events: Iterable[Event]) -> bool:
        """What earlier parts of the run did: counted and remembered, but no news for anybody. Whether there was any."""
        event = None
        for event in map(self._times.steady, events):
            self.tally.on_event(event)
            self.story.on_event(event)
        return event is not None

    def failed(self, why: str) -> None:
        """Tell the monitor that no run took place."""
        if self._ping is not None:
            self._ping.fail(why)


def _progress(plan: Plan, telling: OutputOptions, tally: RunCounters, store: SecretStore) -> list[Listener]:
    if telling.log_format == "json":
        from batch_deployer.observe.logs import LogListener, make_logger  # noqa: PLC0415 - loaded only where it is wanted

        return [LogListener(make_logger("json", secrets=store.known), tally)]
    if telling.live and not telling.quiet:
        from batch_deployer.observe.live_progress import LiveProgress  # noqa: PLC0415 - loaded only where it is wanted

        return [LiveProgress(tally, plan)]
    from batch_deployer.observe.plain_progress import PlainProgress  # noqa: PLC0415 - loaded only where it is wanted

    plain = PlainProgress(tally, plan, sys.stderr, quiet=telling.quiet)
    return [_UnlessUnchanged(plain, tally) if telling.quiet else plain]


class _UnlessUnchanged:
    """Keeps the end of a good run in which nothing was changed to itself: cron mails whatever is said."""

    def __init__(self, inner: Listener, tally: RunCounters) -> None:
        self._inner = inner
        self._tally = tally

    def on_event(self, event: Event) -> None:
        if not (isinstance(event, RunFinished) and event.exit_code == 0 and self._tally.writes == 0):
            self._inner.on_event(event)


@dataclass(frozen=True, slots=True)
class BothListeners:
    """Two listeners as one."""

    first: Listener
    second: Listener

    def on_event(self, event: Event) -> None:
        """Pass the event to both."""
        self.first.on_event(event)
        self.second.on_event(event)
