"""Whatever goes wrong ends in the right exit code and one clear line; what is our fault leaves a crash file."""

import errno
import stat

import click
import pytest

from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import EXIT_CODES, guarded
from batch_deployer.errors import (
    AuthFailed,
    CloudUnreachable,
    Diagnostic,
    IllegalTransition,
    InputError,
    JournalError,
    LockHeld,
    StalePlan,
)


@pytest.fixture
def session(tmp_path):
    return Session(state=tmp_path / "state", redact=lambda text: text.replace("hunter2", "[secret]"))


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (AuthFailed("sim: the password is refused"), 5, "error: sim: the password is refused\n"),
        (LockHeld("nightly is running"), 7, "error: nightly is running\n"),
        (JournalError("the disk is full"), 1, "error: the disk is full\n"),
        (CloudUnreachable("nothing answers at x"), 1, "error: nothing answers at x\n"),
        (StalePlan("revision 3 became 4"), 2, "error: revision 3 became 4\n"),
        (InputError("hunter2 is no rate"), 2, "error: [secret] is no rate\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/report.json"), 1, None),
        (click.UsageError("no such option"), 2, None),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.Abort(), 130, "aborted; nothing was done\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_error_has_its_exit_code_and_its_line(session, capsys, error, code, said):
    assert guarded(raising(error), session) == code
    assert code in EXIT_CODES
    if said is not None:
        assert capsys.readouterr().err == said
    assert not session.state.exists()


def test_a_full_disk_names_the_file(session, capsys):
    assert guarded(raising(OSError(errno.ENOSPC, "No space left on device", "/full/report.json")), session) == 1
    assert capsys.readouterr().err == "error: /full/report.json: no space left on device\n"


def test_every_fault_of_a_manifest_gets_a_line_of_its_own(session, capsys):
    faults = [Diagnostic("no such key", file="m.yaml", line=3, column=5), Diagnostic("bad rate", file="m.yaml", line=9)]
    assert guarded(raising(InputError(faults)), session) == 2
    assert capsys.readouterr().err == "error: m.yaml:3:5: no such key\nerror: m.yaml:9: bad rate\n"


def test_an_error_of_ours_is_found_inside_a_group(session, capsys):
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [ValueError("follow-up"), AuthFailed("refused")])])
    assert guarded(raising(group), session) == 5
    assert capsys.readouterr().err == "error: refused\n"


@pytest.mark.parametrize("error", [ZeroDivisionError("by hunter2"), IllegalTransition("Accepted cannot follow")])
def test_a_bug_of_ours_leaves_a_private_crash_file_without_secrets(session, capsys, error):
    assert guarded(raising(error), session) == 3
    (path,) = session.state.glob("crash-*.txt")
    said = capsys.readouterr().err
    assert said.startswith("error: a bug of ours (")
    assert str(path) in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "Traceback" in text
    assert type(error).__name__ in text
    assert "hunter2" not in text + said


def test_a_crash_file_finds_another_folder_when_the_state_folder_cannot_be_used(session, tmp_path, capsys, monkeypatch):
    session.state.write_text("a file stands in the way")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(elsewhere))
    assert guarded(raising(ZeroDivisionError("oops")), session) == 3
    (path,) = elsewhere.glob("crash-*.txt")
    assert str(path) in capsys.readouterr().err


def test_a_command_that_returns_a_code_ends_with_it(session):
    assert guarded(lambda: 8, session) == 8
    assert guarded(lambda: None, session) == 0
