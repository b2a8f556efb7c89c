"""What a hostile cloud, monitor or folder can say: left out, refused in one line, or not followed."""

import http.server
import os
import threading

import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.model.api import ClusterState
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.healthcheck import _post
from batch_deployer.observe.metrics import MetricsFile
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.plan import Plan
from batch_deployer.transport.auth.service_catalog import cce_endpoint, endpoints

MANIFEST = """\
name: attacked
clouds: {one: {endpoint: "http://127.0.0.1:9", project_id: p}}
clusters: [{discover: {cloud: one}}]
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""
GOOD = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("bad", ["..", "", "a/b", "%2e%2e", "x" * 5000, "\x1b[2J", f"{GOOD}/../x", "00000000"])
def test_a_cluster_whose_id_is_none_is_left_out_and_told(tmp_path, bad):
    """It would become part of an address."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    shown = [ClusterState(id=bad, name="evil"), ClusterState(id=GOOD, name="good")]
    plan = build_plan(load(tmp_path / "m.yaml", {}), discovered={"one": shown})
    assert [each.cluster.id for each in plan.deployments] == [GOOD]
    assert any("no UUID; it is left out" in warning for warning in plan.warnings)


@pytest.mark.parametrize("url", ["https://[", "https://[::1", "//", "", "no url", "https://h:port", "\x00"])
def test_a_malformed_catalogue_is_no_bug(url):
    """Either it names no CCE, or what it names is refused as no URL."""
    catalogue = [
        {"type": "ccev2.0", "endpoints": [{"url": url, "interface": "public", "region": "r"}, None, 5]},
        "x",
        None,
    ]
    try:
        found = cce_endpoint(endpoints(catalogue), "r", "cloud 'c'")
    except InputError:
        return
    assert isinstance(found, str)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_metrics_go_to_regular_files_only(tmp_path, kind):
    """A pipe that nobody writes to would hold the run up before its lock."""
    path = tmp_path / "m.prom"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    plan = Plan(name="p", clouds={}, deployments=())
    with pytest.raises(InputError, match="no regular file"):
        MetricsFile(path, plan, RunCounters(plan))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_ping_follows_no_redirect(status):
    """Its text names the run, and its URL is a secret of one host."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _serve  # noqa: N815 - names that http.server wants

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(RuntimeError, match=f"HTTP status {status}"):
            _post(f"http://127.0.0.1:{server.server_port}/ping", "run ended")
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/ping"]
