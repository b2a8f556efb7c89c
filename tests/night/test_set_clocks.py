"""A wall clock that is set while a run goes on, by libfaketime: windows follow it, durations do not."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest


def clock(moment):
    return f"{moment:%H:%M}"


@pytest.fixture
def start(project, program):
    """Start the program with a clock that `set_clock` sets: (process, set_clock)."""
    offset = project.folder / "offset"
    offset.write_text("+0")
    faketime = program("faketime")

    def run(*arguments):
        shell = 'unset FAKETIME; FAKETIME_TIMESTAMP_FILE="$0" FAKETIME_NO_CACHE=1 exec "$@"'
        command = [sys.executable, "-m", "batch_deployer", *arguments]
        process = subprocess.Popen(
            [faketime, "--exclude-monotonic", "-f", "+0", "sh", "-c", shell, offset, *command],
            cwd=project.folder,
            env={**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return process, offset.write_text

    return run


def wait_for_creates(project, number):
    limit = time.monotonic() + 60
    while len(project.provider.ledger()["creates"]) < number and time.monotonic() < limit:
        time.sleep(0.05)
    assert len(project.provider.ledger()["creates"]) >= number


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_leaves_the_window_ends_the_writing(project, start, hours):
    project.edit("writes: 50/s", "writes: 1/5s")
    now = datetime.now(UTC)
    window = f"{clock(now - timedelta(minutes=70))}-{clock(now + timedelta(minutes=70))} UTC"
    process, set_clock = start("run", "m.yaml", "--yes", "--window", window, "--run-id", "stepped")
    wait_for_creates(project, 1)
    set_clock(f"{hours * 3600:+d}")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 6, err
    assert len(project.provider.ledger()["creates"]) <= 2
    assert "the system clock was set" in err
    report = json.loads((project.state / "runs/stepped/report/report.json").read_text())
    assert 0 <= report["run"]["duration"] < 300
    assert "1h" not in out
    assert "2h" not in out


def test_without_a_window_a_set_clock_changes_no_duration(project, start):
    project.edit("writes: 50/s", "writes: 1/2s")
    process, set_clock = start("run", "m.yaml", "--yes", "--run-id", "stepped")
    wait_for_creates(project, 1)
    set_clock("+7200")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "2h" not in out
    report = json.loads((project.state / "runs/stepped/report/report.json").read_text())
    assert all(0 <= each["duration"] < 300 for each in report["deployments"])
