"""README.md and docs/ say what is so: commands, exit codes, options, links, and every command of the tour runs."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from batch_deployer.cli.error_handler import EXIT_CODES
from batch_deployer.cli.main import COMMANDS, group

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


def rows_of(heading):
    """Rows of the table under a heading, header left out."""
    part = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"][2:]


def tour():
    """(command, lines shown) of every console block."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def shape(line):
    """A line without what differs from run to run."""
    return re.sub(r"\d[\d:.,TZ-]*", "N", re.sub(r"\s+", " ", line)).strip()


def test_the_table_of_commands_is_the_program_s_own_help():
    context = click.Context(group)
    told = {row[0].strip("`"): row[1] for row in rows_of("Commands")}
    assert list(told) == list(COMMANDS)
    assert told == {name: group.get_command(context, name).get_short_help_str(100) for name in COMMANDS}


def test_the_table_of_exit_codes_is_the_program_s_own():
    assert {int(code): meaning for code, meaning in rows_of("Exit codes")} == EXIT_CODES


def test_the_names_in_the_environment_are_obeyed():
    options = [parameter for name in COMMANDS for parameter in group.get_command(click.Context(group), name).params]
    named = {option.envvar for option in options if isinstance(option, click.Option) and option.envvar}
    told = {row[0].strip("`") for row in rows_of("Environment")}
    named.add("BATCH_DEPLOYER_PLAN_KEY")  # a key is no option: it would show in the list of processes
    assert named == {name for name in told if name.startswith("BATCH_DEPLOYER_") and "<" not in name}
    assert group.context_settings["auto_envvar_prefix"] == "BATCH_DEPLOYER"


def test_every_command_of_the_tour_runs_and_shows_what_the_readme_says(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(tmp_path / "state"))
    commands = list(tour())
    assert len(commands) >= 5
    for command, shown in commands:
        program, *arguments = shlex.split(command)
        assert program == "batch-deployer"
        done = subprocess.run(
            [sys.executable, "-m", "batch_deployer", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        real = {shape(line) for line in (done.stdout + "\n" + done.stderr).splitlines()}
        for line in shown:
            wanted = shape(line)
            if wanted.endswith("..."):
                assert any(one.startswith(wanted.removesuffix("...").strip()) for one in real), (command, line)
            else:
                assert wanted in real, (command, line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    prose = re.sub(r"`[^`]*`", "", page.read_text())
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_of_the_docs_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.name == "index.md" or f"({page.relative_to(ROOT / 'docs')})" in index, page


def test_the_page_of_commands_is_up_to_date():
    spec = importlib.util.spec_from_file_location("commands_page", ROOT / "docs/commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/commands.md").read_text() == module.text(), "run: .venv/bin/python docs/commands.py"


def test_the_make_targets_that_are_told_exist():
    told = set(re.findall(r"`make (\w+)`", README)) | {"demo"}
    makefile = (ROOT / "Makefile").read_text()
    for target in told:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
