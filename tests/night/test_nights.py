"""A run as a scheduler starts it, night after night: when it starts, what it says, whom it tells, what is left of it."""

import json
import re
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from batch_deployer.cli import run_options

NIGHT = 1_767_304_800.0
"""2026-01-01 23:00 in Berlin."""
HOUR = 3600.0


def test_too_early_for_the_window_touches_nothing_and_ends_with_6(project, monkeypatch):
    monkeypatch.setattr("batch_deployer.cli.run_options.RunOptions.check_start", at(NIGHT - 3 * HOUR))
    code, _, err = project.run("run", "m.yaml", "--yes", "--window", "22:00-05:00 Europe/Berlin")
    assert (code, err) == (6, "error: the window 22:00-05:00 Europe/Berlin is closed; it opens in 2.0 h\n")
    assert project.provider.ledger()["calls"] == {}


def at(moment):
    """Manner.check_start as of another time."""
    real = run_options.RunOptions.check_start
    return lambda self, _now: real(self, moment)


def test_within_the_window_it_runs(project):
    """A window around the real time: the wall clock is asked before each write too."""

    def berlin(offset):
        return datetime.fromtimestamp(time.time() + offset, ZoneInfo("Europe/Berlin")).strftime("%H:%M")

    window = (
        "--window",
        f"{berlin(-HOUR)}-{berlin(2 * HOUR)} Europe/Berlin",
        "--start-by",
        f"{berlin(HOUR)} Europe/Berlin",
    )
    assert project.run("run", "m.yaml", "--yes", "--limit", "prod-1/shop/web", *window)[0] == 0


def test_a_start_that_is_late_by_minutes_is_refused(project, monkeypatch):
    monkeypatch.setattr("batch_deployer.cli.run_options.RunOptions.check_start", at(NIGHT + HOUR))
    code, _, err = project.run("run", "m.yaml", "--yes", "--start-by", "23:30 Europe/Berlin")
    assert (code, "it is later than --start-by 23:30 Europe/Berlin; nothing was started" in err) == (6, True)
    assert project.provider.ledger()["calls"] == {}


def test_the_end_of_the_window_ends_the_starting(project, monkeypatch):
    """What the window leaves is the run's deadline: nothing new after it, exit 6, and the rest told as not started."""
    monkeypatch.setattr("batch_deployer.cli.run_options.RunOptions.check_start", at(NIGHT))
    monkeypatch.setattr(
        "batch_deployer.rules.maintenance_window.Window.around", lambda self, now: (now - HOUR, now + 1e-3)
    )
    code, _, _ = project.run("run", "m.yaml", "--yes", "--window", "22:00-05:00", "--run-id", "late")
    assert code == 6
    report = json.loads((project.state / "runs/late/report/report.json").read_text())
    assert report["totals"]["outcomes"]["not_started"] == 6
    assert project.provider.ledger()["creates"] == {}


def test_jitter_waits_a_random_part_of_what_is_given_before_anything_else(project, monkeypatch):
    slept = []
    monkeypatch.setattr(run_options.time, "sleep", slept.append)
    for _ in range(3):
        assert project.run("run", "m.yaml", "--yes", "--quiet", "--jitter", "5m", "--start-by", "2001-01-01")[0] == 6
    assert len(set(slept)) == 3
    assert all(0 <= seconds <= 300 for seconds in slept)
    assert project.provider.ledger()["calls"] == {}


def test_three_nights_tell_only_what_is_worth_telling(project, receiver):
    url, heard = receiver
    metrics = project.folder / "m.prom"
    told = ("--quiet", "--yes", "--metrics-file", metrics, "--ping", f"{url}/check")

    assert project.run("run", "m.yaml", "--run-id", "20260101-first", *told)[0] == 0
    assert project.run("run", "m.yaml", "--run-id", "20260102-same", *told) == (0, "", "")
    first_success = success(metrics)
    project.provider.post("faults", {"faults": [{"effect": "fail", "release": "shop/db", "cluster": "prod-3"}]})
    project.edit("version: 1.0.0, targets", "version: 1.0.0, values: {tag: v2}, targets")
    code, _, err = project.run("run", "m.yaml", "--run-id", "20260103-bad", *told)
    assert code == 1
    assert "prod-3/shop/db failed: " in err

    assert heard == ["/check/start", "/check"] * 2 + ["/check/start", "/check/1"]
    assert 'batch_deployer_run_exit_code{manifest="small"} 1.0' in metrics.read_text()
    assert success(metrics) == first_success, "a failed night does not touch the time of the last good one"

    code, out, _ = project.run("diff", "20260102", "20260103")
    assert code == 0
    assert re.search(r"prod-3/shop/db +unchanged +-> +failed: ", out), out
    assert "values changed: 6" in out
    data = json.loads(project.run("diff", "20260102", "20260103", "--format", "json")[1])
    assert "20260103-bad" in json.dumps(data)


def success(metrics):
    (line,) = [
        line
        for line in metrics.read_text().splitlines()
        if line.startswith('batch_deployer_run_success_timestamp_seconds{manifest="small"}')
    ]
    return float(line.split()[-1])


@pytest.fixture
def inbox():
    """A receiver of notifications: the messages that came."""
    messages = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/hook", messages
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
def test_a_run_sends_one_message_for_all_its_failures_and_none_for_a_quiet_night(project, inbox):
    url, messages = inbox
    project.provider.post("faults", {"faults": [{"effect": "fail", "release": "shop/db"}]})
    project.edit(
        "- {name: canary, clusters: {tier: canary}}", "- {name: canary, clusters: {tier: canary}, max_failures: 9}"
    )
    assert project.run("run", "m.yaml", "--yes", "--quiet", "--notify", url)[0] in {1, 4}
    (message,) = messages
    assert message["type"] == "failure"
    assert message["title"].startswith("batch-deployer: ")
    assert message["message"].count("shop/db failed: ") >= 2

    project.provider.post("faults", {"faults": []})
    assert project.run("run", "m.yaml", "--yes", "--quiet", "--notify", url)[0] == 0
    assert [each["type"] for each in messages] == ["failure", "success"]
    assert project.run("run", "m.yaml", "--yes", "--quiet", "--notify", url)[0] == 0
    assert len(messages) == 2, "nothing was changed in the last night"


def test_old_runs_go_and_the_newest_that_can_be_resumed_stays(project):
    for name in ("old", "new"):
        assert project.run("run", "m.yaml", "--yes", "--run-id", name)[0] == 0
    meta = project.state / "runs/old/run.json"
    told = json.loads(meta.read_text())
    aged = {name: value - 100 * 86400 if name == "started" else value for name, value in told.items()}
    assert aged != told
    meta.write_text(json.dumps(aged))
    assert time.time() - aged["started"] > 90 * 86400
    code, out, _ = project.run("prune", "--older-than", "90d")
    assert (code, out) == (0, "old\n")
    assert [path.name for path in (project.state / "runs").iterdir()] == ["new"]
