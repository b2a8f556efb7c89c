"""Prometheus metrics in a text file, for node_exporter's textfile collector."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from batch_deployer.errors import InputError
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Outcome
from batch_deployer.observe.counters import RunCounters
from batch_deployer.plan.plan import Plan

_EVERY = 15.0
"""Seconds between writes while the run goes on; scrapes are hardly more frequent."""
_BUCKETS = (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1800, 3600)


class MetricsFile:
    """Counts as a listener and writes `path` whole (rename), at the start, every 15 s of events, and at the end."""

    def __init__(
        self, path: Path, plan: Plan, tally: RunCounters, warn: Callable[[str], None] = lambda _text: None
    ) -> None:
        """Raises InputError when nothing can be written there. The tally comes first among the listeners.

        `warn`: told once when the file cannot be written any more.
        """
        self._path = path
        self._warn = warn
        self._failed = False
        self._tally = tally
        self._name = plan.name
        self._written = 0.0
        self._begun: dict[str, float] = {}
        self.registry = CollectorRegistry()
        self._make()
        for outcome in Outcome:
            self._outcomes.labels(plan.name, outcome.value)
        self._planned.labels(plan.name).set(len(plan.deployments))
        if path.exists() and not path.is_file():
            raise InputError(
                f"no metrics can be written to {path}: it is no regular file; choose another --metrics-file"
            )
        before = _last_success(path, plan.name)
        if before is not None:
            self._success.labels(plan.name).set(before)
        try:
            self._write()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"no metrics can be written to {path}: {why}; choose another --metrics-file") from error

    def _make(self) -> None:
        """Every metric; names end in their unit."""
        names, registry = ("manifest",), self.registry

        def gauge(name: str, text: str, *more: str) -> Gauge:
            return Gauge(f"batch_deployer_{name}", text, (*names, *more), registry=registry)

        self._planned = gauge("deployments", "Deployments of the plan")
        self._in_flight = gauge("in_flight", "Deployments under way")
        self._deferred = gauge("deferred", "Deployments that are set aside now and looked at again; 0 after the run")
        self._started = gauge("run_start_timestamp_seconds", "When the run, or its last part, started")
        self._ended = gauge("run_end_timestamp_seconds", "When the run ended; 0 while it goes on or when it was killed")
        self._success = gauge("run_success_timestamp_seconds", "When a run last ended with exit code 0")
        self._exit = gauge("run_exit_code", "Exit code of the run; -1 while it goes on or when it was killed")
        self._info = gauge("run_info", "Always 1; names the run", "run", "version")
        self._peak = gauge("limit_peak", "Most observed of a limited thing", "cloud", "bucket")
        self._outcomes = gauge("outcomes", "Deployments by outcome", "outcome")
        self._api = gauge("api_calls", "HTTP calls attempted in this part of the run", "cloud", "call")
        self._answers = gauge("api_answers", "HTTP calls by what their answer meant", "cloud", "verdict")
        self._throttles = Counter(
            "batch_deployer_throttles", "429s met", (*names, "cloud", "bucket"), registry=registry
        )
        self._durations = Histogram(
            "batch_deployer_deployment_duration_seconds",
            "First write to end",
            (*names, "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def on_event(self, event: e.Event) -> None:
        """Count it."""
        name = self._name
        match event:
            case e.Intended():
                self._begun.setdefault(event.key, event.at)
            case e.Finished():
                begun = self._begun.pop(event.key, None)
                if begun is not None:
                    self._durations.labels(name, event.outcome.value).observe(max(0.0, event.at - begun))
            case e.Throttled():
                self._throttles.labels(name, event.cloud, event.bucket).inc()
            case e.Measured():
                self._measured(name, event)
            case e.RunStarted():
                self._started.labels(name).set(self._tally.wall(event.at))
                self._ended.labels(name).set(0)
                self._exit.labels(name).set(-1)
                self._info.labels(name, event.run, event.version).set(1)
            case e.RunFinished():
                self._ended.labels(name).set(self._tally.wall(event.at))
                self._exit.labels(name).set(event.exit_code)
                if event.exit_code == 0:
                    self._success.labels(name).set(self._tally.wall(event.at))
        if isinstance(event, e.RunStarted | e.RunFinished) or event.at - self._written >= _EVERY:
            self._written = event.at
            self._keep_up()

    def _measured(self, name: str, event: e.Measured) -> None:
        for call, count in event.calls.items():
            self._api.labels(name, event.cloud, call).set(count)
        for verdict, count in event.answers.items():
            self._answers.labels(name, event.cloud, verdict).set(count)
        for bucket, peak in event.peaks.items():
            self._peak.labels(name, event.cloud, bucket).set(peak)

    def _write(self) -> None:
        name = self._name
        self._in_flight.labels(name).set(self._tally.in_flight)
        self._deferred.labels(name).set(self._tally.deferred)
        for outcome in Outcome:
            self._outcomes.labels(name, outcome.value).set(self._tally.outcomes[outcome.value])
        write_to_textfile(str(self._path), self.registry)

    def _keep_up(self) -> None:
        """Write; after a failure again with the next event, above all at the end: the file must not tell of a killed run."""
        try:
            self._write()
        except OSError as error:
            if not self._failed:
                why = (error.strerror or str(error)).lower()
                self._warn(f"no metrics can be written to {self._path} just now: {why}; trying again")
            self._failed = True
        else:
            self._failed = False


def _last_success(path: Path, manifest: str) -> float | None:
    """The last success that the file of an earlier run tells, so that "too long ago" can be alerted on."""
    try:
        families = list(text_string_to_metric_families(path.read_text("utf-8")))
    except (OSError, ValueError):
        return None
    for family in families:
        if family.name == "batch_deployer_run_success_timestamp_seconds":
            for sample in family.samples:
                if sample.labels.get("manifest") == manifest:
                    return sample.value
    return None
