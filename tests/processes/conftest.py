"""Real runner processes against a provider that outlives them."""

import importlib
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from batch_deployer.ports import Command
from batch_deployer.state import control
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.state_dir import StateDir

sys.path.append(str(Path(__file__).parents[1] / "soak"))
_ordeal = importlib.import_module("ordeal")

# Under nohup it is ignored, and the programs that the tests start would ignore it too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def ordeal():
    """The machinery of the kill tests."""
    return _ordeal


@pytest.fixture
def make_stage():
    """`make_stage(world, faults, speed=...)`: a folder, a manifest, a provider."""
    with ExitStack() as stack:
        yield lambda *args, **more: stack.enter_context(_ordeal.Theatre(*args, **more))


@pytest.fixture
def stage(make_stage):
    """Nothing goes wrong here unless a test sees to it."""
    return make_stage(0, _ordeal.CALM)


class Told:
    """What a process says on stderr, read as it comes."""

    def __init__(self, process):
        self.process = process
        self.lines = []

    def until(self, text, times=1):
        """Read until so many lines held the text."""
        for line in self.process.stderr:
            self.lines.append(line)
            times -= text in line
            if not times:
                return line
        raise AssertionError(f"{text!r} was not said often enough: {self.lines}")

    def end(self, patience=60):
        """(return code, stdout, stderr) once it has ended."""
        out, rest = self.process.communicate(timeout=patience)
        return self.process.returncode, out, "".join(self.lines) + rest


@pytest.fixture
def told():
    return Told


@pytest.fixture
def events():
    """`events(stage, run)`: what a run's journal holds, as (kind, event)."""

    def read(stage, run):
        with JournalReader(stage.state / "runs" / run / "journal.db") as reader:
            return [(type(event).__name__, event) for event in reader.events()]

    return read


@pytest.fixture
def post():
    """`post(stage, run, word)`: an order put where a live run looks for it, without a process's time to start."""
    return lambda stage, run, word: control.post(StateDir(stage.state).open_run(run), Command(word))


@pytest.fixture
def report():
    """`report(stage, run)`: its written report.json."""
    return lambda stage, run: json.loads((stage.state / "runs" / run / "report/report.json").read_text())
