"""One run of many deployments in a process of its own, with everything but the network: plan, lock, journal, engine, report.

`slim`: the real loop and clock, against an Api in this process that keeps next to nothing, so that memory and loop are ours.
`virtual`: the simulated fleet on the virtual clock; its memory is the fleet's as well as ours.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from fleets import Shape, load_shape
from lag import watch_lag
from own import own_cpu, own_peak, quantile

from batch_deployer.app import runner as runner_module
from batch_deployer.app.listeners import EventListeners, OutputOptions
from batch_deployer.app.rehearsal_summary import play
from batch_deployer.app.runner import Runner
from batch_deployer.app.secrets import SecretStore
from batch_deployer.app.task import Task
from batch_deployer.model.api import Answer, Call, ClusterState, CreateRelease, ListReleases, ReleaseState
from batch_deployer.model.events import Accepted, Intended
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.serialization import parse_plan
from batch_deployer.report.files import write_reports
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.run_dir import new_run_id
from batch_deployer.state.state_dir import StateDir

_WRITES = "5000/s"


class SlimApi:
    """A cloud that accepts every create; a release is deployed some seconds later. Satisfies `ports.Api`."""

    def __init__(self, plan: Plan, install: float, die_after: int | None) -> None:
        """`die_after`: creates after which this process kills itself."""
        self._clusters = {each.cluster.id: each.cluster.name for each in plan.deployments}
        self._made: dict[str, list[tuple[CreateRelease, float]]] = {cluster: [] for cluster in self._clusters}
        self._install, self._die_after = install, die_after
        self._born = datetime.now(UTC).isoformat(timespec="seconds")
        self._known: dict[str, CreateRelease] = {}
        self.creates = 0
        self.reads = 0
        self.first_write: float | None = None

    def restore(self, plan: Plan, keys: set[str]) -> None:
        """Have these releases deployed already."""
        for each in plan.deployments:
            if each.key in keys:
                spec = each.release
                call = CreateRelease(
                    cluster_id="",
                    namespace=spec.namespace,
                    name=spec.name,
                    chart_id=spec.chart.id,
                    version=spec.version,
                    values_json=spec.values_json,
                )
                self._made[each.cluster.id].append((self._known.setdefault(spec.name, call), 0.0))

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        """Answer at the next turn of the loop."""
        on_sent()
        await asyncio.sleep(0)
        if isinstance(call, CreateRelease):
            return self._create(call)
        self.reads += 1
        if isinstance(call, ListReleases):
            return Answer(status=200, body=self._list(call.cluster_id))
        if call.kind == "list_clusters":
            return Answer(
                status=200, body=[ClusterState(id=i, name=n, phase="Available") for i, n in self._clusters.items()]
            )
        return Answer(status=200, body=[])

    async def renew(self, credential: int) -> None:
        """Nothing expires."""

    async def close(self) -> None:
        """Nothing is open."""

    def _create(self, call: CreateRelease) -> Answer:
        self.first_write = self.first_write or time.monotonic()
        # Each release is the same on every cluster: one call stands for all, so that the fake keeps next to nothing.
        known = self._known.setdefault(call.name, call)
        self._made[call.cluster_id].append((known, time.monotonic() + self._install))
        self.creates += 1
        if self.creates == self._die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer(status=201, request_id="bench")

    def _list(self, cluster: str) -> list[ReleaseState]:
        now = time.monotonic()
        return [
            ReleaseState(
                name=call.name,
                namespace=call.namespace,
                cluster_id=cluster,
                chart_version=call.version,
                revision=1,
                status="DEPLOYED" if ends <= now else "PENDING_INSTALL",
                created_at=self._born,
                updated_at=self._born,
                values_json=call.values_json,
            )
            for call, ends in self._made[cluster]
        ]


def _plan_of(folder: Path, deployments: int, told: dict[str, Any]) -> Plan:
    shape = Shape(
        clusters=max(1, deployments // 10),
        releases=10,
        writes=_WRITES,
        reads=_WRITES,
        per_cluster="100%",
        pairs=True,
    )
    started, cpu = time.monotonic(), own_cpu()
    told["rss_imports"] = own_peak()
    plan = load_shape(folder, shape)
    told |= {"load_plan_s": time.monotonic() - started, "load_plan_cpu_s": own_cpu() - cpu, "rss_planned": own_peak()}
    return plan


def _slim(options: argparse.Namespace, told: dict[str, Any]) -> None:
    """Run, or take up again, and report; each stage's time and memory."""
    state = StateDir(options.state)
    resumed = state.open_run("latest") if options.resume else None
    began = time.monotonic()
    plan = (
        parse_plan(resumed.plan_text()) if resumed else _plan_of(options.state / "manifest", options.deployments, told)
    )
    told["thaw_s"] = time.monotonic() - began if resumed else None
    api = SlimApi(plan, options.install, options.die_after)
    if resumed:
        with JournalReader(resumed.journal_path) as reader:
            api.restore(plan, {each.key for each in reader.events() if isinstance(each, Accepted | Intended)})
    store = SecretStore({}, Path.cwd())
    lags: list[float] = []
    watch_lag(lags)
    audience = EventListeners(plan, OutputOptions(quiet=True), store, lambda text: print(text, file=sys.stderr))
    run_id = resumed.id if resumed else new_run_id(plan.name, time.time(), 0.5)
    runner = Runner(Task(plan=plan, run_id=run_id, state=state, store=store, folder=resumed, simulated=True), audience)
    composed: Any = runner_module
    composed.open_apis = _opening(api)
    started, cpu = time.monotonic(), own_cpu()
    with audience:
        ending = uvloop.run(runner.run())
    told |= {
        "run_s": time.monotonic() - started,
        "run_cpu_s": own_cpu() - cpu,
        "rss_run": own_peak(),
        "exit_code": ending.exit_code,
        "creates": api.creates,
        "reads": api.reads,
        "first_write_s": None if api.first_write is None else api.first_write - started,
        "lag_p50": quantile(lags, 0.5),
        "lag_p99": quantile(lags, 0.99),
        "lag_max": max(lags),
        "journal_bytes": sum(path.stat().st_size for path in options.state.rglob("journal.db*")),
    }
    started = time.monotonic()
    assert runner.folder is not None
    write_reports(audience.story, [runner.folder.report_path])
    told |= {"report_s": time.monotonic() - started, "rss": own_peak(), "cpu": own_cpu()}


def _opening(api: SlimApi) -> Any:
    @contextlib.asynccontextmanager
    async def opened(plan: Plan, **_: object) -> AsyncIterator[Mapping[str, SlimApi]]:
        yield dict.fromkeys(plan.clouds, api)

    return opened


def _virtual(options: argparse.Namespace, told: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan_of(Path(folder), options.deployments, told)
    started, cpu = time.monotonic(), own_cpu()
    played = play(plan, seed=1)
    told |= {
        "run_s": time.monotonic() - started,
        "run_cpu_s": own_cpu() - cpu,
        "virtual_s": played.seconds,
        "exit_code": played.ending.exit_code,
        "creates": len(played.fleet.ledger.entries),
        "cpu": own_cpu(),
        "rss": own_peak(),
    }


def main() -> None:
    """Measure one run, write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("world", choices=["slim", "virtual", "load"])
    parser.add_argument("deployments", type=int)
    parser.add_argument("state", type=Path)
    parser.add_argument("--install", type=float, default=10.0)
    parser.add_argument("--die-after", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    told: dict[str, Any] = {}
    match options.world:
        case "load":
            _plan_of(options.state, options.deployments, told)
        case "slim":
            _slim(options, told)
        case "virtual":
            _virtual(options, told)
    told["collections"] = gc.get_stats()[2]["collections"]
    options.result.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
