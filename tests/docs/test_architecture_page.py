"""docs/architecture.md and docs/decisions: every path, name and test exists, and the example computes what it shows."""

import doctest
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
PAGES = [PAGE, *sorted((ROOT / "docs/decisions").glob("*.md"))]
NAMED = re.compile(r"`((?:batch_deployer|tests|docs|benchmarks)/[\w./-]+|README\.md|pyproject\.toml)(?:::([\w.]+))?`")


def named(page):
    """(path, name or '') of all code spans that are paths; placeholders such as `<name>.py` are none."""
    return re.findall(NAMED, page.read_text())


def resolve(path, name):
    """The object `name` of a module of the package. AttributeError or ImportError when it is not there."""
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_and_name_exists(page):
    places = named(page)
    assert places
    assert [path for path, _ in places if not (ROOT / path).exists()] == []
    for path, name in places:
        if name and path.startswith("batch_deployer/"):
            resolve(path, name)


def test_every_test_named_is_collected():
    ids = {f"{path}::{name}" for page in PAGES for path, name in named(page) if name and path.startswith("tests/")}
    assert len(ids) > 20
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(ids)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hazard_has_a_place_and_a_test():
    rows = [
        line.split("|")[1:-1]
        for line in PAGE.read_text().partition("\n## Hazards\n")[2].splitlines()
        if line.startswith("| ")
    ][1:]
    assert len(rows) >= 12
    for hazard, place, proof in rows:
        assert "`batch_deployer/" in place, hazard
        assert "`tests/" in proof, hazard
        assert "::test_" in proof, hazard


def test_the_example_of_the_rate_limiter_computes_what_it_shows():
    example = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(example, {}, "architecture.md", str(PAGE), 0)
    assert len(parsed.examples) > 10
    output = []
    failed, _ = doctest.DocTestRunner().run(parsed, out=output.append)
    assert not failed, "".join(output)


def test_the_layers_are_those_of_the_import_contract():
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert shown.splitlines() == next(each["layers"] for each in contracts if each["id"] == "spine")


def test_a_recipe_has_at_most_eight_lines():
    recipes = PAGE.read_text().partition("\n## Recipes\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(recipes) == 5
    for recipe in recipes:
        assert len([line for line in recipe.splitlines()[1:] if line]) <= 8, recipe.splitlines()[0]


def test_every_package_in_the_drawing_exists():
    packages = re.findall(r">(\w+)/<", (ROOT / "docs/architecture.svg").read_text())
    assert len(packages) >= 8
    assert [name for name in packages if not (ROOT / "batch_deployer" / name).is_dir()] == []


def test_every_decision_has_the_same_parts_and_is_in_the_index():
    parts = ["Context", "Options", "Decision", "Consequences", "Look again when"]
    index = (ROOT / "docs/index.md").read_text()
    for page in PAGES[1:]:
        assert re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE) == parts, page.name
        assert f"(decisions/{page.name})" in index


def test_every_figure_of_a_decision_is_one_that_was_measured():
    figures = json.loads((ROOT / "benchmarks/results/decisions.json").read_text())["figures"]
    commits = json.loads((ROOT / "benchmarks/results/journal_commit.json").read_text())["events_per_second"]
    shown = [
        row for page in PAGES[1:] for row in re.findall(r"^\| ([^|]+) \| ([\d.,]+) \|$", page.read_text(), re.MULTILINE)
    ]
    measured = {name: value for name, value in shown if name in figures or name in commits}
    assert {name: float(value.replace(",", "")) for name, value in measured.items()} == {
        name: (figures | commits)[name] for name in measured
    }
    assert set(figures) <= set(measured), "a figure that no decision uses"
