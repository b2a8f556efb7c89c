"""Writes README.md from the result files. No figure on it is typed by hand."""

import argparse
import ast
import json
from collections.abc import Iterator
from pathlib import Path

from common import HERE, RESULTS
from tables import BUILDERS, Result, show, targets

_PLOTS = {
    "overhead": ("overhead.svg",),
    "makespan": ("makespan.svg", "detection.svg"),
    "scale": ("scale.svg",),
    "journal_commit": ("journal_commit.svg",),
}
_HEAD = """\
# Measurements

Written by `benchmarks/page.py` from the files in `results/`. `make bench` measures everything again.

- Ratios are taken within one run: the sides take turns, and medians are compared, so that a busy machine meets both alike.
- CPU is user and system time of the whole process, its children included, as the kernel counts it.
- The simulated provider runs in a process of its own. Where it used more than 0.7 of a core it was the bottleneck, and the
  figures are called invalid.
- A target that is missed is said to be missed.
"""


def page(results: Path) -> Iterator[str]:
    """The page, line by line."""
    yield _HEAD
    for name, builder in BUILDERS.items():
        title, _, method = _docstring(name).partition("\n")
        yield f"## {name.replace('_', ' ').capitalize()}\n"
        yield f"{title}\n{method}".rstrip() + "\n"
        file = results / f"{name}.json"
        if not file.exists():
            yield "Not measured yet.\n"
            continue
        result: Result = json.loads(file.read_text("utf-8"))
        yield _machine(result)
        yield from targets(result)
        yield from builder(result)
        for plot in _PLOTS.get(name, ()):
            if (results / plot).exists():
                yield f"![{plot.removesuffix('.svg').replace('_', ' ')}](results/{plot})\n"


def _docstring(name: str) -> str:
    """What a benchmark says about its own method."""
    return ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text("utf-8"))) or ""


def _machine(result: Result) -> str:
    machine = result["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    place = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    notes = [f"{place}; Python {machine['python']}, {libraries}; load before: {show(machine['load_before'])}."]
    if result["quick"]:
        notes.append("**A smoke run: the sizes are too small to mean anything.**")
    if result.get("valid") is False:
        notes.append(f"**Invalid: the simulator used {show(result['simulator_share'])} of a core.**")
    return "\n".join([*notes, ""])


def write_page(results: Path, path: Path) -> None:
    """Write the page beside the results."""
    path.write_text("\n".join(page(results)).rstrip() + "\n", "utf-8")


def main() -> None:
    """Write README.md, of this folder unless told otherwise."""
    parser = argparse.ArgumentParser(description="Write README.md from the result files.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=HERE / "README.md")
    options = parser.parse_args()
    write_page(options.results, options.page)


if __name__ == "__main__":
    main()
