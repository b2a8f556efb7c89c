"""A saved plan runs with the manifest that it was made from and with no other; `plan` says how a run would end."""

import hashlib
import json
import shutil

import pytest

TABLE = "cluster,release\nprod-1,web\nprod-2,web\n"


@pytest.fixture
def saved(project):
    (project.folder / "pairs.csv").write_text(TABLE)
    (project.folder / "common.yaml").write_text("a: 1\n")
    project.edit(
        'version: 1.0.0, targets: "*"}\n  - {name: db', "version: 1.0.0, values_files: [common.yaml]}\n  - {name: db"
    )
    project.edit("rollout:", "deployments: [{from: pairs.csv}]\nrollout:")
    assert project.run("plan", "m.yaml", "--out", "saved.plan")[0] == 0
    return project


def refused(project, *arguments):
    code, out, err = project.run("run", *arguments, "--yes")
    assert (code, out) == (2, "")
    assert project.provider.ledger()["creates"] == {}
    return err


@pytest.mark.parametrize("extra", [(), ("--simulate", "--speed", "100")])
def test_a_plan_of_a_manifest_that_does_not_exist_is_not_run(saved, extra):
    assert "error: other.yaml: cannot be read: No such file" in refused(
        saved, "other.yaml", "--plan", "saved.plan", *extra
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("name: small", "name: other"),
        lambda text: text.replace("prod-3", "prod-4"),
        lambda text: text + "# edited\n",
    ],
    ids=["another name", "another cluster", "edited"],
)
def test_a_plan_of_another_manifest_is_not_run(saved, change):
    (saved.folder / "other.yaml").write_text(change((saved.folder / "m.yaml").read_text()))
    err = refused(saved, "other.yaml", "--plan", "saved.plan")
    assert 'other.yaml is not the manifest that saved.plan was made from (a manifest named "small")' in err
    assert "batch-deployer plan other.yaml --out saved.plan" in err


@pytest.mark.parametrize("name", ["pairs.csv", "common.yaml"])
def test_a_plan_whose_tables_or_values_have_changed_is_not_run(saved, name):
    path = saved.folder / name
    path.write_text(path.read_text() + "\n")
    assert f"error: {name} has changed since saved.plan was made" in refused(saved, "m.yaml", "--plan", "saved.plan")
    path.unlink()
    assert f'there is no file "{name}", which saved.plan was made from' in refused(
        saved, "m.yaml", "--plan", "saved.plan"
    )


def test_the_folder_may_move_and_the_manifest_be_renamed(saved):
    moved = saved.folder / "elsewhere"
    moved.mkdir()
    for name in ("pairs.csv", "common.yaml"):
        shutil.move(saved.folder / name, moved / name)
    shutil.move(saved.folder / "m.yaml", moved / "renamed.yaml")
    assert saved.run("run", "elsewhere/renamed.yaml", "--plan", "saved.plan", "--yes")[0] == 0
    assert len(saved.provider.ledger()["creates"]) == 5


def test_a_plan_with_a_blocked_release_tells_that_the_run_would_exit_with_1(project):
    assert project.run("run", "m.yaml", "--yes", "--limit", "prod-1/shop/web")[0] == 0
    assert project.run("plan", "m.yaml", "--detailed-exitcode")[0] == 8
    project.edit("name: web, namespace: shop,", "name: web, namespace: shop, on_existing: fail,")
    project.edit(
        "chart: {name: web, version: 1.0.0}, version: 1.0.0",
        "chart: {name: web, version: 1.0.0}, version: 1.0.0, values: {a: 2}",
    )
    code, _, err = project.run("plan", "m.yaml", "--detailed-exitcode")
    assert code == 1
    assert "1 of 6 deployments are blocked: a run would exit with 1" in err
    assert project.run("plan", "m.yaml")[0] == 0
    assert project.run("run", "m.yaml", "--yes")[0] == 1


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("option", ["--limit", "--exclude"])
@pytest.mark.parametrize("glob", ["wbe", "", "prod-9*"])
def test_a_word_that_matches_nothing_ends_with_2(project, command, option, glob):
    yes = ("--yes",) if command == "run" else ()
    code, _, err = project.run(command, "m.yaml", option, glob, *yes)
    assert code == 2
    assert f'error: {option} "{glob}" ' in err
    assert project.provider.ledger()["creates"] == {}


def forged(project, change):
    """The saved plan as somebody else rewrites it, check sum and all."""
    path = project.folder / "saved.plan"
    envelope = json.loads(path.read_text())
    change(envelope["plan"])
    body = json.dumps(envelope["plan"], separators=(",", ":"), ensure_ascii=False)
    rest = {**envelope, "check": hashlib.sha256(body.encode()).hexdigest()}
    path.write_text(json.dumps({**rest, "plan": "BODY"}, separators=(",", ":")).replace('"BODY"', body))


def _release(**changes):
    return lambda plan: plan["releases"][0].update(changes)


FORGERIES = {
    "system namespace": (_release(namespace="kube-system"), "is not in the manifest"),
    "add-on": (_release(name="cceaddon-npd"), "is not in the manifest"),
    "another release": (_release(name="miner"), "is not in the manifest"),
    "endpoint": (lambda plan: plan["clouds"]["sim"].update(endpoint="https://evil.example"), "is not the manifest's"),
    "auth_url": (lambda plan: plan["clouds"]["sim"]["auth"]["options"].update(auth_url="http://127.0.0.1:9/v3"), "is not the manifest's"),
    "password": (lambda plan: plan["clouds"]["sim"]["auth"]["options"].update(password="${secret:env:OTHER}"), "is not the manifest's"),
    "login in values": (_release(values_json='{"a":"${secret:env:OS_PASSWORD}"}'), "belongs to this program's own login"),
    "file in values": (_release(values_json='{"a":"${secret:file:/etc/hostname}"}'), "secrets are not read from"),
    "process in values": (_release(values_json='{"a":"${secret:file:/proc/self/environ}"}'), "secrets are not read from"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_plan_that_was_rewritten_is_not_run(saved, name, monkeypatch):
    """Its check sum is right, and its manifest is the one beside it."""
    change, problem = FORGERIES[name]
    monkeypatch.setenv("OS_PASSWORD", "pw-of-the-operator")
    forged(saved, change)
    err = refused(saved, "m.yaml", "--plan", "saved.plan")
    assert problem in err
    assert "pw-of-the-operator" not in err


def test_a_rewritten_plan_that_changes_nothing_forbidden_runs(saved):
    """So the refusals above are not of the rewriting itself."""
    forged(saved, _release(description="changed"))
    assert saved.run("run", "m.yaml", "--plan", "saved.plan", "--yes")[0] == 0


def test_a_key_tells_a_pipelines_own_plans_from_others(saved, monkeypatch):
    """Made without the key, with another one, or rewritten: not run."""
    monkeypatch.setenv("BATCH_DEPLOYER_PLAN_KEY", "k1")
    assert "was not signed with" in refused(saved, "m.yaml", "--plan", "saved.plan")
    assert saved.run("plan", "m.yaml", "--out", "saved.plan")[0] == 0
    monkeypatch.setenv("BATCH_DEPLOYER_PLAN_KEY", "k2")
    assert "was not signed with" in refused(saved, "m.yaml", "--plan", "saved.plan")
    monkeypatch.setenv("BATCH_DEPLOYER_PLAN_KEY", " ")
    assert "BATCH_DEPLOYER_PLAN_KEY is empty" in refused(saved, "m.yaml", "--plan", "saved.plan")
    monkeypatch.setenv("BATCH_DEPLOYER_PLAN_KEY", "k1")
    text = (saved.folder / "saved.plan").read_text()
    forged(saved, _release(description="changed"))
    assert "was not signed with" in refused(saved, "m.yaml", "--plan", "saved.plan")
    (saved.folder / "saved.plan").write_text(text)
    assert saved.run("run", "m.yaml", "--plan", "saved.plan", "--yes")[0] == 0


def test_a_plan_with_its_profile_is_run(project):
    """The manifest is read again as the plan was made."""
    project.edit("rollout:", "profiles: {dr: {defaults: {release: {allow_system: true}}}}\nrollout:")
    project.edit("name: db, namespace: shop", "name: db, namespace: kube-system")
    assert project.run("plan", "m.yaml", "--out", "saved.plan")[0] == 2
    assert project.run("plan", "m.yaml", "--profile", "dr", "--out", "saved.plan")[0] == 0
    assert project.run("run", "m.yaml", "--plan", "saved.plan", "--yes")[0] == 0
