"""On a terminal the plan is shown and a yes is asked for; live progress is drawn and leaves a clean summary."""

import os
import pty
import subprocess
import sys
import time

import pytest


@pytest.fixture
def terminal(project):
    """Call the program with a terminal on all its ends: (exit code, all that was shown)."""

    def call(*arguments, answer=""):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "batch_deployer", *arguments]
        environ = {**os.environ, "TERM": "xterm"}
        process = subprocess.Popen(
            command, cwd=project.folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        shown = b""
        answered = not answer
        limit = time.monotonic() + 120
        while time.monotonic() < limit:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if not answered and b"[y/N]" in shown:
                os.write(ours, answer.encode())
                answered = True
        os.close(ours)
        return process.wait(), shown.decode()

    return call


def test_a_no_ends_with_1_and_writes_nothing(project, terminal):
    code, shown = terminal("run", "m.yaml", answer="n\n")
    assert code == 1
    assert "create" in shown
    assert "prod-1/shop/web" in shown
    assert "error: not confirmed; nothing was done" in shown
    assert project.provider.ledger()["creates"] == {}


def test_a_yes_runs_it_with_live_progress_and_a_plain_summary_after(project, terminal):
    code, shown = terminal("run", "m.yaml", answer="y\n")
    assert code == 0
    assert "\x1b[" in shown
    summary = shown[shown.rindex("small: finished, exit code 0") :]
    assert "\x1b[" not in summary
    assert len(project.provider.ledger()["creates"]) == 6


def test_yes_and_simulate_do_not_ask(project, terminal):
    assert "[y/N]" not in terminal("run", "m.yaml", "--yes")[1]
    assert "[y/N]" not in terminal("run", "m.yaml", "--simulate", "--speed", "200")[1]
    assert "[y/N]" not in terminal("rollback", "small", "--yes")[1]


def test_changed_values_are_shown_on_a_terminal_but_never_those_of_secrets(project, terminal):
    before = "values: {password: LIVE-PROD-PW, region: live-region}"
    project.edit(
        'version: 1.0.0, targets: "*"}\n  - {name: db', f'version: 1.0.0, {before}, targets: "*"}}\n  - {{name: db'
    )
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    project.edit(before, "values: {password: other, region: wanted-region}")
    code, shown = terminal("plan", "m.yaml")
    assert code == 0
    assert "live-region" in shown
    assert "wanted-region" in shown
    assert "LIVE-PROD-PW" not in shown
