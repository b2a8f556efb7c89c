"""Draws the results as SVG. Reads nothing but the result files."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from common import RESULTS
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

mpl.use("svg")
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#777777"
_STYLE: Any = {
    "svg.hashsalt": "benchmarks",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
Result = Mapping[str, Any]


def overhead(result: Result, axes: Axes) -> None:
    """CPU per call of each leg, and where the targets lie."""
    per_call = result["cpu_us_per_call"]
    names = {"bare": "bare loop", "memory": "run, memory", "sqlite": "run, SQLite"}
    axes.bar([names[leg] for leg in names], [per_call[leg] for leg in names], color=[_GREY, _BLUE, _BLUE])
    goal = result["targets"]["whole run over bare loop"]["most"]
    axes.axhline(per_call["bare"] * goal, color=_ORANGE, linestyle="--", label=f"{goal:g} times the bare loop")
    axes.set(ylabel="CPU, us a call", title="A whole run against a bare loop")
    axes.legend(frameon=False)


def makespan(result: Result, axes: Axes) -> None:
    """Time over the bound, clean and with faults, and with what faults impose on any schedule."""
    lines = (
        (False, "over_bound", _BLUE, "o-", "clean"),
        (True, "over_bound", _ORANGE, "o-", "5% faults"),
        (True, "over_bound_with_pauses", _ORANGE, "s--", "5% faults, over bound with ordered pauses"),
        (True, "over_bound_with_pauses_and_grace", _GREY, "^:", "5% faults, over bound with pauses and grace"),
    )
    for faults, field, colour, style, label in lines:
        cases = [case for case in result["cases"] if case["faults"] is faults]
        names = [f"{case['deployments']:,}\n{case['writes_limit']}" for case in cases]
        axes.plot(names, [case[field] for case in cases], style, color=colour, label=label)
    axes.axhline(1.0, color=_GREY, linewidth=0.8)
    axes.set(ylabel="time over the bound", title="Makespan")
    axes.legend(frameon=False)


def detection(result: Result, axes: Axes) -> None:
    """Delay by read budget."""
    budgets = [each["reads_limit"] for each in result["detection"]]
    for field, colour, label in (("share_median", _BLUE, "median"), ("share_p95", _ORANGE, "p95")):
        axes.plot(budgets, [100 * each[field] for each in result["detection"]], "o-", color=colour, label=label)
    axes.set(xlabel="reads allowed", ylabel="delay, % of the install", title="When an end is noticed", ylim=(0, None))
    axes.legend(frameon=False)


def scale(result: Result, axes: Axes) -> None:
    """CPU by size, with memory beside it."""
    for world, colour in (("slim", _BLUE), ("virtual", _GREY), ("http", _ORANGE)):
        rows = [row for row in result["rows"] if row["world"] == world]
        axes.plot(
            [row["deployments"] for row in rows], [row["rss_mb"] for row in rows], "o-", color=colour, label=world
        )
    axes.set(xscale="log", xlabel="deployments", ylabel="peak memory, MB", title="Memory by size", ylim=(0, None))
    axes.legend(frameon=False)


def journal_commit(result: Result, axes: Axes) -> None:
    """Events a second of each way."""
    found = result["events_per_second"]
    colours = [_GREY if name.startswith("sqlite3") else _BLUE for name in found]
    axes.barh(list(found), list(found.values()), color=colours)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="events a second", title="The journal against plain sqlite3")


_DRAWN: Mapping[str, tuple[str, Callable[[Result, Axes], None]]] = {
    "overhead": ("overhead", overhead),
    "makespan": ("makespan", makespan),
    "detection": ("makespan", detection),
    "scale": ("scale", scale),
    "journal_commit": ("journal_commit", journal_commit),
}


def draw(results: Path) -> list[Path]:
    """Draw every plot whose result is there."""
    drawn = []
    with mpl.rc_context(_STYLE):
        for name, (source, plot) in _DRAWN.items():
            file = results / f"{source}.json"
            if not file.exists():
                continue
            figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
            plot(json.loads(file.read_text("utf-8")), axes)
            path = results / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            plt.close(figure)
            drawn.append(path)
    return drawn


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description="Draw the results as SVG.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    for path in draw(parser.parse_args().results):
        print(path)


if __name__ == "__main__":
    main()
