"""Tables of the page, one builder per benchmark. Every figure comes out of a result file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
Lines = Iterator[str]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Lines:
    """A Markdown table; the first column is text, the others are figures."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(show(cell) for cell in row) + " |"
    yield ""


def show(cell: object) -> str:
    """A figure as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def targets(result: Result) -> Lines:
    """What was asked and what was measured."""
    rows = []
    for name, each in result["targets"].items():
        asked = [f"at most {show(each['most'])}"] if each["most"] is not None else []
        asked += [f"at least {show(each['least'])}"] if each["least"] is not None else []
        rows.append((name, each["value"], " and ".join(asked), "met" if each["met"] else "**missed**"))
    yield from table(("figure", "measured", "asked", ""), rows)


def overhead(result: Result) -> Lines:
    """CPU per call of each leg."""
    names = {
        "bare": "bare aiohttp on uvloop",
        "memory": "whole run, journal in memory",
        "unshared": "whole run, journal in SQLite, limits that cannot be shared",
        "sqlite": "whole run, journal in SQLite",
    }
    per_call, growing = result["cpu_us_per_call"], result["cpu_us_per_call_without_start"]
    bare, bare_growing = per_call["bare"], growing["bare"]
    yield f"{show(result['calls'])} calls for {show(result['deployments'])} deployments: " + ", ".join(
        f"{show(number)} {kind}" for kind, number in result["kinds"].items()
    )
    yield ""
    rows = [
        (name, per_call[leg], per_call[leg] / bare, growing[leg], growing[leg] / bare_growing)
        for leg, name in names.items()
        if leg in per_call
    ]
    yield from table(("leg", "CPU us a call", "over bare", "the same without process start", "over bare"), rows)
    starts = [(f"`{name}`", 1000 * seconds) for name, seconds in result["start_wall_s"].items()]
    yield from table(("start of", "ms"), starts)


def versus_sdk(result: Result) -> Lines:
    """Both clients, world by world."""
    fields = (
        ("wall, s", "wall_s"),
        ("CPU, s", "cpu_s"),
        ("CPU a deployed release, ms", "cpu_ms_per_deployed"),
        ("writes", "writes"),
        ("reads", "reads"),
        ("reads a deployed release", "reads_per_deployed"),
        ("429s", "throttled"),
        ("duplicate creates in the ledger", "duplicates"),
        ("creates refused: the name exists", "creates_refused_as_existing"),
        ("releases not deployed", "lost"),
        ("ends reported wrong", "reported_wrong"),
    )
    starts = result["start_cpu_s"]
    for world, legs in result["worlds"].items():
        limits = result["limits"][world]
        yield (
            f"`{world}`: limits of {limits['writes']} writes and {limits['reads']} reads, "
            f"time {show(result['speed'][world])} times as fast; rounds: {len(result['rounds'][world]['sdk'])}."
        )
        yield ""
        head = (f"{world}, {show(result['deployments'][world])} releases", "product", "SDK")
        rows = [(name, legs["product"][key], legs["sdk"][key]) for name, key in fields]
        beyond = [
            1000 * (legs[client]["cpu_s"] - starts[client]) / max(1, legs[client]["deployed"])
            for client in ("product", "sdk")
        ]
        yield from table(head, [*rows, ("CPU a deployed release beyond that for one, ms", *beyond)])
    yield (
        f"For one release the product needs {show(starts['product'])} s of CPU and the SDK {show(starts['sdk'])} s, "
        "nearly all of it to start."
    )
    yield ""
    yield "Where the product's CPU goes in `limits`:"
    yield ""
    a_release = result["worlds"]["limits"]["product"]["cpu_ms_per_deployed"]
    parts = [(part, f"{100 * share:.1f}%", share * a_release) for part, share in result["profile"].items()]
    yield from table(("part", "share", "ms a release"), parts)


def makespan(result: Result) -> Lines:
    """The grid, what faults cost at least, then the read budgets."""
    rows = [
        (
            f"{show(case['deployments'])} at {case['writes_limit']}{', 5% faults' if case['faults'] else ''}",
            case["seconds"],
            case["writes"],
            case["bound"],
            case["over_bound"],
        )
        for case in result["cases"]
    ]
    yield from table(("deployments", "virtual s", "writes", "bound, s", "over bound"), rows)
    yield from _faults(result)
    rows = [
        (
            each["reads_limit"],
            each["delay_median_s"],
            each["delay_p95_s"],
            each["share_median"],
            each["share_p95"],
            each["reads_per_deployment"],
        )
        for each in result["detection"]
    ]
    first = result["detection"][0]
    yield f"Delay from an install's end to its being known, {show(first['deployments'])} deployments at {first['writes_limit']}:"
    yield ""
    head = ("reads allowed", "median, s", "p95, s", "median, share of the install", "p95, share", "reads a deployment")
    yield from table(head, rows)


def _faults(result: Result) -> Lines:
    """The bounds of the runs with faults, and by how much no run could have kept to the plain one."""
    rough = [case for case in result["cases"] if case["faults"]]
    rows = [
        (
            f"{show(case['deployments'])} at {case['writes_limit']}",
            case["writes_refused"],
            case["ordered_pauses"],
            case["waited_on_top_of_pauses"],
            case["bound_with_pauses"],
            case["over_bound_with_pauses"],
            case["last_waited_to_read_back"],
            case["bound_with_pauses_and_grace"],
            case["over_bound_with_pauses_and_grace"],
        )
        for case in rough
    ]
    yield "With 5% faults, what the server's pauses and the grace before a write is sent again impose on any schedule:"
    yield ""
    head = (
        "deployments",
        "writes refused",
        "ordered pauses, s",
        "waited on top, s",
        "bound with pauses, s",
        "over it",
        "the last to end waited to be read back, s",
        "bound with pauses and grace, s",
        "over it",
    )
    yield from table(head, rows)
    worst = max(rough, key=lambda case: case["bound_with_pauses_and_grace"] / case["bound"])
    least = worst["bound_with_pauses_and_grace"] / worst["bound"]
    yield (
        f"Of {show(worst['deployments'])} deployments at {worst['writes_limit']}, {show(worst['writes_refused'])} writes were refused, "
        f"and the server ordered {show(worst['ordered_pauses'])} s of pauses, while the bound of the limit alone is "
        f"{show(worst['bound'])} s. No run that met the same refusals could have ended within less than {show(least)} times that bound."
    )
    yield ""


def scale(result: Result) -> Lines:
    """Every size in every world."""
    fields = ("run_s", "run_cpu_s", "cpu", "rss_planned_mb", "rss_run_mb", "rss_mb", "journal_mb", "lag_p99_ms")
    head = (
        "world",
        "deployments",
        "run, s",
        "CPU of the run, s",
        "CPU of the process, s",
        "MB when planned",
        "MB at the run's end",
        "MB with reports",
        "journal, MB",
        "lag p99, ms",
    )
    rows = [
        (each["world"], each["deployments"], *(each.get(field) for field in fields))
        for each in (*result["rows"], result["resume"])
    ]
    yield from table(head, rows)
    load, resume = result["load"], result["resume"]
    head = ("stage", "deployments", "s")
    stages = [
        ("load and plan", load["deployments"], load["load_plan_s"]),
        ("resume: read the frozen plan", resume["deployments"], resume["thaw_s"]),
        ("resume: from the lock to the first write", resume["deployments"], resume["first_write_s"]),
    ]
    yield from table(head, stages)


def journal_commit(result: Result) -> Lines:
    """Events a second, then the latency."""
    yield from table(("way", "events a second"), list(result["events_per_second"].items()))
    rows = [(f"{each['rate']}/s", each["median_ms"], each["p99_ms"]) for each in result["latency"]]
    yield from table(("creates", "an intent waits, median ms", "p99 ms"), rows)


def rate_accuracy(result: Result) -> Lines:
    """Every rate that is judged, then what jitter costs."""
    head = ("limit", "world", "writes", "achieved over configured", "most in a window", "allowed", "refused")
    fields = ("limit", "world", "writes", "achieved", "most_in_a_window", "allowed_in_a_window", "refused")
    yield from table(head, [[each[field] for field in fields] for each in result["rows"]])
    quickest, slowest = result["jittered"][0]["answers_took_s"]
    yield (
        f"On the virtual clock, answers take {show(1000 * quickest)} to {show(1000 * slowest)} ms at random. "
        "Most possible: p / (p + m), with the mean jitter m of the writes of that run."
    )
    yield ""
    rows = [
        (
            each["limit"],
            each["writes"],
            1000 * each["mean_jitter_s"],
            each["achieved"],
            each["most_possible"],
            each["most_in_a_window"],
            each["allowed_in_a_window"],
            each["refused"],
        )
        for each in result["jittered"]
    ]
    head = ("limit", "writes", "mean jitter, ms", "achieved over configured", "most possible", *head[-3:])
    yield from table(head, rows)


BUILDERS = {
    "overhead": overhead,
    "versus_sdk": versus_sdk,
    "makespan": makespan,
    "scale": scale,
    "journal_commit": journal_commit,
    "rate_accuracy": rate_accuracy,
}
