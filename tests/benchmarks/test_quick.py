"""The benchmarks run, and what they say has the shape that the page is made of. Nothing here asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("overhead", "versus_sdk", "makespan", "scale", "journal_commit", "rate_accuracy")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_run_leaves_a_result_and_a_section_of_the_page(tmp_path, name):
    done = subprocess.run(
        [sys.executable, BENCHMARKS, name, "--quick", "--out", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert result["quick"] is True
    assert result["targets"]
    for target in result["targets"].values():
        assert target["most"] is not None or target["least"] is not None
        assert isinstance(target["met"], bool)
    page = (tmp_path / "README.md").read_text()
    assert "A smoke run" in page
    for figure in result["targets"]:
        assert f"| {figure} |" in page
    for plot in tmp_path.glob("*.svg"):
        assert f"results/{plot.name}" in page


@pytest.mark.slow
def test_the_figures_of_the_decisions_can_be_measured(tmp_path):
    script = BENCHMARKS / "decisions.py"
    subprocess.run([sys.executable, script, "--quick", "--out", tmp_path], capture_output=True, check=True)
    figures = json.loads((tmp_path / "decisions.json").read_text())["figures"]
    assert figures["60 writes to one project, one limiter: refused"] == 0
    assert figures["60 writes to one project, two limiters: refused"] > 0
    assert figures["holder stopped with a file lease of 1 s, lease taken over (1 = yes)"] == 1


def test_a_benchmark_that_does_not_exist_is_refused():
    done = subprocess.run(
        [sys.executable, BENCHMARKS, "overhaed", "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no benchmark 'overhaed'" in done.stderr


def test_every_figure_of_the_committed_page_comes_from_the_committed_results(tmp_path):
    page = tmp_path / "README.md"
    subprocess.run([sys.executable, BENCHMARKS / "page.py", "--page", page], check=True)
    assert page.read_text() == (BENCHMARKS / "README.md").read_text()
