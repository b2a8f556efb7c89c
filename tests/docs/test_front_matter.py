"""What CONTRIBUTING.md, SECURITY.md and the workflows name exists and does what they say."""

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

import batch_deployer

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_every_path_and_target_named_exists(page):
    """Files, folders and make's targets."""
    text = (ROOT / page).read_text()
    named = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r"\b((?:tests|docs|batch_deployer)/[\w./]+\w)", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in re.findall(r"`make ([\w-]+)`", text) if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("soak", ["adverse", "kills", "endings", "cuts"])
def test_a_soak_takes_the_option_that_replays_it(soak):
    """As the table of CONTRIBUTING.md has it."""
    option = "--trap" if soak == "cuts" else "--seed"
    assert f"tests/soak/{soak}.py {option}" in (ROOT / "CONTRIBUTING.md").read_text()
    command = [sys.executable, str(ROOT / "tests" / "soak" / f"{soak}.py"), "--help"]
    assert option in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_licence_is_the_one_that_the_package_names():
    """Text and metadata."""
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert [author["name"] for author in PROJECT["authors"]] == ["batch_deployer contributors"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read(path):
    """No job asks for more, and no checkout leaves its token behind."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 60
        checkouts = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_the_workflows_cover_each_supported_python():
    """As the classifiers name them."""
    prefix = "Programming Language :: Python :: 3."
    named = {f"3.{each.removeprefix(prefix)}" for each in PROJECT["classifiers"] if each.startswith(prefix)}
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["tests"]["strategy"]["matrix"]
    assert set(matrix["python"]) == named


def test_hooks_run_what_make_lint_runs():
    """So that neither finds what the other lets pass."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    run = {hook["entry"].split()[0].rpartition("/")[2] for hook in hooks}
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert {"ruff", "mypy", "bandit", "actionlint"} <= run
    assert all(tool in lint for tool in ("ruff check", "ruff format", "mypy", "bandit", "actionlint"))


def test_the_changelog_has_versions_and_dates_and_the_newest_is_the_one_that_the_package_names():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", each).groups() for each in headings[1:]]
    assert released[0][0] == batch_deployer.__version__
    versions = [tuple(map(int, version.split("."))) for version, _ in released]
    dates = [date.fromisoformat(day) for _, day in released]
    assert (versions, dates) == (sorted(set(versions), reverse=True), sorted(dates, reverse=True))
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert len(found) == len(set(found)), "a kind of change stands twice in one version"


def test_the_options_that_the_changelog_names_exist():
    named = set(re.findall(r"`(--[a-z-]+)", (ROOT / "CHANGELOG.md").read_text()))
    source = "".join(path.read_text() for path in (ROOT / "batch_deployer" / "cli").rglob("*.py"))
    assert named
    assert [option for option in named if f'"{option}' not in source and f" {option} " not in source] == []
