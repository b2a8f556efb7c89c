"""Signals before, beside and after the work of a run, also for process 1 of a container."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("batch-deployer"))
CODES = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGQUIT: 131, signal.SIGINT: 130}


class Silent(http.server.BaseHTTPRequestHandler):
    """Takes every request and answers none; the server counts them."""

    def _serve(self):
        self.server.asked.append((self.command, self.path))
        self.server.asking.set()
        self.server.over.wait(60)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

    def log_message(self, *_):
        pass


@pytest.fixture
def silent(tmp_path):
    """A provider that never answers, and a manifest that asks it for its clusters or not."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.asked, server.asking, server.over = [], threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    head = f"""name: signals
clouds: {{one: {{endpoint: "http://127.0.0.1:{server.server_port}", project_id: p, auth: {{token: "t"}}}}}}
releases: [{{name: web, namespace: apps, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: "*"}}]
"""
    (tmp_path / "m.yaml").write_text(
        f"{head}clusters: [{{id: 00000000-0000-4000-8000-000000000001, name: c1, cloud: one}}]\n"
    )
    (tmp_path / "d.yaml").write_text(f"{head}clusters: [{{discover: {{cloud: one}}}}]\n")
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def start(folder, *arguments, prefix=()):
    environment = {**os.environ, "BATCH_DEPLOYER_STATE_DIR": str(folder / "state")}
    return subprocess.Popen(
        [*prefix, PROGRAM, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


COMMANDS = {
    "jitter": ("run", "m.yaml", "--yes", "--jitter", "20h"),  # a random part of it: never over before the signal
    "plan": ("plan", "m.yaml"),
    "discover": ("plan", "d.yaml"),
    "discover of a run": ("run", "d.yaml", "--yes"),
    "check": ("check", "m.yaml"),
    "rehearse": ("rehearse", "m.yaml", "--clusters", "20000", "--runs", "500"),
}
WITHOUT_A_CALL = ("jitter", "rehearse")


def wait_for(server, name):
    """Until the command is at work."""
    if name in WITHOUT_A_CALL:
        time.sleep(1.5)  # it has begun by then, and lasts much longer; a signal before it began must end it as well
    else:
        assert server.asking.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_ends_a_command_before_anything_is_sent(silent, tmp_path, name, number):
    process = start(tmp_path, *COMMANDS[name])
    wait_for(silent, name)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == CODES[number], out + err
    assert "Traceback" not in err
    assert [each for each in silent.asked if each[0] != "GET"] == []
    assert not list((tmp_path / "state").glob("runs/*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_process_1_of_a_container_ends_too(silent, tmp_path, program, name, number):
    """The kernel drops signals for process 1 that it does not handle; the shipped cronjob.yaml makes it process 1."""
    prefix = (program("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc")
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare --pid is not permitted here")
    process = start(tmp_path, *COMMANDS[name], prefix=prefix)
    wait_for(silent, name)
    (child,) = (int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(child, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == CODES[number], out + err
    assert [each for each in silent.asked if each[0] != "GET"] == []


@pytest.mark.slow
def test_what_nohup_turned_off_stays_off(silent, tmp_path):
    """A SIGHUP is then no reason to end."""
    process = start(tmp_path, *COMMANDS["jitter"], prefix=("nohup",))
    time.sleep(1.5)
    process.send_signal(signal.SIGHUP)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
