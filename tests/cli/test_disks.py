"""Full and read-only disks: a small file system that fills, and what each command says of it."""

import os
import subprocess
from contextlib import suppress

import pytest

from batch_deployer.observe.metrics import MetricsFile

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system")


@pytest.fixture
def disk(tmp_path, program):
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = [program("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run([program("umount"), str(place)], check=True)


def fill(disk):
    """Leave no room."""
    handle = os.open(disk / "fill", os.O_WRONLY | os.O_CREAT, 0o600)
    with suppress(OSError):
        while True:
            os.write(handle, bytes(4096))
    os.close(handle)


@pytest.mark.parametrize(
    "command",
    [("plan", "m.yaml", "--out", "%/saved.plan"), ("snapshot", "sim", "--manifest", "m.yaml", "--output", "%/backup")],
    ids=lambda command: command[0],
)
def test_a_file_that_does_not_fit_is_named(project, disk, command):
    """It is the disk that is full, no bug of ours."""
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    (disk / "backup").mkdir()
    fill(disk)
    code, _, err = project.run(*(each.replace("%", str(disk)) for each in command))
    assert code == 1, err
    assert str(disk) in err
    assert "no space left on device" in err.lower()
    assert "bug" not in err
    assert not list(project.state.glob("crash-*"))


def test_a_report_that_cannot_be_written_is_told_before_anything_is_sent(project, disk):
    fill(disk)
    code, _, err = project.run("run", "m.yaml", "--yes", "--report", disk / "report")
    assert code == 2
    assert "no report can be written to" in err
    assert project.provider.ledger()["creates"] == {}


def test_a_report_that_no_longer_fits_ends_a_good_run_with_1(project, disk, monkeypatch):
    """The journal has all of it, and the copy in the state folder too."""
    monkeypatch.setattr("batch_deployer.cli.launch.check_folder", lambda _folder: fill(disk))
    (disk / "report").mkdir()
    code, _, err = project.run("run", "m.yaml", "--yes", "--run-id", "r", "--report", disk / "report")
    assert code == 1, err
    assert "is not written: no space left on device" in err
    assert (project.state / "runs" / "r" / "report" / "report.json").exists()


@pytest.mark.parametrize("state", ["read-only", "full", "file"])
def test_a_state_folder_that_cannot_be_used_is_bad_input(project, disk, program, state):
    """Nothing is sent."""
    if state == "full":
        fill(disk)
    if state == "file":
        (disk / "state").write_text("")
    if state == "read-only":
        subprocess.run([program("mount"), "-o", "remount,ro", str(disk)], check=True)
    code, _, err = project.run("run", "m.yaml", "--yes", "--state-dir", disk / "state")
    assert code == 2, err
    assert str(disk / "state") in err
    assert project.provider.ledger()["creates"] == {}


def test_metrics_are_tried_again(disk, tmp_path):
    """A disk that was full for a while costs nothing but that while."""
    from batch_deployer.model import events as e
    from batch_deployer.observe.counters import RunCounters
    from batch_deployer.plan.plan import Plan

    told = []
    plan = Plan(name="nightly", clouds={}, deployments=())
    metrics = MetricsFile(disk / "m.prom", plan, RunCounters(plan), told.append)
    fill(disk)
    metrics.on_event(e.RunStarted(at=100.0, run="r", manifest="nightly"))
    metrics.on_event(e.Warned(at=200.0, message="x"))
    assert len(told) == 1
    assert "no space left on device; trying again" in told[0]
    (disk / "fill").unlink()
    metrics.on_event(e.RunFinished(at=300.0, exit_code=0))
    assert 'batch_deployer_run_exit_code{manifest="nightly"} 0.0' in (disk / "m.prom").read_text()
