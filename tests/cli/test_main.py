"""The program's outside: quick help, every command helped with an example, near misses answered."""

import os
import shlex
import subprocess
import sys

import click
import pytest

from batch_deployer import __version__
from batch_deployer.cli.error_handler import EXIT_CODES
from batch_deployer.cli.main import COMMANDS, group, main

HEAVY = {
    "aiohttp",
    "pydantic",
    "rich",
    "openstack",
    "keystoneauth1",
    "jinja2",
    "structlog",
    "yaml",
    "sqlite3",
    "uvloop",
}


def of(name):
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def imported_by(*arguments):
    """Top-level packages that a help call imports."""
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "batch_deployer", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}


@pytest.mark.parametrize("arguments", [("--help",), *((name, "--help") for name in COMMANDS)], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    assert imported_by(*arguments) & HEAVY == set()


def test_help_lists_every_command_with_a_line_and_every_exit_code(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in shown
        assert of(name).get_short_help_str(200)
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>5}  {meaning}\n" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_its_own_parser_accepts(name):
    epilog = of(name).epilog
    assert epilog is not None
    lines = [line.strip() for line in epilog.splitlines() if line.startswith("  batch-deployer ")]
    assert lines
    for line in lines:
        program, command, *arguments = shlex.split(line.partition(" > ")[0])
        assert (program, command) == ("batch-deployer", name)
        of(name).make_context(name, list(arguments))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name):
    for parameter in of(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_a_nearly_right_command_is_suggested(capsys):
    assert main(["vaildate"]) == 2
    assert "No such command 'vaildate'. Did you mean validate?" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"batch-deployer {__version__}\n"


def test_the_program_runs_as_a_module_and_ends_quietly_when_its_reader_leaves():
    command = f"{shlex.quote(sys.executable)} -m batch_deployer schema | head -c 1"
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env={**os.environ})
    assert (shown.stdout, shown.stderr) == ("{", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_asks_the_program(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "_BATCH_DEPLOYER_COMPLETE" in capsys.readouterr().out
