"""A chart id against a version that comes from anywhere in the manifest: an error of the plan, before any write."""

import json

import pytest

from batch_deployer.simulator.keyed_random import uuid_like

WEB = uuid_like("chart", "web", "1.0.0")
CHANNELS = {
    "release": [("chart: {name: web, version: 1.0.0}, version: 1.0.0", f"chart: {{id: {WEB}}}, version: 1.0.1")],
    "chart": [("chart: {name: web, version: 1.0.0}, version: 1.0.0", f"chart: {{id: {WEB}, version: 1.0.1}}")],
    "defaults": [
        ("chart: {name: web, version: 1.0.0}, version: 1.0.0", f"chart: {{id: {WEB}}}"),
        ("clusters:\n", "defaults: {release: {version: 1.0.1}}\nclusters:\n"),
    ],
    "deployment": [("rollout:", "deployments: [{cluster: prod-1, release: web, version: 1.0.1}]\nrollout:")],
    "csv": [("rollout:", "deployments: [{from: pairs.csv}]\nrollout:")],
    "jsonl": [("rollout:", "deployments: [{from: pairs.jsonl}]\nrollout:")],
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_version_that_contradicts_the_chart_id_stops_before_any_write(project, channel):
    (project.folder / "pairs.csv").write_text("cluster,release,version\nprod-1,web,1.0.1\n")
    (project.folder / "pairs.jsonl").write_text('{"cluster": "prod-1", "release": "web", "version": "1.0.1"}\n')
    if channel in ("deployment", "csv", "jsonl"):
        project.edit("chart: {name: web, version: 1.0.0}, version: 1.0.0", f"chart: {{id: {WEB}}}, version: 1.0.0")
    for old, new in CHANNELS[channel]:
        project.edit(old, new)
    only = ("--limit", "prod-1/shop/web")
    code, out, _ = project.run("plan", "m.yaml", *only, "--detailed-exitcode", "--format", "json")
    (planned,) = json.loads(out)["deployments"]
    assert (code, planned["action"]) == (1, "blocked")
    assert f"chart id {WEB} is web 1.0.0 in the cloud, not version 1.0.1" in planned["reason"]
    assert project.run("run", "m.yaml", *only, "--yes")[0] == 1
    assert project.provider.ledger()["creates"] == {}
