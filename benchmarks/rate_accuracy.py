"""How near to a configured rate the writes come, by the server's own count: never over it, and hardly under.

Cut by the count of the limit into windows, the arrivals of the last full window are compared with those of the second, mean
with mean: the burst that a limit allows at the start counts for nothing, and neither do calls that changed places. Whether
a limit was broken is the server's own word: the most arrivals in any window, and the calls it refused.

Judged are calls over HTTP in real time, and 10 a minute, which would take too long, on the virtual clock. Beside them the
virtual clock shows what jitter costs: the answers of its network come up to some hundredths of a second late, and from the
answer alone nobody can tell whether the call or the answer was late. Whoever never exceeds the limit must let each call
count as if it had arrived late by all of it. So each place in the window is taken for the period p and, in the mean, the
jitter m, and no more than p / (p + m) of the rate can be achieved; m is what the writes of that run met.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from common import MOST_SIMULATOR, CpuOf, main, rounded, run_child, target
from fleets import Shape, load_shape, world_of, write_manifest

from batch_deployer.app.rehearsal_summary import RehearsalRun, RehearsalSetup, play
from batch_deployer.model.events import Accepted, Intended
from batch_deployer.settings import Rate
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.provider import SimulatedProvider

_REAL = (("50/s", 750), ("500/s", 5_000), ("2000/s", 20_000))
_VIRTUAL = (("10/min", 200),)
_JITTERED = (("50/s", 2_000), ("500/s", 10_000))


def _achieved(arrivals: Sequence[float], rate: Rate) -> float:
    """Calls in the time between two windows, over what the limit allows in that time."""
    ordered = sorted(arrivals)
    windows = [ordered[start : start + rate.count] for start in range(0, len(ordered) - rate.count + 1, rate.count)]
    if len(windows) < 3:
        return (len(ordered) - 1) / (ordered[-1] - ordered[0]) / rate.per_second
    return (len(windows) - 2) * rate.period / (fmean(windows[-1]) - fmean(windows[1]))


def _figures(rate: Rate, arrivals: Sequence[float], peaks: Mapping[str, Any]) -> Mapping[str, Any]:
    figures = {
        "limit": str(rate),
        "writes": len(arrivals),
        "achieved": rounded(_achieved(arrivals, rate)),
        "most_in_a_window": peaks["peak"],
        "allowed_in_a_window": rate.count,
        "refused": peaks["refused"],
    }
    print(figures, file=sys.stderr)
    return figures


def _over_http(folder: Path, writes: str, deployments: int, more: Sequence[str]) -> Mapping[str, Any]:
    shape = Shape(clusters=deployments // 10, releases=10, writes=writes, per_cluster="100%")
    plan = load_shape(folder / "plan", shape)
    with SimulatorProcess(world_of(plan, install=0.01, spread=0.0)) as simulator:
        manifest = write_manifest(folder / "run", shape, url=simulator.url)
        server = CpuOf(simulator.pid)
        child = run_child("child_run.py", manifest, folder / "state", "--journal", "sqlite", *more)
        share = server.seconds() / child.wall
        entries = simulator.get("entries")
        peaks = simulator.ledger()["peaks"]["sim"]["writes"]
    arrivals = [entry["at"] for entry in entries if entry["operation"] == "create"]
    return {
        "world": "http",
        **_figures(Rate.parse(writes), arrivals, peaks),
        "cpu_share": rounded(child.cpu / child.wall),
        "simulator_share": rounded(share),
    }


def _virtual(folder: Path, writes: str, deployments: int) -> tuple[Mapping[str, Any], RehearsalRun]:
    shape = Shape(clusters=deployments // 10, releases=10, writes=writes, reads="1000/s", per_cluster="100%")
    plan = load_shape(folder, shape)
    played = play(plan, seed=1, stage=RehearsalSetup(fleet=SimulatedProvider(world_of(plan), seed=1)))
    arrivals = [entry.at for entry in played.fleet.ledger.entries if entry.operation == "create"]
    peaks = played.fleet.summary()["peaks"]["sim"]["writes"]
    return {"world": "virtual", **_figures(Rate.parse(writes), arrivals, peaks)}, played


def _jittered(folder: Path, writes: str, deployments: int) -> Mapping[str, Any]:
    """A virtual run beside what its jitter allows."""
    figures, played = _virtual(folder, writes, deployments)
    sent = {event.key: event.at for event in played.events if isinstance(event, Intended)}
    took = [event.at - sent[event.key] for event in played.events if isinstance(event, Accepted)]
    jitter, period = fmean(took) - min(took), Rate.parse(writes).period
    return {
        **figures,
        "answers_took_s": [rounded(min(took)), rounded(max(took))],
        "mean_jitter_s": rounded(jitter),
        "most_possible": rounded(period / (period + jitter)),
    }


def measure(quick: bool) -> Mapping[str, Any]:  # noqa: FBT001 - called by `main`
    """All rates, over HTTP in real time and on the virtual clock."""
    real = (("50/s", 50),) if quick else _REAL
    virtual = (("10/min", 50),) if quick else _VIRTUAL
    jittering = (("50/s", 200),) if quick else _JITTERED
    with tempfile.TemporaryDirectory() as folder:
        rows = [_virtual(Path(folder) / f"v{limit[:2]}", limit, number)[0] for limit, number in virtual]
        jittered = [_jittered(Path(folder) / f"j{number}", limit, number) for limit, number in jittering]
        for number, (limit, deployments) in enumerate(real):
            more = ("--first-look", "0.2") if quick else ()
            rows.append(_over_http(Path(folder) / f"h{number}", limit, deployments, more))
    every = [*rows, *jittered]
    over = max(row["most_in_a_window"] / row["allowed_in_a_window"] for row in every)
    busiest = max(row.get("simulator_share", 0.0) for row in rows)
    return {
        "rows": rows,
        "jittered": jittered,
        "simulator_share": busiest,
        "valid": busiest <= MOST_SIMULATOR,
        "targets": {
            "most calls in a window, over the limit": target(over, most=1.0),
            "calls refused": target(sum(row["refused"] for row in every), most=0),
            "least achieved over configured": target(min(row["achieved"] for row in rows), least=0.98),
            "most achieved over configured": target(max(row["achieved"] for row in every), most=1.0),
        },
    }


if __name__ == "__main__":
    main("rate_accuracy", measure)
