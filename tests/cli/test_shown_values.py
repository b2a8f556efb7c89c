"""Live values in `plan`: never those of secrets, and off a terminal none unless they are asked for."""

import json

import pytest

LIVE = ("LIVE-PROD-PW", "live-region")
WANTED = "values: {password: other, region: wanted-region}"


@pytest.fixture
def upgraded(project):
    """A project whose manifest changes a password and a region that run."""
    before = f"values: {{password: {LIVE[0]}, region: {LIVE[1]}}}"
    project.edit(
        'version: 1.0.0, targets: "*"}\n  - {name: db', f'version: 1.0.0, {before}, targets: "*"}}\n  - {{name: db'
    )
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    project.edit(before, WANTED)
    return project


@pytest.mark.parametrize("kind", ["text", "json"])
def test_values_are_shown_off_a_terminal_on_wish_only(upgraded, kind):
    code, out, err = upgraded.run("plan", "m.yaml", "--format", kind)
    assert code == 0, err
    assert "region" in out
    assert not any(text in out + err for text in (*LIVE, "wanted-region"))
    code, out, err = upgraded.run("plan", "m.yaml", "--format", kind, "--show-values")
    assert code == 0, err
    assert LIVE[1] in out
    assert "wanted-region" in out
    assert LIVE[0] not in out + err
    if kind == "json":
        assert any(row["changes"] for row in json.loads(out)["deployments"])
