"""Commands from another shell."""

import os
import stat

import pytest

from batch_deployer.errors import InputError
from batch_deployer.ports import Command, Selection
from batch_deployer.state.control import ControlInbox, post
from batch_deployer.state.run_dir import RunDir, RunMeta


@pytest.fixture
def run(tmp_path):
    return RunDir(id="r", path=tmp_path, meta=RunMeta(manifest="m", started=0.0))


def test_commands_are_taken_one_by_one_in_the_order_they_were_given(run):
    inbox = ControlInbox(run)
    assert inbox.poll() is None
    for command in (Command.PAUSE, Command.CONTINUE, Command.HALT):
        post(run, command)
    assert [inbox.poll() for _ in range(4)] == [Command.PAUSE, Command.CONTINUE, Command.HALT, None]


def test_a_command_from_another_process_arrives(run, python):
    inbox = ControlInbox(run)
    code = """
import sys
from pathlib import Path
from batch_deployer.state.control import post
from batch_deployer.state.run_dir import RunDir, RunMeta
from batch_deployer.ports import Command, Selection
post(RunDir(id="r", path=Path(sys.argv[1]), meta=RunMeta(manifest="m", started=0.0)), Command.PAUSE)
"""
    assert python(code, run.path).communicate(timeout=60) == ("", "")
    assert inbox.poll() is Command.PAUSE


def test_what_was_asked_of_an_earlier_process_is_not_taken_by_the_next(run):
    post(run, Command.HALT)
    inbox = ControlInbox(run)
    assert inbox.poll() is None
    post(run, Command.PAUSE)
    assert inbox.poll() is Command.PAUSE


def test_words_that_are_no_command_are_passed_over(run):
    inbox = ControlInbox(run)
    run.control_path.write_text("explode\n\xff" + "x" * 100 + "\n\npause\n")
    assert [inbox.poll(), inbox.poll()] == [Command.PAUSE, None]


def test_the_inbox_is_private_whatever_the_umask(run):
    old = os.umask(0)
    try:
        post(run, Command.PAUSE)
    finally:
        os.umask(old)
    assert stat.S_IMODE(run.control_path.stat().st_mode) == 0o600


def test_a_run_that_is_gone_cannot_be_asked(tmp_path):
    run = RunDir(id="r", path=tmp_path / "gone", meta=RunMeta(manifest="m", started=0.0))
    with pytest.raises(InputError, match=r"cannot reach run r by .*: No such file or directory"):
        post(run, Command.HALT)


@pytest.mark.parametrize("glob", ["prod-*", "prod-1/shop/web", "a b", "ümlaut", "*"])
def test_a_command_to_some_deployments_arrives_with_their_names(run, glob):
    inbox = ControlInbox(run)
    post(run, Selection(Command.SKIP, glob))
    post(run, Selection(Command.RETRY, glob))
    assert [inbox.poll() for _ in range(3)] == [Selection(Command.SKIP, glob), Selection(Command.RETRY, glob), None]


@pytest.mark.parametrize("glob", ["a\nhalt", "x" * 3000, "\x1b[31m"])
def test_names_that_would_be_another_command_are_not_sent(run, glob):
    inbox = ControlInbox(run)
    with pytest.raises(InputError, match="names no deployment"):
        post(run, Selection(Command.SKIP, glob))
    assert inbox.poll() is None


def test_lines_that_name_nothing_or_too_much_are_passed_over(run):
    inbox = ControlInbox(run)
    run.control_path.write_text("skip\nskip \nhalt now\nretry x\n")
    assert [inbox.poll(), inbox.poll()] == [Selection(Command.RETRY, "x"), None]
