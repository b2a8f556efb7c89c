"""The exit code tells of the work, whatever happens to the standard streams."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = """\
name: streams
clouds: {one: {endpoint: "https://cce.eu-de.otc.t-systems.com", project_id: p, auth: {token: "${secret:env:T}"}}}
limits: {writes: 50/s, reads: 50/s}
clusters:
  - {id: 00000000-0000-4000-8000-000000000001, name: zürich-東京, cloud: one}
  - {id: 00000000-0000-4000-8000-000000000002, name: c2, cloud: one}
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""
RUN = "run m.yaml --simulate --speed 600 --yes --run-id r"
PROGRAM = str(Path(sys.executable).with_name("batch-deployer"))


@pytest.fixture
def shell(tmp_path):
    (tmp_path / "m.yaml").write_text(MANIFEST)

    def run(line, **environment):
        """Exit code of the program (not of what reads its output), and what was shown where it was."""
        environment = {**os.environ, "T": "token", "BATCH_DEPLOYER_STATE_DIR": str(tmp_path / "state"), **environment}
        text = f"{{ {line.replace('%', PROGRAM)}; }}; echo $? > code"
        if "|" in line:
            program, _, reader = line.partition("|")
            text = f"{{ {program.replace('%', PROGRAM)}; echo $? > code; }} | {reader}"
            if program.rstrip().endswith("2>&1"):
                text = f"{{ {program.replace('%', PROGRAM)}; echo $? > code; }} 2>&1 | {reader}"
        done = subprocess.run(
            ["bash", "-c", text], cwd=tmp_path, env=environment, check=False, capture_output=True, timeout=120
        )
        return int((tmp_path / "code").read_text()), done.stdout + done.stderr

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "streams",
    [
        "<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full", "> /dev/full 2>&1",
        "| true", "| head -1", "2>&1 | head -1", "2>&1 | true", "--log-format json 2>&1 | head -1", "--quiet >&- 2>&-",
    ],
)  # fmt: skip
def test_a_run_ends_as_it_ended_whatever_its_output(shell, tmp_path, streams):
    """All deployed is 0."""
    code, shown = shell(f"% {RUN} {streams}")
    assert code == 0, shown
    assert b"Traceback" not in shown
    assert b"Exception ignored" not in shown
    assert (tmp_path / "state" / "runs" / "r" / "report" / "report.json").exists()
    assert list((tmp_path / "state").glob("crash-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8", "cp1252"])
def test_a_name_that_the_encoding_cannot_hold_is_shown_all_the_same(shell, encoding):
    """Also in the summary and in the log."""
    code, shown = shell(f"% {RUN}", PYTHONIOENCODING=encoding, LC_ALL="C")
    assert code == 0, shown
    code, shown = shell("% status r --state-dir state", PYTHONIOENCODING=encoding)
    assert code == 0, shown


@pytest.mark.parametrize("command", ["schema", "--help", "validate m.yaml", "run --help", "runs", "completion bash"])
@pytest.mark.parametrize(
    ("streams", "ends"),
    [(">&-", 0), ("<&-", 0), ("2>&-", 0), ("| head -1", 0), ("| true", 0), ("> /dev/full", 1), ("2> /dev/full", 0)],
)
def test_data_that_is_lost_on_a_full_disk_is_an_error_and_a_reader_that_leaves_is_none(shell, command, streams, ends):
    """What a command is for is its output."""
    code, shown = shell(f"% {command} {streams}")
    if command == "runs" and streams == "> /dev/full":
        ends = 0  # there is no run yet, which is said on stderr
    assert code == ends, shown
    assert b"Traceback" not in shown
    if ends:
        assert b"no space left on device" in shown


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "2> /dev/full", "2>&1 | true"])
def test_bad_input_is_2_whatever_its_output(shell, streams):
    """The same for what could not begin."""
    assert shell(f"% run nowhere.yaml {streams}")[0] == 2
