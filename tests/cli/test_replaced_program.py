"""The program's files are removed while a run goes on, as by an upgrade of the package: the run ends as it would have."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import batch_deployer
from batch_deployer.report.files import FILES
from batch_deployer.simulator.faults.files import preset
from batch_deployer.simulator.faults.rules import Effect, FaultRule
from batch_deployer.simulator.process import SimulatorProcess

PACKAGE = Path(batch_deployer.__file__).parent
AUDITED = """
import os, sys
late, armed = [], False
places = tuple({sys.prefix, sys.base_prefix, PACKAGE})

def hook(event, arguments):
    if armed and event == "import":
        late.append(arguments[0])
    elif armed and event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(places):
        late.append(arguments[0])

from batch_deployer.cli.main import main
from batch_deployer.transport.session import Attempt
leave = Attempt.leave

def first_write(self):
    global armed
    armed = armed or self._fence is not None
    leave(self)

Attempt.leave = first_write
sys.addaudithook(hook)
code = main()
armed = False
print("loaded late:", late, file=sys.stderr)
raise SystemExit(code)
""".replace("PACKAGE", repr(str(PACKAGE)))


@pytest.fixture
def copied(project, tmp_path_factory):
    """`copied(*arguments)`: start a copy of the program; `copied.remove()` takes its files away."""
    place = tmp_path_factory.mktemp("installed")
    shutil.copytree(PACKAGE, place / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "batch_deployer", *arguments],
            cwd=project.folder,
            env={**os.environ, "PYTHONPATH": str(place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    start.remove = lambda: shutil.rmtree(place / PACKAGE.name)
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_a_create(project):
    until = time.monotonic() + 60
    while not project.provider.ledger()["creates"] and time.monotonic() < until:
        time.sleep(0.05)
    assert project.provider.ledger()["creates"]


OUTSIDE = (
    *("--metrics-file", "m.prom", "--ping", "http://127.0.0.1:9/x", "--notify", "json://127.0.0.1:9/"),
    *("--report", "out", "--window", "00:00-23:59 Europe/Berlin"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "stopped"),
    [((), 0), (("--log-format", "json"), 0), (OUTSIDE, 0), ((), signal.SIGTERM)],
    ids=["plain", "json", "outside", "stopped"],
)
def test_a_run_ends_well_without_its_files(project, copied, options, stopped):
    project.edit("writes: 50/s", "writes: 1/s")
    process = copied("run", "m.yaml", "--yes", "--run-id", "r", *options)
    wait_for_a_create(project)
    copied.remove()
    if stopped:
        process.send_signal(stopped)
    out, err = process.communicate(timeout=100)
    assert process.returncode == (128 + stopped if stopped else 0), err
    assert out.startswith("small: ")
    assert "bug" not in err
    for folder in ("state/runs/r/report", *(("out",) if "--report" in options else ())):
        assert {path.name for path in (project.folder / folder).iterdir()} == set(FILES)
    report = json.loads((project.state / "runs/r/report/report.json").read_text())
    assert report["run"]["exit_code"] == process.returncode
    if stopped:
        assert project.run("resume", "r")[0] == 0
    else:
        assert "batch_deployer_run_exit_code" in (project.folder / "m.prom").read_text() if options == OUTSIDE else True


TOKENS = (FaultRule(effect=Effect.EXPIRE_TOKEN, name="die", probability=0.2),)


def audited(project, options):
    return subprocess.run(
        [sys.executable, "-c", AUDITED, "run", "m.yaml", "--yes", *options],
        cwd=project.folder, check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--log-format", "json"), OUTSIDE], ids=["plain", "json", "outside"])
@pytest.mark.parametrize("bad", ["good", "tokens", "rough", "storm"])
def test_nothing_is_loaded_after_the_first_write(project, options, bad):
    """Not even from Python or other libraries: what a run meets on a bad day is loaded by then."""
    rules = {"good": (), "tokens": TOKENS, "rough": preset("rough"), "storm": preset("storm")}[bad]
    with SimulatorProcess(project.provider.world, speed=200.0, faults=rules) as provider:
        project.edit(project.provider.url, provider.url)
        ended = audited(project, options)
    assert "loaded late: []" in ended.stderr, ended.stderr
    assert ended.returncode in (0, 1)
