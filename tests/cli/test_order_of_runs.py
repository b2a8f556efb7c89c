"""The order of runs follows their numbers, not a clock that can be set."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batch_deployer.state.run_dir import RunMeta
from batch_deployer.state.state_dir import StateDir

PROGRAM = str(Path(sys.executable).with_name("batch-deployer"))


@pytest.fixture
def at(project, program):
    """`at(moment, *arguments)`: the program on a machine whose clock says so."""
    faketime = program("faketime")

    def call(moment, *arguments):
        command = [faketime, "-f", moment, PROGRAM, *arguments] if moment else [PROGRAM, *arguments]
        environment = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        done = subprocess.run(
            command, cwd=project.folder, env=environment, check=False, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    return call


def interrupted(project, run):
    """Make a run look killed: its journal has no end."""
    import sqlite3

    with sqlite3.connect(project.state / "runs" / run / "journal.db") as database:
        database.execute("DROP TRIGGER events_never_go")
        database.execute("DELETE FROM events WHERE data->>'kind' = 'run_finished'")


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["+1h", "-30d", "@1970-01-01 00:10:00"])
def test_the_latest_run_is_the_one_that_was_made_last(project, at, wrong):
    """Whatever the clock said when it was made."""
    assert at("", "run", "m.yaml", "--yes", "--run-id", "first")[0] == 0
    assert at(wrong, "run", "m.yaml", "--yes", "--run-id", "second")[0] == 0
    assert at("", "status")[1].count("second") >= 1
    listed = [line.split()[1] for line in at("", "runs")[1].splitlines()]
    assert listed.index("first") < listed.index("second")
    assert at(wrong, "run", "m.yaml", "--yes", "--run-id", "third")[0] == 0
    assert at("", "run", "m.yaml", "--yes", "--run-id", "fourth")[0] == 0
    assert "fourth" in at("", "status")[1]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["@1970-01-01 00:10:00", "-400d", "+400d"])
def test_a_run_that_can_be_resumed_is_found_and_never_pruned_for_a_wrong_clock(project, at, wrong):
    assert at("", "run", "m.yaml", "--yes", "--run-id", "old")[0] == 0
    assert at(wrong, "run", "m.yaml", "--yes", "--run-id", "killed")[0] == 0
    interrupted(project, "killed")
    assert at("", "prune", "--older-than", "90d")[0] == 0
    assert (project.state / "runs" / "killed").exists()
    code, _, err = at("", "resume", "small")
    assert code == 0, err
    assert "killed" in err


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["@1970-01-01 00:10:00", "-400d"])
def test_no_clock_makes_prune_remove_what_may_be_needed(project, at, wrong):
    """A killed run stays after a later one finished; so does the newest, whatever the clock said then or says now."""
    runs = project.state / "runs"
    assert at(wrong, "run", "m.yaml", "--yes", "--run-id", "killed")[0] == 0
    interrupted(project, "killed")
    assert at("", "run", "m.yaml", "--yes", "--run-id", "finished")[0] == 0
    assert at("", "prune", "--older-than", "90d")[0] == 0
    assert (runs / "killed").exists()
    assert at(wrong, "run", "m.yaml", "--yes", "--run-id", "newest")[0] == 0
    for moment in ("", "+400d"):
        assert at(moment, "prune", "--older-than", "90d")[0] == 0
        assert (runs / "killed").exists()
        assert (runs / "newest").exists()
    assert not (runs / "finished").exists()  # on the last of these clocks it is old, and it is of no further use


@pytest.mark.parametrize("name", ["1~", "x", "-1", "00000001.bak", "9" * 40])
def test_a_stray_file_among_the_numbers_is_passed_over(tmp_path, name):
    state = StateDir(tmp_path)
    (tmp_path / "numbers" / name).touch()
    assert state.create_run("a", "{}", RunMeta(manifest="m", started=0.0)).meta.number == 1


NUMBERED = """
import sys
from pathlib import Path
from batch_deployer.state.run_dir import RunMeta
from batch_deployer.state.state_dir import StateDir
state = StateDir(Path(sys.argv[1]))
for n in range(10):
    state.create_run(f"{sys.argv[2]}-{n}", "{}", RunMeta(manifest="m", started=0.0))
"""


def test_processes_that_make_runs_at_once_take_different_numbers(tmp_path):
    made = [subprocess.Popen([sys.executable, "-c", NUMBERED, str(tmp_path), f"p{n}"]) for n in range(4)]
    assert [process.wait(60) for process in made] == [0] * 4
    assert sorted(run.number for run in StateDir(tmp_path).runs()) == list(range(1, 41))


def test_runs_made_at_once_have_numbers_of_their_own(tmp_path):
    """The file system lets one of them make a name."""
    state = StateDir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda n: state.create_run(f"r{n}", "{}", RunMeta(manifest="m", started=0.0)), range(40)))
    assert len({run.meta.number for run in runs}) == 40
    assert [run.id for run in state.runs()] == [run.id for run in sorted(runs, key=lambda run: run.meta.number)]


def test_numbers_go_on_when_all_runs_were_removed(tmp_path):
    state = StateDir(tmp_path)
    first = state.create_run("a", "{}", RunMeta(manifest="m", started=0.0))
    second = state.create_run("b", "{}", RunMeta(manifest="m", started=0.0))
    for run in (first, second):
        for path in run.path.iterdir():
            path.unlink()
        run.path.rmdir()
    assert StateDir(tmp_path).create_run("c", "{}", RunMeta(manifest="m", started=0.0)).meta.number == 3
