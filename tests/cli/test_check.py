"""`check` says whether the clouds are ready for a run, and writes nothing."""

import json

import pytest


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    import os

    for variable in list(os.environ):
        if variable.startswith(("OS_", "S3_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    monkeypatch.setattr("batch_deployer.transport.auth.credentials.FIRST_PAUSE", 0.01)


def check(project, code):
    result, out, err = project.run("check", "m.yaml", "--format", "json", "--wait", "1s")
    assert result == code, out + err
    found = json.loads(out)
    assert found["exit_code"] == code
    assert not project.state.exists(), "something was written"
    assert project.provider.ledger()["creates"] == {}
    return found["clouds"][0]


def test_clouds_that_are_ready_are_told_with_all_that_the_login_brought(project):
    found = check(project, 0)

    assert found["endpoint"] == project.provider.url
    assert found["auth_url"] == f"{project.provider.url}/v3"
    assert (found["project"], found["user"], found["tls"]) == (
        "sim",
        "******",
        "none (loopback)",
    )  # the password is alike
    assert len(found["project_id"]) == 32
    assert found["token_expires"].endswith("Z")
    assert abs(found["clock_skew"]) < 60
    assert found["readable"] == {"clusters": True, "charts": True, "releases": True}
    assert found["clusters"] == {"prod-1": "Available", "prod-2": "Available", "prod-3": "Available"}
    assert found["limits"]["writes"] == "50/s"
    assert found["problems"] == []

    code, out, err = project.run("check", "m.yaml")
    assert (code, err) == (0, "")
    assert "  limits      writes 50/s, " in out
    assert out.endswith("small: ready, exit code 0\n")


@pytest.mark.parametrize(
    ("old", "new", "code", "text"),
    [
        ("username: demo", "username: nobody", 5, "user 'nobody' of domain 'sim' was refused"),
        ("    project: sim", "    project_id: " + "f" * 32, 5, "Could not find project"),
        ("a870253f-5dc7-11ee-bf71-0255ac100b03", "b870253f-5dc7-11ee-bf71-0255ac100b03", 1, "is not in the project"),
        ("{name: db, version: 1.0.0}, version: 1.0.0", "{name: none, version: 1.0.0}, version: 1.0.0", 1, "release db: chart none 1.0.0"),
        ("{name: db, version: 1.0.0}, version: 1.0.0", "{id: c-9}, version: 1.0.0", 1, "chart c-9 is not in the cloud"),
        ('auth_url: "http://127.0.0.1', 'auth_url: "http://127.0.0.2', 1, "login at"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_a_problem_of_its_cloud(project, old, new, code, text):
    project.edit(old, new)

    found = check(project, code)

    assert any(text in problem for problem in found["problems"]), found["problems"]
    assert "demo-password" not in str(found)


def test_every_cloud_is_checked_although_one_lets_nobody_in(project):
    manifest = project.folder / "m.yaml"
    text = manifest.read_text()
    broken = text.split("  sim:\n")[1].split("limits:")[0].replace("username: demo", "username: nobody")
    text = text.replace("limits: {writes", f"  other:\n{broken}limits: {{writes", 1)
    manifest.write_text(text.replace("name: prod-3, cloud: sim", "name: prod-3, cloud: other"))

    code, out, _ = project.run("check", "m.yaml")

    assert code == 5
    assert "  sim    ready      " in out
    assert "  other  not ready  " in out
    assert "  sim    Available  2: prod-1, prod-2\n" in out
    assert "  other  cloud 'other': login at" in out
