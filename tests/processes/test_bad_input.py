"""What goes wrong before or around the work, with the real program: one clear line, the right exit code, a report."""

import ctypes
import os
import socket
import subprocess
import sys

import pytest

from batch_deployer.simulator.faults.rules import Effect, FaultRule

TOKEN = "a-ready-token-that-nobody-may-see"


@pytest.fixture
def ended(told, report):
    """`ended(stage)`: (return code, the one line that says why, totals of the report; None for a run that left nothing)."""

    def run(stage, **environment):
        process = stage.start("run", "m.yaml", "--yes", "--run-id", "it", **environment)
        code, out, err = told(process).end()
        lines = [line for line in err.splitlines() if line.startswith("error: ")] or err.splitlines()[-1:]
        assert len(lines) == 1, err
        assert "Traceback" not in err
        if not (stage.state / "runs/it").exists():
            return code, lines[0], None
        assert out.startswith("ordeal: ")
        totals = report(stage, "it")["totals"]
        assert totals["deployments"] == sum(totals["outcomes"].values()) == 12
        return code, lines[0], totals["outcomes"]

    return run


def hurry(stage):
    """Wait for what does not answer no longer than a test may."""
    stage.edit("retry: {", "retry: {give_up_after: 2s, ")


@pytest.fixture
def dead():
    """The address of nobody."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_a_dead_endpoint(stage, ended, dead):
    stage.edit(stage.provider.url, dead)
    hurry(stage)
    code, line, outcomes = ended(stage)
    assert code == 1
    assert line.startswith(f"error: cloud 'sim': login at {dead}/v3: no connection")
    assert outcomes is None


def test_an_endpoint_that_is_dead_behind_a_login_that_works(stage, ended, dead):
    stage.edit(f"endpoint: {stage.provider.url}", f"endpoint: {dead}")
    hurry(stage)
    code, line, outcomes = ended(stage)
    assert (code, outcomes["unreachable"], outcomes["not_started"]) == (1, 8, 4)  # db waits for web
    assert line.startswith("12 of 12 deployments did not succeed")
    assert "does not answer: no connection to 127.0.0.1" in line


def test_a_wrong_password(stage, ended):
    code, line, outcomes = ended(stage, SIM_PASSWORD="wrong-and-never-to-be-seen")
    assert (code, outcomes) == (5, None)
    assert line.startswith("error: cloud 'sim': login at ")
    assert "user 'demo' of domain 'sim' was refused" in line
    assert "never-to-be-seen" not in line
    assert stage.provider.get("stats")["entries"] == 0


def test_an_expired_token(stage, ended):
    text = stage.manifest.read_text()
    start = text.index("    auth: {")
    auth = text[start : text.index("\n", start)]
    stage.edit(auth, "    auth: {token: '${secret:env:TOKEN}'}")
    stage.edit("project: sim", f"project_id: {stage.provider.world.cloud('sim').project_id}")
    code, line, outcomes = ended(stage, TOKEN=TOKEN)
    assert (code, outcomes["not_started"]) == (5, 12)
    assert "the token was refused" in line
    assert line.endswith("get a fresh token and run again")
    assert TOKEN not in line


def test_no_permission_on_a_cluster(make_stage, ordeal, ended):
    denied = FaultRule(effect=Effect.FORBIDDEN, name="denied", cluster="four")
    code, line, outcomes = ended(make_stage(0, (*ordeal.CALM, denied)))
    assert (code, line) == (5, "permission is missing; 3 deployments did not succeed")
    assert outcomes["deployed"] == 9


def test_a_cluster_that_does_not_exist(stage, ended, report):
    stage.edit("a870253f-5dc7-11ee-bf71-0255ac100b04", "a870253f-5dc7-11ee-bf71-0255ac100bff")
    code, line, outcomes = ended(stage)
    assert code == 1
    assert line.startswith("3 of 12 deployments did not succeed; most often: the cluster does not exist: HTTP 404")
    assert outcomes["deployed"] == 9
    reasons = {each["reason"] for each in report(stage, "it")["deployments"] if each["outcome"] == "rejected"}
    assert any("a870253f-5dc7-11ee-bf71-0255ac100bff" in reason for reason in reasons), reasons


def renounce():
    """Give up root's right to write where it may not (CAP_DAC_OVERRIDE), for this process and what it becomes."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_state_folder_that_is_read_only(stage, ordeal):
    stage.state.mkdir(mode=0o500)
    command = [sys.executable, "-m", "batch_deployer", "run", "m.yaml", "--yes", "--state-dir", str(stage.state)]
    done = subprocess.run(
        command,
        cwd=stage.folder,
        env=os.environ | ordeal.SECRETS,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=renounce,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: cannot use the state folder {stage.state}: Permission denied; "
        "make it a writable folder or choose another with --state-dir\n"
    )
    assert stage.provider.get("stats")["entries"] == 0
