"""Clusters behind nginx, whose limit_req is a limiter that is not ours, and several runs at once."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World

MANIFEST = """\
name: {name}
clouds:
  sim:
    endpoint: {endpoint}
    project: sim
    auth: {{auth_url: "{auth}/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}
limits: {{writes: {writes}, reads: {reads}, per_cluster: 4}}
poll: {{initial_delay: 50ms, min_interval: 200ms, max_interval: 500ms}}
reconcile: {{absence_grace: 500ms, confirmations: 2}}
retry: {{base: 100ms, cap: 5s, throttle: {throttle}}}
clusters:
{clusters}
releases:
{releases}
"""
NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 256; }}
http {{
  access_log off;
  log_format answers "$msec $request_method $status";
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map $request_method $writer {{ default ""; POST all; PUT all; DELETE all; }}
  map $request_method $reader {{ default ""; GET all; }}
  limit_req_zone $writer zone=writes:1m rate={writes};
  limit_req_zone $reader zone=reads:1m rate={reads};
  limit_req_status {status};
  server {{
    listen 127.0.0.1:{port};
    access_log {folder}/answers.log answers;
    location / {{
      limit_req zone=writes burst={burst} nodelay;
      limit_req zone=reads burst=20 nodelay;
      {more}
      proxy_pass {upstream};
    }}
  }}
}}
"""
CLUSTER = "  - {{id: a870253f-5dc7-11ee-bf71-{number:012x}, name: c{number}, cloud: sim}}\n"
RELEASE = "  - {{name: {name}, namespace: shop, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: '*'}}\n"


def text_of(name="limited", *, clusters, endpoint, auth, writes="10/s", reads="50/s", throttle="5s", releases=("web",)):
    """A manifest's text; `clusters`: numbers."""
    return MANIFEST.format(
        name=name,
        endpoint=endpoint,
        auth=auth,
        writes=writes,
        reads=reads,
        throttle=throttle,
        clusters="".join(CLUSTER.format(number=number) for number in clusters).rstrip(),
        releases="".join(RELEASE.format(name=each) for each in releases).rstrip(),
    )


@dataclass
class Provider:
    """A simulated provider, and the folder of the manifests that use it."""

    folder: Path
    process: SimulatorProcess
    started: list[subprocess.Popen] = field(default_factory=list)

    @property
    def url(self):
        return self.process.url

    def write(self, name, **more):
        """Write a manifest of that name; returns its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text_of(name, **({"endpoint": self.url, "auth": self.url} | more)))
        return path

    def start(self, *arguments, **environment):
        command = [sys.executable, "-m", "batch_deployer", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, manifest, *arguments, patience=120):
        """Run a manifest to its end: (exit code, stdout, stderr, seconds)."""
        began = time.monotonic()
        process = self.start("run", manifest, "--yes", *arguments)
        out, err = process.communicate(timeout=patience)
        return process.returncode, out, err, time.monotonic() - began

    def report(self, run="latest"):
        """The report of a run as it was written."""
        folders = sorted((self.folder / "state/runs").iterdir()) if run == "latest" else []
        path = folders[-1] if folders else self.folder / "state/runs" / run
        return json.loads((path / "report/report.json").read_text())


@pytest.fixture
def make_provider(tmp_path, monkeypatch):
    """`make_provider(clusters=40, writes="10/s")`: a provider with its own limits."""
    monkeypatch.setenv("SIM_PASSWORD", "demo")
    monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(tmp_path / "state"))
    made = []

    def make(*, clusters=40, speed=200.0, **limits):
        path = tmp_path / "world.yaml"
        url = "http://127.0.0.1:1"
        path.write_text(text_of(clusters=range(clusters), endpoint=url, auth=url, **limits))
        process = SimulatorProcess(World.from_plan(build_plan(load(path, os.environ))), speed=speed)
        process.__enter__()
        made.append(Provider(tmp_path, process))
        return made[-1]

    yield make
    for provider in made:
        for process in provider.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        provider.process.stop()


@dataclass
class Limiter:
    """A running nginx."""

    url: str
    folder: Path

    def answers(self, *methods):
        """Times and statuses of all answers to these methods."""
        lines = (line.split() for line in (self.folder / "answers.log").read_text().splitlines())
        return [(float(at), int(status)) for at, method, status in lines if method in methods]

    def writes(self):
        """Status to number of writes that were answered with it."""
        return Counter(status for _, status in self.answers("POST", "PUT", "DELETE"))


@pytest.fixture
def make_limiter(tmp_path, program):
    """`make_limiter(provider, status=503, writes="2r/s")`: nginx in front of a provider."""
    running = []

    def make(provider, *, status, writes="2r/s", reads="100r/s", burst=0, more=""):
        folder = tmp_path / "nginx"
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = folder / "nginx.conf"
        config.write_text(
            NGINX.format(
                folder=folder, port=port, upstream=provider.url, status=status, writes=writes, reads=reads,
                burst=burst, more=more,
            )
        )  # fmt: skip
        text = config.read_text().replace("limit_req zone=writes burst=0 nodelay", "limit_req zone=writes")
        config.write_text(text)
        running.append(subprocess.Popen([program("nginx"), "-p", str(folder), "-c", str(config)]))
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        return Limiter(f"http://127.0.0.1:{port}", folder)

    yield make
    for process in running:
        process.terminate()
        process.wait(10)
