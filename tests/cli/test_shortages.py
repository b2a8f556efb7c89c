"""Too few open files, threads or too little memory: named as what it is, with one exit code in all places."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from batch_deployer.errors import JournalError
from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.simulator.faults.rules import Effect, FaultRule
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World
from batch_deployer.state.journal.reader import JournalReader

CLUSTERS = 24
MANIFEST = """\
name: short
clouds:
  sim:
    endpoint: {url}
    project: sim
    auth: {{auth_url: "{url}/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}
limits: {{writes: 60/s, reads: 200/s, per_cluster: 4, connections: 32}}
poll: {{initial_delay: 50ms, min_interval: 50ms, max_interval: 500ms}}
reconcile: {{absence_grace: 500ms, confirmations: 2}}
clusters:
{clusters}
releases:
  - {{name: web, namespace: shop, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: "*"}}
  - {{name: db, namespace: shop, chart: {{name: db, version: 1.0.0}}, version: 1.0.0, targets: "*"}}
"""
ANOTHER_USER = ("--reuid=54321", "--regid=54321", "--clear-groups")
MAY_READ = ("--inh-caps=+dac_override,+dac_read_search", "--ambient-caps=+dac_override,+dac_read_search")
SHORT_LEASE = """
from batch_deployer.state.lock.fence import LeaseFence
old = LeaseFence.__init__
LeaseFence.__init__ = lambda self, leases, lease, **_: old(self, leases, lease, usable=4.0, heartbeat=0.5)
from batch_deployer.cli.main import main
raise SystemExit(main())
"""
LIES = ("bug of ours", "another run", "Traceback", "Aborted")


class Machine:
    """A folder with a manifest of many clusters, a provider whose answers take a while, and a program that is short of something."""

    def __init__(self, folder, provider):
        self.folder = folder
        self.provider = provider

    def run(self, *limits, again=False, arguments=()):
        """The program under the given commands; its exit code, stderr, and the exit codes that journal and report tell."""
        command = [*limits, sys.executable, "-B", "-m", "batch_deployer"]
        command += ["resume", "r"] if again else ["run", "m.yaml", "--yes", "--run-id", "r"]
        command += ["--state-dir", "state", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, check=False, capture_output=True, text=True, timeout=200,
            env={**os.environ, "HOME": str(self.folder)},
        )  # fmt: skip
        return done.returncode, done.stderr

    def report(self):
        path = self.folder / "state/runs/r/report/report.json"
        return json.loads(path.read_text()) if path.exists() else None

    def journal(self):
        """Exit code of the last event of the journal; None when it has no end, or there is no journal."""
        try:
            with JournalReader(self.folder / "state/runs/r/journal.db") as reader:
                return getattr(reader.ending(), "exit_code", None)
        except JournalError:
            return None

    def check(self, code, err):
        """The invariant: one exit code, a true cause, and all that succeeded is what the server has applied."""
        assert code in (0, 1), (code, err)
        assert not any(lie in err for lie in LIES), err
        report, applied = self.report(), self.provider.ledger()["creates"]
        assert all(number == 1 for number in applied.values())
        if report is None:
            assert code == 1
            assert applied == {}
            assert self.journal() is None
        else:
            assert report["run"]["exit_code"] == code
            assert not any(lie in report["run"]["reason"] for lie in LIES)
            assert self.journal() in ((code,) if applied or code == 0 else (code, None))
            assert report["totals"]["good"] == len(applied)
        return report


@pytest.fixture
def faults():
    """Answers take 0.1 s, so that many calls are under way at once."""
    return (FaultRule(effect=Effect.SLOW, name="slow", seconds=20.0),)


@pytest.fixture
def folder():
    """A folder that another user may use, below folders that he may read."""
    with tempfile.TemporaryDirectory(prefix="short-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def machine(folder, monkeypatch, faults):
    monkeypatch.setenv("SIM_PASSWORD", "demo")
    ids = (f"  - {{id: a870253f-5dc7-11ee-bf71-0255ac1{n:05d}, name: c{n}, cloud: sim}}" for n in range(CLUSTERS))
    clusters, path = "\n".join(ids), folder / "m.yaml"
    path.write_text(MANIFEST.format(url="http://127.0.0.1:1", clusters=clusters))
    world = World.from_plan(build_plan(load(path, os.environ)))
    with SimulatorProcess(world, speed=200.0, faults=faults) as provider:
        # By name, so that it has to be looked up.
        path.write_text(MANIFEST.format(url=provider.url.replace("127.0.0.1", "localhost"), clusters=clusters))
        path.chmod(0o644)
        yield Machine(folder, provider)


@pytest.mark.slow
@pytest.mark.parametrize("files", [8, 12, 16, 20, 22, 23, 24, 25, 26, 28, 32, 36, 40, 44, 64])
def test_connections_fit_the_open_files(machine, program, files):
    code, err = machine.run(program("prlimit"), f"--nofile={files}:{files}", arguments=("--metrics-file", "m.prom"))
    report = machine.check(code, err)
    if report is None:
        assert "open files" in err or f"may open {files} files" in err, err
        assert files < 28
    else:
        assert code == 0, err
        assert report["totals"]["good"] == 2 * CLUSTERS
        assert err.count(f"may open {files} files") == (files < 56), err
        used = report["limits"]["sim"]["connections"]["observed_peak"]
        assert used <= max(1, files - 20)


@pytest.mark.slow
def test_a_soft_limit_is_raised(machine, program):
    code, err = machine.run(program("prlimit"), "--nofile=24:4096")
    assert machine.check(code, err)["totals"]["good"] == 2 * CLUSTERS
    assert "may open" not in err


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14])
def test_threads_are_tried_before_anything_is_sent(machine, program, threads):
    """The event loop would abort the process when it cannot start those that look names up."""
    if os.getuid() != 0:
        pytest.skip("only root may become another user, whose processes are counted")
    user = (program("setpriv"), *ANOTHER_USER, *MAY_READ)
    code, err = machine.run(*user, program("prlimit"), f"--nproc={threads}:{threads}")
    if machine.check(code, err) is None:
        assert "no further thread can be started" in err, err
        assert threads < 12


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [40, 60, 90, 150, 210, 300, 360, 400, 420, 430, 440, 460, 500, 540, 580, 700])
def test_too_little_memory_is_named(machine, program, megabytes):
    code, err = machine.run(program("prlimit"), f"--as={megabytes << 20}")
    machine.check(code, err)
    if code:
        assert "no memory is left" in err or "no further thread" in err, err


@pytest.mark.slow
@pytest.mark.parametrize("faults", [(FaultRule(effect=Effect.SLOW, name="slow", seconds=200.0),)])
def test_a_limit_that_shrinks_while_a_run_goes_on_is_named(machine, program):
    """Neither the lock nor a connection gets a file any more: the lease is not renewed, and nothing more is written."""
    path = machine.folder / "m.yaml"
    path.write_text(path.read_text().replace("writes: 60/s", "writes: 2/s"))
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT_LEASE, "run", "m.yaml", "--yes", "--run-id", "r", "--state-dir", "state"],
        cwd=machine.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not machine.provider.ledger()["creates"] and time.monotonic() < until:
        time.sleep(0.05)
    subprocess.run([program("prlimit"), f"--pid={process.pid}", "--nofile=5:4096"], check=True)
    err = process.communicate(timeout=100)[1]
    assert process.returncode == 1, err
    assert not any(lie in err for lie in LIES), err
    assert "the run lock was not renewed" in err
    assert "too many open files" in err.lower()
    assert "could not be renewed" in err
    assert "report.json is not written: too many open files" in err
    assert machine.journal() == 1


def test_a_listener_that_fails_after_the_end_changes_no_exit_code(project, monkeypatch):
    """What is kept for later runs is no part of the run: its end is recorded by then."""

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("batch_deployer.app.runner.keep_learned", fail)
    code, _, err = project.run("run", "m.yaml", "--yes", "--run-id", "r")
    assert code == 0, err
    assert "warning: after the end of the run: no memory is left" in err
    assert msgspec.json.decode((project.state / "runs/r/report/report.json").read_bytes())["run"]["exit_code"] == 0
