"""A wall clock that was set during a run: durations do not count it, times of day follow it."""

import io
import json

import pytest

from batch_deployer.app.fanout import Fanout
from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.model.events import Accepted, Finished, Intended, RunFinished, RunStarted, Warned
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.logs import LogListener, make_logger
from batch_deployer.observe.metrics import MetricsFile
from batch_deployer.observe.plain_progress import PlainProgress
from batch_deployer.rules.wall_clock import SteadyTimes
from batch_deployer.util.text import utc

START, STEP = 1_000_000.0, 7200.0


@pytest.fixture(params=[STEP, -STEP])
def step(request):
    return request.param


@pytest.fixture
def raw(plan, step):
    """A run of a minute, in whose middle the clock is set."""
    key = plan.deployments[0].key
    return [
        RunStarted(at=START, run="r", manifest="nightly"),
        Intended(at=START + 1, key=key, operation=Operation.CREATE, attempt=1),
        Accepted(at=START + 2, key=key, operation=Operation.CREATE),
        Warned(at=START + step + 30, message="the system clock was set", clock_step=step),
        Finished(at=START + step + 42, key=key, outcome=Outcome.FAILED, reason="it failed"),
        RunFinished(at=START + step + 60, exit_code=0),
    ]


@pytest.fixture
def heard(plan, raw, tmp_path):
    """(plain lines, lines of JSON logs, metrics) of that run."""
    tally, plain, logged = RunCounters(plan), io.StringIO(), io.StringIO()
    logs = LogListener(make_logger("json", stream=logged), tally)
    listeners = [tally, PlainProgress(tally, plan, plain), logs, MetricsFile(tmp_path / "m.prom", plan, tally)]
    fanout, times = Fanout(listeners, warn=pytest.fail), SteadyTimes()
    for event in raw:
        fanout.on_event(times.steady(event))
    metrics = dict(line.rsplit(" ", 1) for line in (tmp_path / "m.prom").read_text().splitlines() if line[0] != "#")
    return plain.getvalue(), [json.loads(line) for line in logged.getvalue().splitlines()], metrics


def test_lines_and_logs_show_what_the_clock_showed(heard, raw, step):
    plain, logs, _ = heard
    assert logs[-1]["timestamp"] == utc(START + step + 60)
    assert logs[0]["timestamp"] == utc(START)
    assert plain.splitlines()[-1].startswith(utc(START + step + 60))


def test_metrics_have_the_time_of_the_end_and_the_duration_that_passed(heard, step):
    metrics = {
        name.partition("{")[0]: float(value)
        for name, value in heard[2].items()
        if "outcome" not in name or "failed" in name
    }
    assert metrics["batch_deployer_run_end_timestamp_seconds"] == START + step + 60
    assert metrics["batch_deployer_run_success_timestamp_seconds"] == START + step + 60
    assert metrics["batch_deployer_deployment_duration_seconds_sum"] == 41
