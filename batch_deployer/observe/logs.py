"""Log lines (structlog) to stderr: one for each event that matters."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Literal, TextIO

import structlog

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Outcome
from batch_deployer.model.redact import Redactor
from batch_deployer.observe.counters import RunCounters
from batch_deployer.util.text import clean, utc

_LEVELS: Mapping[str, int] = MappingProxyType({"debug": 10, "info": 20, "warning": 30, "error": 40})
_NOTHING_AT_ZERO = frozenset({"revision", "wait", "pid"})
Logger = structlog.typing.FilteringBoundLogger


class Stderr:
    """Whatever `sys.stderr` is at the moment of writing; a live progress display replaces it while it runs."""

    def write(self, text: str) -> int:
        """Write."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush."""
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return sys.stderr.isatty()


def make_logger(
    form: Literal["json", "console"] = "console",
    *,
    stream: TextIO | Stderr | None = None,
    level: str = "info",
    secrets: Callable[[], Iterable[str]] = tuple,
) -> Logger:
    """A logger to `stream` (None: stderr, as it is when a line is written); nothing global is configured.

    `json`: one object a line. `console`: for people, coloured only on a terminal and without NO_COLOR. Known secrets
    become `******` and control characters blanks, in every value and in tracebacks.
    """
    stream = stream or Stderr()
    colours = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    render: Any
    if form == "json":
        render = structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)
    else:
        render = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, pad_event_to=28)
    processors = [
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _SanitizingProcessor(Redactor(secrets)),
        render,
    ]
    logger: Logger = structlog.wrap_logger(
        structlog.PrintLogger(stream),  # type: ignore[arg-type]  # it only writes and flushes
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        context_class=dict,
    )
    return logger


class LogListener:
    """One line for each event that matters, stamped with the event's own time, run, deployment and cloud."""

    def __init__(self, logger: Logger, tally: RunCounters) -> None:
        """Of the tally only the names and clouds of deployments are used."""
        self._log = logger
        self._tally = tally
        self._run = ""

    def on_event(self, event: e.Event) -> None:
        """Log it, unless it is one of the many that only the journal needs."""
        if isinstance(event, e.RunStarted):
            self._run = event.run
        level = _level(event, self._tally)
        if level is None or not self._log.is_enabled_for(_LEVELS[level]):
            return
        fields: dict[str, Any] = {}
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if name not in ("at", "run") and value != "" and not (name in _NOTHING_AT_ZERO and value == 0):
                fields[name] = str(value) if isinstance(value, str) else value
        key = fields.get("key")
        if key is not None:
            fields = {"name": self._tally.name(key), "cloud": self._tally.cloud(key), **fields}
        # `event` is structlog's own word for the message
        self._log.log(
            _LEVELS[level],
            str(event.__struct_config__.tag),
            run=self._run,
            timestamp=utc(self._tally.wall(event.at)),
            **fields,
        )


def _level(event: e.Event, tally: RunCounters) -> str | None:
    """How loud an event is; None: not logged."""
    match event:
        case e.Finished():
            harmless = event.outcome is Outcome.DEFERRED or tally.wanted(event.key, event.outcome)
            return "info" if harmless else "warning"
        case e.RunFinished():
            return "info" if event.exit_code == 0 else "error"
        case e.Halted():
            return "error"
        case e.Uncertain() | e.Throttled() | e.Warned() | e.Stopping() | e.Missing():
            return "warning"
        case e.Measured():
            return None
        case e.Seen() | e.Undecided() | e.Planned() | e.Intended():
            return "debug"
    return "info"


class _SanitizingProcessor:
    """The last step before rendering: secrets go, and so do characters that could move a terminal's cursor."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if "timestamp" not in line:
            line["timestamp"] = utc(time.time())
        for name, value in line.items():
            tidy = self._redactor.value(value)
            if isinstance(tidy, str):
                tidy = "\n".join(clean(part) for part in tidy.splitlines()) if name == "exception" else clean(tidy)
            line[name] = tidy
        return line
