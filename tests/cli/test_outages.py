"""A cloud that does not answer at first is waited for, and each command says so."""

import http.server
import socket
import threading
import time

import pytest

from batch_deployer.model.api import Answer
from batch_deployer.rules.responses import throttle_wait
from batch_deployer.transport.wire.headers import retry_after

FOR_SECONDS = 6.0
"""Of an outage: longer than a few tries at once, short enough for a test."""


class Outage:
    """A door before the provider: closed, or answering with an error, until the outage is over."""

    def __init__(self, upstream, kind):
        self.upstream, self.kind = upstream, kind
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.began = time.monotonic()
        self.refused = 0

    @property
    def over(self):
        return time.monotonic() - self.began >= FOR_SECONDS

    def __enter__(self):
        outage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                import urllib.error
                import urllib.request

                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not outage.over:
                    outage.refused += 1
                    self.send_response(outage.kind)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                kept = {name: text for name, text in self.headers.items() if name.lower() != "connection"}
                request = urllib.request.Request(
                    outage.upstream + self.path, data=body or None, method=self.command, headers=kept
                )
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                try:
                    with opener.open(request, timeout=30) as reply:
                        status, headers, answer = reply.status, reply.headers, reply.read()
                except urllib.error.HTTPError as error:
                    with error:
                        status, headers, answer = error.code, error.headers, error.read()
                self.send_response(status)
                for name in ("Content-Type", "X-Subject-Token"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

            def log_message(self, *_):
                pass

        def open_door():
            if self.kind == 0:  # refused connections: nothing listens
                time.sleep(FOR_SECONDS)
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
            self.server.serve_forever()

        self.server = None
        threading.Thread(target=open_door, daemon=True).start()
        return self

    def __exit__(self, *_):
        while self.server is None:
            time.sleep(0.1)
        self.server.shutdown()
        self.server.server_close()


KEY = 'auth: {access_key: "${secret:env:AK}", secret_key: "${secret:env:SK}", form: access}'


@pytest.fixture(params=["password", "access key"])
def login(request):
    return request.param


def through(project, outage, login, monkeypatch):
    """Send the manifest's calls through the outage."""
    project.edit(f"endpoint: {project.provider.url}", f"endpoint: http://127.0.0.1:{outage.port}")
    if login == "password":
        project.edit(f'auth_url: "{project.provider.url}/v3"', f'auth_url: "http://127.0.0.1:{outage.port}/v3"')
        return
    account = project.provider.world.account
    monkeypatch.setenv("AK", account.access_key)
    monkeypatch.setenv("SK", account.secret_key)
    text = (project.folder / "m.yaml").read_text()
    lines = [line for line in text.splitlines() if "    auth:" not in line and "project: sim" not in line]
    text = "\n".join(lines).replace(
        "  sim:\n", f"  sim:\n    {KEY}\n    project_id: {project.provider.world.clouds[0].project_id}\n"
    )
    (project.folder / "m.yaml").write_text(text + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [0, 502, 503], ids=["refused", "502", "503"])
def test_a_run_waits_for_a_cloud_that_does_not_answer_yet(project, monkeypatch, kind, login):
    with Outage(project.provider.url, kind) as outage:
        through(project, outage, login, monkeypatch)
        code, _, err = project.run("run", "m.yaml", "--yes")
        assert code == 0, err
        assert err.count("waiting for it for up to 10m 00s") >= 1
    assert len(project.provider.ledger()["creates"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("plan", "m.yaml"), ("check", "m.yaml"), ("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")],
    ids=lambda each: each[0],
)
@pytest.mark.parametrize("kind", [0, 503], ids=["refused", "503"])
def test_commands_that_only_look_wait_too(project, monkeypatch, command, kind):
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    with Outage(project.provider.url, kind) as outage:
        through(project, outage, "password", monkeypatch)
        code, _, err = project.run(*command)
        assert code == 0, err
        assert "waiting for it for up to 1m 00s" in err


@pytest.mark.parametrize("login", ["password", "access key"])
@pytest.mark.parametrize("options", [(), ("--detailed-exitcode",), ("--format", "json")], ids=str)
def test_a_plan_of_a_dead_cloud_fails_and_is_not_saved(project, monkeypatch, login, options):
    """What it does not know it cannot promise."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        outage = type("Dead", (), {"port": taken.getsockname()[1]})
        through(project, outage, login, monkeypatch)
        code, _, err = project.run("plan", "m.yaml", "--wait", "1s", "--out", "saved.plan", *options)
    assert code == 1, err
    assert "error: " in err
    assert not (project.folder / "saved.plan").exists()


def test_a_certificate_that_is_not_trusted_is_not_waited_for(project, tmp_path, program):
    """Waiting does not help, and a night is short."""
    import ssl
    import subprocess

    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        project.edit(project.provider.url, f"https://127.0.0.1:{server.server_port}")
        for command in (("run", "m.yaml", "--yes"), ("plan", "m.yaml")):
            began = time.monotonic()
            code, _, err = project.run(*command)
            assert code == 1, err
            assert "certificate" in err
            assert "waiting" not in err
            assert time.monotonic() - began < 60
    finally:
        server.shutdown()
        server.server_close()


NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sun Nov 06 08:50:07 1994", 30.0),
        ("Sun Nov  6 08:49:00 1994", 0.0),
        ("30", 30.0),
        ("0", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_each_form_of_retry_after_is_in_utc(monkeypatch, zone, text, wait):
    """RFC 9110, section 5.6.7: three forms of a date, all of them GMT."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after(text, NOW) == wait
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


@pytest.mark.parametrize("asked", [0.0, -1.0, 0.001, 1e9])
def test_every_pause_has_a_floor_and_a_ceiling(asked):
    """A server that asks for none is not believed."""
    assert 1.0 <= throttle_wait(Answer(status=429, retry_after=asked), 60.0) <= 3600.0
