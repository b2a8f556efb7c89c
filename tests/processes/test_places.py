"""Odd users, folders and tables: each gives a result or one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("batch-deployer"))
MANIFEST = """\
name: places
clouds: {one: {endpoint: "http://127.0.0.1:9", project_id: p, auth: {token: "t"}}}
limits: {writes: 50/s, reads: 50/s}
clusters: [{id: 00000000-0000-4000-8000-000000000001, name: c1, cloud: one}]
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""


def call(folder, *arguments, **more):
    environment = more.pop("env", {**os.environ, "BATCH_DEPLOYER_STATE_DIR": str(folder / "state")})
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


@pytest.mark.parametrize(
    "command",
    [("status",), ("runs",), ("run", "m.yaml", "--yes"), ("resume", "x"), ("prune", "--older-than", "1d")],
    ids=lambda each: each[0],
)
def test_a_user_without_a_home_is_told_to_name_a_state_folder(tmp_path, monkeypatch, command):
    """As where a container runs with a user id that no passwd file knows."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pwd\n\ndef nobody(_):\n    raise KeyError('no such user')\n\npwd.getpwuid = nobody\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    done = call(tmp_path, *command, env=environment)
    assert done.returncode == 2, done.stderr
    assert (
        done.stderr
        == "error: this user has no home folder; name a state folder with --state-dir or BATCH_DEPLOYER_STATE_DIR\n"
    )
    done = call(tmp_path, "validate", "m.yaml", env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_an_unknown_user_id_is_no_bug(tmp_path, program):
    """The real thing, where this interpreter may be read by others."""
    folder = tmp_path / "shared"
    folder.mkdir()
    for path in (folder, *tmp_path.parents[:2], tmp_path):
        path.chmod(0o755)
    (folder / "m.yaml").write_text(MANIFEST)
    prefix = [program("setpriv"), "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*prefix, PROGRAM, "status"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode in (126, 127) or "ermission denied" in done.stderr:
        pytest.skip("this interpreter cannot be run by another user")
    assert done.returncode == 2, done.stderr
    assert "has no home folder" in done.stderr


@pytest.mark.parametrize(
    "command", [("validate", "../m.yaml"), ("status",), ("plan", "../m.yaml")], ids=lambda each: each[0]
)
def test_a_working_folder_that_is_gone_is_named(tmp_path, command):
    (tmp_path / "m.yaml").write_text(MANIFEST)
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"cd {gone} && rmdir {gone} && exec {PROGRAM} {' '.join(command)}"],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert (
        done.stderr == "error: the working folder cannot be used (no such file or directory); change to another one\n"
    )


@pytest.mark.slow
def test_a_working_folder_whose_name_is_no_text_is_worked_in(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff\xfe"))
    folder.mkdir()
    (folder / "m.yaml").write_text(MANIFEST)
    run = ("run", "m.yaml", "--yes", "--simulate", "--speed", "600", "--report", "report", "--metrics-file", "m.prom")
    done = call(folder, *run, env={**os.environ, "BATCH_DEPLOYER_STATE_DIR": "state"})
    assert done.returncode == 0, done.stderr
    assert (folder / "report" / "report.json").exists()
    for command in (("status",), ("runs",), ("report", "latest", "--format", "json")):
        assert call(folder, *command, env={**os.environ, "BATCH_DEPLOYER_STATE_DIR": "state"}).returncode == 0


@pytest.mark.parametrize("size", [131_072, 131_073, 500_000])
def test_a_large_cell_is_read(tmp_path, size):
    """The csv module's own limit is 128 KiB."""
    (tmp_path / "t.csv").write_text(f'cluster,release,values.a\nc1,web,"{"x" * size}"\n')
    (tmp_path / "m.yaml").write_text(MANIFEST.replace(', targets: "*"', "") + "deployments: [{from: t.csv}]\n")
    done = call(tmp_path, "validate", "m.yaml")
    assert done.returncode == 0, done.stderr
