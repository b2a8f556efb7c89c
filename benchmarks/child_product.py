"""The product against a simulator that runs faster than the clock: a plan made faster by as much, run to its end."""

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from batch_deployer.compose.listening import Audience, Telling
from batch_deployer.compose.loop import run_in_loop
from batch_deployer.compose.running import Runner, Task
from batch_deployer.compose.secrets import SecretStore
from batch_deployer.compose.simulating import point_at
from batch_deployer.journal.runs import new_run_id
from batch_deployer.journal.sqlite import SqliteJournal
from batch_deployer.journal.state import StateDir
from batch_deployer.manifest.load import load
from batch_deployer.model.events import Finished
from batch_deployer.plan.build import build_plan
from batch_deployer.plan.faster import faster
from batch_deployer.report.write import write_reports
from batch_deployer.simulator.world import World


def main() -> None:
    """Run the manifest as `run --simulate --speed` does, but with the simulator in another process's hands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    plan = faster(build_plan(load(options.manifest, {})), options.speed)
    plan = point_at(plan, World.from_plan(plan), options.url)
    plan = replace(plan, gates=replace(plan.gates, systemic=0))  # a bench wants to see every end
    store = SecretStore({}, Path.cwd())
    audience = Audience(plan, Telling(quiet=True), store, lambda text: print(text, file=sys.stderr))
    run_id = new_run_id(plan.name, time.time(), random.random())
    runner = Runner(
        Task(plan=plan, run_id=run_id, state=StateDir(options.state), store=store, seed=1, simulated=True), audience
    )
    with audience:
        run_in_loop(runner.run)
    if runner.folder is None:
        raise RuntimeError("the run has left no folder")
    write_reports(audience.story, [runner.folder.report_path])
    with SqliteJournal(runner.folder.journal_path) as journal:
        ends = Counter(str(event.outcome) for event in journal.history() if isinstance(event, Finished))
    options.result.write_text(json.dumps({"ends": ends}))


if __name__ == "__main__":
    main()
