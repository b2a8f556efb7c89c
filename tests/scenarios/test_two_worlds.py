"""The same thousand deployments over real HTTP and on the virtual clock: the same seed tells the same story."""

import json
import os
from collections import Counter
from pathlib import Path

from batch_deployer.app.rehearsal_summary import play
from batch_deployer.cli.main import main
from batch_deployer.manifest.loader import load
from batch_deployer.model.events import Finished
from batch_deployer.plan.builder import build_plan
from batch_deployer.simulator.faults.files import load as load_faults

MANIFESTS = Path(__file__).parents[2] / "manifests"
SEED = 7
FAULTS = """
- {effect: fail, name: failing, probability: 0.05}
- {effect: unknown, name: unknown, probability: 0.02}
"""


def a_thousand_without_budgets(folder):
    """The demo's manifest, in a folder of its own, with a rollout that no failure halts."""
    for part in ("inventory", "values"):
        _copy(MANIFESTS / part, folder / part)
    text = (MANIFESTS / "thousand.yaml").read_text("utf-8")
    path = folder / "thousand.yaml"
    path.write_text(text.partition("\nrollout:")[0] + "\nrollout: {systemic: 0}\n", "utf-8")
    return path


def _copy(source, target):
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


def test_a_thousand_deployments_end_alike_over_http_and_on_the_virtual_clock(tmp_path):
    manifest = a_thousand_without_budgets(tmp_path)
    faults = tmp_path / "faults.yaml"
    faults.write_text(FAULTS, "utf-8")
    words = ["--simulate", "--seed", str(SEED), "--speed", "100", "--faults", str(faults), "--yes"]
    places = ["--state-dir", str(tmp_path / "state"), "--report", str(tmp_path / "report")]
    assert main(["run", str(manifest), *words, *places]) == 1
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    over_http = {each["key"]: each["outcome"] for each in report["deployments"]}

    plan = build_plan(load(manifest, os.environ))
    played = play(plan, seed=SEED, faults=load_faults(FAULTS))
    virtually = {event.key: str(event.outcome) for event in played.events if isinstance(event, Finished)}

    assert len(over_http) == 1000
    assert over_http == virtually
    counts = Counter(virtually.values())
    assert counts["failed"] > 30, counts
    assert counts["deployed"] > 800, counts
