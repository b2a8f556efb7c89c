"""A simulated provider, a small manifest that points at it, and a way to call the program."""

import contextlib
import http.client
import http.server
import os
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from batch_deployer.cli.main import main
from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World

MANIFEST = """\
name: small
clouds:
  sim:
    endpoint: {url}
    project: sim
    auth: {{auth_url: "{url}/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}
limits: {{writes: 50/s, reads: 50/s, per_cluster: 4}}
poll: {{initial_delay: 50ms, min_interval: 50ms, max_interval: 500ms}}
reconcile: {{absence_grace: 500ms, confirmations: 2}}
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


@dataclass
class Front:
    """A server before the provider: answers some requests itself, and passes the others on as they are.

    `rules` maps a part of `METHOD /path` to what is answered: (status, headers, body), or a function of the request that
    gives such an answer or None.
    """

    upstream: str
    rules: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    """Set on every answer that is passed on; None takes a header away."""
    asked: list = field(default_factory=list)
    """`METHOD /path` of each request."""
    url: str = ""

    def count(self, part):
        return sum(part in each for each in self.asked)

    def answer(self, request, body):
        line = f"{request.command} {request.path}"
        self.asked.append(line)
        for part, rule in self.rules.items():
            if part in line:
                found = rule(request, body) if callable(rule) else rule
                if found is not None:
                    return found
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        with contextlib.closing(connection):
            headers = {name: text for name, text in request.headers.items() if name.lower() != "host"}
            host = request.headers["Host"]  # the simulator answers to no other name than loopback's
            headers["Host"] = host if host.startswith("127.") else urlsplit(self.upstream).netloc
            connection.request(request.command, request.path, body or None, headers)
            reply = connection.getresponse()
            dropped = {"content-length", "transfer-encoding", "connection"}
            headers = {name: text for name, text in reply.getheaders() if name.lower() not in dropped}
            return reply.status, headers | self.headers, reply.read()


def _handler(front):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, answer = front.answer(self, body)
            self.send_response_only(status)
            for name, text in headers.items():
                if text is not None:
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def front(project):
    """`front(rules, tls=folder)`: a Front that the manifest's endpoint and auth_url lead to."""
    servers = []

    def start(rules=(), *, tls=None, host="127.0.0.1", headers=()):
        made = Front(project.provider.url, dict(rules), dict(headers))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
        server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        made.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}"
        project.edit(project.provider.url, made.url)
        return made

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory, program):
    """`certificates(name)`: folder with ca.pem, and cert.pem and key.pem of that host, all of one test CA."""
    openssl, folder = program("openssl"), tmp_path_factory.mktemp("authority")

    def run(*arguments):
        subprocess.run([openssl, *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip

    def made(name):
        target = folder / name
        if not target.exists():
            target.mkdir()
            kind = "IP" if name[0].isdigit() else "DNS"
            (target / "ext.cnf").write_text(
                f"subjectAltName={kind}:{name}\nauthorityKeyIdentifier=keyid\nkeyUsage=digitalSignature\n"
            )
            run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", target / "key.pem", "-out", target / "cert.csr",
                "-subj", "/CN=test")  # fmt: skip
            run("x509", "-req", "-in", target / "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", target / "cert.pem",
                "-days", "2", "-extfile", target / "ext.cnf")  # fmt: skip
            (target / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
        return target

    return made


@pytest.fixture
def by_access_key(project, monkeypatch):
    """`by_access_key()`: the manifest's cloud is used with an access key instead of a password."""

    def change():
        account = project.provider.world.account
        monkeypatch.setenv("AK", account.access_key)
        monkeypatch.setenv("SK", account.secret_key)
        key = 'auth: {access_key: "${secret:env:AK}", secret_key: "${secret:env:SK}", form: access}'
        text = (project.folder / "m.yaml").read_text()
        lines = [line for line in text.splitlines() if "    auth:" not in line and "project: sim" not in line]
        new = f"  sim:\n    {key}\n    project_id: {project.provider.world.clouds[0].project_id}\n"
        (project.folder / "m.yaml").write_text("\n".join(lines).replace("  sim:\n", new) + "\n")

    return change
