"""The question reaches the person at the terminal, whatever is redirected; without a terminal there is none."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time

import pytest

ASKED = b"[y/N]"


class Session:
    """A program in a session with a controlling terminal of its own."""

    def __init__(self, folder, *arguments, redirect=(), shell=None):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "batch_deployer", *map(str, arguments)]
        flags = os.O_RDWR | os.O_CREAT
        streams = {
            name: os.open(os.devnull if name == "stdin" else folder / f"{name}.log", flags, 0o600) for name in redirect
        }
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", shell, "sh", *command] if shell else command,
            cwd=folder,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            pass_fds=(theirs,),
            **({"stdin": theirs, "stdout": theirs, "stderr": theirs} | streams),
        )
        for descriptor in (theirs, *streams.values()):
            os.close(descriptor)
        self._ours, self.shown = ours, b""

    def read_until(self, text):
        limit = time.monotonic() + 60
        while text not in self.shown and time.monotonic() < limit:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:
                break
            if not piece:
                break
            self.shown += piece
        assert text in self.shown, self.shown

    def type(self, keys):
        os.write(self._ours, keys)

    def wait(self):
        while True:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:
                break
            if not piece:
                break
            self.shown += piece
        os.close(self._ours)
        return self.process.wait(60)


REDIRECTIONS = [(), ("stderr",), ("stdout",), ("stdin",), ("stdout", "stderr"), ("stdin", "stdout", "stderr")]


@pytest.mark.parametrize("redirect", REDIRECTIONS, ids="+".join)
def test_a_run_asks_on_the_terminal_whatever_is_redirected(project, redirect):
    session = Session(project.folder, "run", "m.yaml", redirect=redirect)
    session.read_until(ASKED)
    assert b"prod-1/shop/web" in session.shown
    session.type(b"n\n")
    assert session.wait() == 1
    assert project.provider.ledger()["creates"] == {}


@pytest.mark.parametrize("redirect", REDIRECTIONS[1:], ids="+".join)
def test_a_yes_on_the_terminal_runs_it(project, redirect):
    session = Session(project.folder, "run", "m.yaml", redirect=redirect)
    session.read_until(ASKED)
    session.type(b"what?\n")
    session.read_until(b"Please answer")
    session.type(b"YES\n")
    assert session.wait() == 0
    assert len(project.provider.ledger()["creates"]) == 6


def test_warnings_are_shown_with_the_question_when_stderr_goes_elsewhere(project):
    project.edit("    - {name: rest}", "    - {name: rest}\n    - {name: none, clusters: {tier: canary}}")
    session = Session(project.folder, "run", "m.yaml", redirect=["stderr"])
    session.read_until(ASKED)
    assert b'warning: no cluster falls into wave "none"' in session.shown
    session.type(b"n\n")
    assert session.wait() == 1


@pytest.mark.parametrize(
    ("keys", "code"), [(b"\x03", 130), (b"\x04", 130), (b"\n", 1)], ids=["ctrl-c", "ctrl-d", "return"]
)
def test_what_is_no_yes_writes_nothing(project, keys, code):
    session = Session(project.folder, "run", "m.yaml", redirect=["stderr"])
    session.read_until(ASKED)
    session.type(keys)
    assert session.wait() == code
    assert project.provider.ledger()["creates"] == {}


@pytest.mark.parametrize("arguments", [("run", "m.yaml"), ("rollback", "small")])
def test_a_process_in_the_background_is_refused_before_anything_is_sent(project, arguments):
    project.run("run", "m.yaml", "--yes", "--limit", "prod-1")
    before = project.provider.ledger()["calls"]
    shell = 'set -m; "$@" 2>err.log & wait $!; echo "code $?"'
    session = Session(project.folder, *arguments, shell=shell)
    session.wait()
    assert b"code 2" in session.shown
    assert "cannot ask on its terminal; pass --yes" in (project.folder / "err.log").read_text()
    assert project.provider.ledger()["calls"] == before


@pytest.mark.parametrize("redirect", [["stderr"], ["stdin", "stdout", "stderr"]], ids="+".join)
def test_a_rollback_asks_on_the_terminal_whatever_is_redirected(project, redirect):
    assert project.run("run", "m.yaml", "--yes", "--limit", "prod-1")[0] == 0
    session = Session(project.folder, "rollback", "small", "--delete-created", redirect=redirect)
    session.read_until(b"Take 2 deployments back? [y/N]")
    session.type(b"n\n")
    assert session.wait() == 1
    assert project.provider.ledger()["deletes"] == {}


def test_yes_asks_nothing(project):
    session = Session(project.folder, "run", "m.yaml", "--yes", redirect=["stderr"])
    assert session.wait() == 0
    assert ASKED not in session.shown


def test_without_a_terminal_nothing_is_asked(project):
    command = [sys.executable, "-m", "batch_deployer", "run", "m.yaml"]
    done = subprocess.run(
        command,
        check=False,
        cwd=project.folder,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0
    assert ASKED not in done.stdout + done.stderr
