"""What a run tells the outside: dead-man pings, a metrics file, one notification."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@pytest.fixture
def receiver():
    """A local HTTP receiver and the paths that were POSTed to it."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_good_run_pings_start_and_success_and_writes_its_metrics(project, receiver):
    url, heard = receiver
    code, _, err = project.run("run", "m.yaml", "--yes", "--ping", f"{url}/check", "--metrics-file", "m.prom")
    assert code == 0, err
    assert heard == ["/check/start", "/check"]
    metrics = (project.folder / "m.prom").read_text()
    assert 'batch_deployer_run_exit_code{manifest="small"} 0.0' in metrics
    assert 'batch_deployer_outcomes{manifest="small",outcome="deployed"} 6.0' in metrics


def test_a_run_whose_login_is_refused_pings_that_it_could_not_start(project, receiver, monkeypatch):
    url, heard = receiver
    monkeypatch.setenv("SIM_PASSWORD", "nope")
    assert project.run("run", "m.yaml", "--yes", "--ping", f"{url}/check")[0] == 5
    assert heard == ["/check/fail"]


def test_a_run_that_could_not_even_start_pings_fail(project, receiver):
    url, heard = receiver
    project.edit("name: small", "name: small\nretry: {base: 10ms}")
    code, _, _ = project.run("run", "m.yaml", "--yes", "--ping", f"{url}/check", "--run-id", "latest")
    assert (code, heard) == (2, ["/check/fail"])


def test_a_metrics_file_that_cannot_be_written_is_found_before_the_run(project):
    code, _, err = project.run("run", "m.yaml", "--yes", "--metrics-file", "nowhere/m.prom")
    assert (code, err.startswith("error: no metrics can be written to nowhere/m.prom: ")) == (2, True)
    assert project.provider.ledger()["creates"] == {}


@pytest.mark.parametrize("channel", ["variable", "file"])
def test_a_ping_url_need_not_be_an_argument(project, receiver, monkeypatch, channel):
    url, heard = receiver
    more = []
    if channel == "variable":
        monkeypatch.setenv("BATCH_DEPLOYER_RUN_PING", f"{url}/check")
    else:
        (project.folder / "ping").write_text(f"# the monitor\n\n{url}/check\n")
        more = ["--ping-file", "ping"]
    assert project.run("run", "m.yaml", "--yes", *more)[0] == 0
    assert heard == ["/check/start", "/check"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "ping is not a file that a URL can be read from"),
        (b"", "ping holds 0 URLs; --ping-file needs one"),
        (b"http://127.0.0.1/a\nhttp://127.0.0.1/b\n", "ping holds 2 URLs; --ping-file needs one"),
        (b"\xff\xfe", "ping is not UTF-8 text"),
        (b"x" * 70_000, "ping is longer than 65536 bytes"),
        (b"ftp://127.0.0.1/a\n", "--ping needs an http or https URL"),
    ],
)
@pytest.mark.parametrize("command", [["run", "m.yaml", "--yes"]])
def test_a_file_without_one_url_is_refused_before_the_run(project, command, content, said):
    if content is not None:
        (project.folder / "ping").write_bytes(content)
    code, _, err = project.run(*command, "--ping-file", "ping")
    assert (code, said in err) == (2, True), err
    assert project.provider.ledger()["creates"] == {}


def test_a_url_of_both_kinds_is_refused(project):
    (project.folder / "ping").write_text("http://127.0.0.1:1/a")
    code, _, err = project.run("run", "m.yaml", "--yes", "--ping", "http://127.0.0.1:1/b", "--ping-file", "ping")
    assert (code, "--ping and --ping-file name two URLs; keep one" in err) == (2, True)


def test_urls_of_a_file_are_notified_too(project, receiver):
    url, heard = receiver
    (project.folder / "urls").write_text(f"json://{url.removeprefix('http://')}/told\n")
    process = project.start("run", "m.yaml", "--yes", "--notify-file", "urls")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert heard == ["/told"]
