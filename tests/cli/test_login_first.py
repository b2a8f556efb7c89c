"""Logins come before everything else: without one nothing is left behind, and one line says why."""

import os

import pytest

from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.serialization import dump_plan
from batch_deployer.state.run_dir import RunMeta
from batch_deployer.state.state_dir import StateDir

CASES = {
    "no-credential": ("auth: {", "other: {", 2, "no credential is given"),
    "wrong-password": ("username: demo", "username: nobody", 5, "user 'nobody' of domain 'sim' was refused"),
    "nobody-answers": ('auth_url: "http://127.0.0.1:', 'auth_url: "http://127.0.0.1:1/', 1, "no connection"),
    "another-project": ("project: sim", "project_id: " + "f" * 32, 5, "Could not find project"),
}


def without_login(project, name):
    old, new, code, text = CASES[name]
    manifest = project.folder / "m.yaml"
    if name == "no-credential":
        lines = [line for line in manifest.read_text().splitlines() if "auth:" not in line]
        manifest.write_text("\n".join(lines) + "\n")
    else:
        project.edit(old, new)
    return code, text


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("OS_", "S3_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("name", CASES)
def test_a_run_that_no_cloud_lets_in_leaves_nothing_behind(project, monkeypatch, name, log_format):
    monkeypatch.setattr("batch_deployer.transport.auth.credentials.FIRST_PAUSE", 0.01)
    code, text = without_login(project, name)
    project.edit("rollout:", "retry: {give_up_after: 1s}\nrollout:")

    result, out, err = project.run("run", "m.yaml", "--yes", "--report", "report", "--log-format", log_format)

    assert result == code, err
    assert text in err
    assert err.splitlines()[-1].startswith("error: cloud 'sim': ")
    assert (out, err.count("\n")) == ("", 2 if name == "nobody-answers" else 1)  # that it waits is told too
    assert list((project.state / "runs").iterdir()) == []
    assert not (project.folder / "report").exists()


@pytest.mark.parametrize("name", ["wrong-password", "nobody-answers"])
def test_a_run_that_cannot_be_resumed_for_want_of_a_login_stays_as_it_was(project, monkeypatch, name):
    monkeypatch.setattr("batch_deployer.transport.auth.credentials.FIRST_PAUSE", 0.01)
    code, text = without_login(project, name)
    project.edit("rollout:", "retry: {give_up_after: 1s}\nrollout:")
    plan = build_plan(load(project.folder / "m.yaml", os.environ))
    extra = {"folder": str(project.folder)}
    run = StateDir(project.state).create_run(
        "r1", dump_plan(plan), RunMeta(manifest=plan.name, started=1.0, extra=extra)
    )
    before = {file: file.read_bytes() for file in run.path.iterdir()}

    result, out, err = project.run("resume", "r1")

    assert (result, out) == (code, ""), err
    assert text in err
    assert err.count("\n") == (2 if name == "nobody-answers" else 1)
    assert {file: file.read_bytes() for file in run.path.iterdir()} == before
