"""Disks whose syncs take seconds: a run waits for few of them at its start and its end, however much it deploys."""

import re
import subprocess
import sys
from collections import Counter

import pytest

SYNC = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]+)>")


@pytest.fixture
def traced(project, program, tmp_path):
    """`traced("run", ...)`: the files that were synced, below the state folder, in order."""
    strace = program("strace")

    def run(*arguments, inject=()):
        log = tmp_path / "strace.txt"
        options = ["-f", "-y", "-s", "0", "-e", "trace=fsync,fdatasync", *inject, "-o", str(log)]
        command = [strace, *options, sys.executable, "-m", "batch_deployer", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr
        found = [match["path"] for match in map(SYNC.search, log.read_text().splitlines()) if match]
        return [path.removeprefix(f"{project.state}/") for path in found], done.stderr

    return run


def test_a_run_syncs_what_must_survive_and_waits_for_nothing_else(project, traced):
    paths, _ = traced("run", "m.yaml", "--yes", "--run-id", "r")
    counts = Counter(path.partition("/")[0] for path in paths)
    draft = [path for path in paths if path.startswith("runs/.new-")]
    assert len(draft) == 4, "three files and their folder once"
    assert [path for path in paths if "/report" in path] == [], "the journal can write the report anew"
    assert counts["limits.db"] == counts["limits.db-journal"] == 0
    assert 1 <= counts["state.db"] + counts["state.db-journal"] <= 4, "what was learned is one transaction"
    assert paths.count("runs/r/journal.db") <= 2, "made with one sync, closed with one"
    assert "runs/r/journal.db-wal" in paths, "intents are synced"


@pytest.mark.slow
def test_syncs_of_a_second_delay_a_run_and_end_nothing(project, traced):
    """A commit then takes longer than it takes for other runs to ask for slots."""
    delay = ("-e", "inject=fsync,fdatasync:delay_enter=1000000")
    _, err = traced("run", "m.yaml", "--yes", "--run-id", "r", inject=delay)
    assert "ended, exit code 0" in err
    assert "warning" not in err
