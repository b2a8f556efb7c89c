"""The Prometheus text file."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from batch_deployer.app.fanout import Fanout
from batch_deployer.errors import InputError
from batch_deployer.model.events import Measured, RunFinished, RunStarted
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.metrics import MetricsFile


def read(path) -> dict[tuple, float]:
    """Sample name and its labels without the manifest to its value."""
    return {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "manifest")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def run(path, plan, events):
    tally = RunCounters(plan)
    fanout = Fanout([tally, MetricsFile(path, plan, tally)], warn=pytest.fail)
    for event in events:
        fanout.on_event(event)


def test_a_run_leaves_its_counts_times_and_exit_code(plan, events, tmp_path, start):
    path = tmp_path / "run.prom"
    run(path, plan, events)
    found = read(path)
    assert found["batch_deployer_deployments",] == 3
    assert found["batch_deployer_outcomes", "deployed"] == 1
    assert found["batch_deployer_outcomes", "unreachable"] == 0
    assert found["batch_deployer_api_calls", "create_release", "de"] == 1
    assert found["batch_deployer_api_answers", "de", "ok"] == 1
    assert found["batch_deployer_limit_peak", "writes", "de"] == 1
    assert found["batch_deployer_throttles_total", "writes", "nl"] == 1
    assert found["batch_deployer_deployment_duration_seconds_sum", "failed"] == 100
    assert found["batch_deployer_deployment_duration_seconds_bucket", "30.0", "deployed"] == 1
    assert found["batch_deployer_run_start_timestamp_seconds",] == start
    assert found["batch_deployer_run_end_timestamp_seconds",] == start + 138
    assert found["batch_deployer_run_exit_code",] == 4
    assert found["batch_deployer_run_info", "run-1", "0.1.0"] == 1


@pytest.mark.parametrize(("until", "now", "ended"), [(4, 2, 0), (-1, 0, 2), (None, 0, 2)])
def test_deferred_deployments_are_a_gauge_during_the_run_and_an_outcome_at_its_end(
    plan, deferred, tmp_path, until, now, ended
):
    path = tmp_path / "run.prom"
    run(path, plan, deferred[:until])
    tally = RunCounters(plan)
    written = MetricsFile(path, plan, tally)
    for event in deferred[:until]:
        tally.on_event(event)
    written._write()
    found = read(path)
    assert found["batch_deployer_deferred",] == now
    assert found["batch_deployer_outcomes", "deferred"] == ended


def test_a_killed_run_is_seen_as_one_without_an_end(plan, events, tmp_path):
    path = tmp_path / "run.prom"
    run(path, plan, events[:-1])
    assert read(path)["batch_deployer_run_exit_code",] == -1
    assert read(path)["batch_deployer_run_end_timestamp_seconds",] == 0


def test_the_last_success_survives_a_night_that_failed(plan, events, tmp_path):
    path = tmp_path / "run.prom"
    run(path, plan, [RunStarted(at=5.0, run="r", manifest="nightly"), RunFinished(at=9.0, exit_code=0)])
    run(path, plan, events)
    assert read(path)["batch_deployer_run_success_timestamp_seconds",] == 9.0


def test_the_file_is_written_anew_only_now_and_then(plan, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "batch_deployer.observe.metrics.write_to_textfile", lambda path, _registry: written.append(path)
    )
    run(tmp_path / "m.prom", plan, [Measured(at=1000.0 + second, cloud="de") for second in range(31)])
    assert len(written) == 4  # when it was made, then at 0, 15 and 30 seconds


def test_a_place_that_cannot_be_written_is_bad_input(plan, tmp_path):
    with pytest.raises(InputError, match=r"no metrics can be written to .*: no such file or directory; choose another"):
        MetricsFile(tmp_path / "missing" / "run.prom", plan, RunCounters(plan))
