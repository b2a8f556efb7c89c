"""Night after night: a release is upgraded when what is wanted has changed, and only then."""

import json

import pytest

FORMS = ["sent", "texts", "pruned", "masked", "nothing"]
VALUES = '{debug: true, port: 8080, none: [], empty: {}, text: "1.10", image: {tag: v1}, hosts: [{name: a, port: 1}], password: "${secret:env:PW}"}'


@pytest.fixture(params=FORMS)
def shows(request):
    return request.param


@pytest.fixture
def nightly(project, monkeypatch):
    """A first night is over."""
    monkeypatch.setenv("PW", "old")
    project.edit(
        'version: 1.0.0, targets: "*"}\n  - {name: db',
        f'version: 1.0.0, values: {VALUES}, targets: "*"}}\n  - {{name: db',
    )
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    return project


def planned(project, *options):
    """Exit code of `plan --detailed-exitcode`, and what is upgraded with the changes that are shown."""
    code, out, err = project.run("plan", "m.yaml", "--format", "json", "--detailed-exitcode", *options)
    assert code in (0, 8), err
    rows = {row["key"]: row for row in json.loads(out)["deployments"]}
    return code, {key: row["changes"] for key, row in rows.items() if row["action"] != "unchanged"}, out


def test_a_second_night_changes_nothing(nightly):
    """Whatever the server makes of numbers, of what is empty, and of secrets."""
    assert planned(nightly)[:2] == (0, {})
    assert nightly.run("run", "m.yaml", "--yes", "--run-id", "second")[0] == 0
    report = json.loads((nightly.state / "runs" / "second" / "report" / "report.json").read_text())
    assert {row["outcome"] for row in report["deployments"]} == {"unchanged"}


CHANGES = {
    "taken out": ("debug: true, ", "", "debug"),
    "another number": ("port: 8080", "port: 9090", "port"),
    "a text for a number": ("port: 8080", 'port: "8080"', "port"),
    "another tag": ("tag: v1", "tag: v2", "image.tag"),
    "a key of a list's item taken out": ("name: a, port: 1", "name: a", "hosts[0].port"),
    "an item more": ("[{name: a, port: 1}]", "[{name: a, port: 1}, {name: b}]", "hosts[1].name"),
    "something empty taken out": ("none: [], ", "", "none"),
    "something empty put in": ("debug: true", "debug: true, more: []", "more"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_manifest_is_one_upgrade_and_then_quiet(nightly, name, shows):
    """Removed keys are named in the plan."""
    old, new, path = CHANGES[name]
    nightly.edit(old, new)
    code, changed, out = planned(nightly)
    assert code == 8
    assert len(changed) == 3
    if path not in ("hosts[0].port", "hosts[1].name"):  # a list is shown as a whole where it is shown
        assert all(path in {change["path"] for change in changes} for changes in changed.values()), out
    assert nightly.run("run", "m.yaml", "--yes")[0] == 0
    assert planned(nightly)[:2] == (0, {})


def test_a_secret_that_was_rotated_is_sent(nightly, monkeypatch):
    """Behind a mask too, and no value of it is shown."""
    monkeypatch.setenv("PW", "brand-new-secret")
    code, changed, out = planned(nightly)
    assert code == 8
    assert len(changed) == 3
    assert all("password" in {change["path"] for change in changes} for changes in changed.values())
    assert "brand-new-secret" not in out
    assert nightly.run("run", "m.yaml", "--yes")[0] == 0
    assert planned(nightly)[:2] == (0, {})
    assert "brand-new-secret" not in (nightly.state / "state.db").read_bytes().decode("latin-1")


class TestShownAsSent:
    """What can be seen only where the cloud shows the values as they were sent."""

    @pytest.fixture
    def shows(self):
        return "sent"

    def test_without_a_memory_the_release_is_compared_with_what_is_shown(self, nightly):
        """A fresh machine: equal is unchanged, a key taken out is kept and named once."""
        (nightly.state / "state.db").unlink()
        assert planned(nightly)[:2] == (0, {})
        nightly.edit("debug: true, ", "")
        assert planned(nightly)[:2] == (0, {})
        code, out, _ = nightly.run("plan", "m.yaml")
        assert code == 0
        assert out.count("values that the manifest does not name: debug") == 1
        assert "3 clusters show" in out

    def test_exact_values_make_a_difference_of_what_nobody_wants(self, nightly):
        """In `plan` and in `run`."""
        (nightly.state / "state.db").unlink()
        nightly.edit("debug: true, ", "")
        code, changed, _ = planned(nightly, "--exact-values")
        assert code == 8
        assert {change["path"] for changes in changed.values() for change in changes} == {"debug"}
        assert nightly.run("run", "m.yaml", "--yes", "--exact-values")[0] == 0
        assert planned(nightly, "--exact-values")[:2] == (0, {})

    @pytest.mark.parametrize("damage", ["state.db", "key"])
    def test_a_memory_that_cannot_be_used_is_no_memory(self, nightly, damage):
        """`plan` goes on with what is shown."""
        (nightly.state / damage).write_bytes(b"not what it was" * 100 if damage == "state.db" else b"ab" * 32)
        assert planned(nightly)[:2] == (0, {})

    def test_plan_makes_no_state(self, project):
        """Looking leaves no trace."""
        assert project.run("plan", "m.yaml")[0] == 0
        assert not project.state.exists()
