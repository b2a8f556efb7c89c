"""A simulated provider, a small manifest that points at it, and a way to call the program."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from batch_deployer.cli.main import main
from batch_deployer.manifest.load import load
from batch_deployer.plan.build import build_plan
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world import World

MANIFEST = """\
name: small
clouds:
  sim:
    endpoint: {url}
    project: sim
    auth: {{auth_url: "{url}/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}
limits: {{writes: 50/s, reads: 50/s, per_cluster: 4}}
watch: {{first: 50ms, shortest: 50ms, longest: 500ms}}
reconcile: {{grace: 500ms, looks: 2}}
clusters:
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b01, name: prod-1, cloud: sim, tags: {{tier: canary}}}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b02, name: prod-2, cloud: sim}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b03, name: prod-3, cloud: sim}}
releases:
  - {{name: web, namespace: shop, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: "*"}}
  - {{name: db, namespace: shop, chart: {{name: db, version: 1.0.0}}, version: 1.0.0, targets: "*"}}
rollout:
  waves:
    - {{name: canary, clusters: {{tier: canary}}}}
    - {{name: rest}}
"""


@dataclass
class Project:
    """A folder with a manifest, and a provider behind it."""

    folder: Path
    provider: SimulatorProcess
    capfd: pytest.CaptureFixture[str]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *arguments):
        """Call the program in this process: (exit code, stdout, stderr)."""
        self.capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        shown = self.capfd.readouterr()
        return code, shown.out, shown.err

    def start(self, *arguments):
        """Start the program as a process of its own."""
        command = [sys.executable, "-m", "batch_deployer", *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=self.folder, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def edit(self, old, new):
        path = self.folder / "m.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def speed():
    """How fast the provider installs; tests that need time override it."""
    return 200.0


@pytest.fixture
def shows():
    """How the provider shows the values of releases (`SimCluster.shows`); tests override it."""
    return "sent"


@pytest.fixture
def project(tmp_path, monkeypatch, capfd, speed, shows):
    monkeypatch.setenv("SIM_PASSWORD", "demo")
    monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.yaml"
    path.write_text(MANIFEST.format(url="http://127.0.0.1:1"))
    world = World.from_plan(build_plan(load(path, os.environ)))
    world = msgspec.structs.replace(
        world, clusters=tuple(msgspec.structs.replace(each, shows=shows) for each in world.clusters)
    )
    with SimulatorProcess(world, speed=speed) as provider:
        path.write_text(MANIFEST.format(url=provider.url))
        yield Project(tmp_path, provider, capfd)
