"""A snapshot of what runs, taken over HTTP, and what a plan of it says."""

import json
import stat

import pytest
import yaml


def deployed(project, *chosen, values="{tag: v1}"):
    project.edit("version: 1.0.0, targets", f"version: 1.0.0, values: {values}, targets")
    assert project.run("run", "m.yaml", "--yes", *chosen)[0] == 0
    return project.provider.ledger()["calls"]["sim"]


def test_a_snapshot_of_what_runs_plans_to_no_change_at_all(project):
    before = deployed(project)
    code, _, err = project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")
    assert (code, err.splitlines()[-1]) == (0, "backup/manifest.yaml: 6 releases on 3 clusters")
    after = project.provider.ledger()["calls"]["sim"]
    assert sum(after["list_releases"].values()) - sum(before["list_releases"].values()) == 3, "one list per cluster"
    assert after["create_release"] == before["create_release"]

    code, out, _ = project.run("plan", "backup/manifest.yaml", "--format", "json", "--detailed-exitcode")
    assert code == 0
    assert json.loads(out)["totals"]["actions"] == {"unchanged": 6}


def test_charts_are_written_with_their_ids_and_the_file_is_private(project):
    deployed(project)
    project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")
    path = project.folder / "backup/manifest.yaml"
    charts = {chart.name: chart.id for chart in project.provider.world.charts}
    assert {r["chart"]["name"]: r["chart"]["id"] for r in yaml.safe_load(path.read_text())["releases"]} == charts
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert "${secret:env:SIM_PASSWORD}" in path.read_text()


def test_a_snapshot_is_never_overwritten(project):
    deployed(project)
    assert project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")[0] == 0
    code, _, err = project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")
    assert (code, "is there already" in err) == (2, True)


def test_masked_values_must_be_supplied_and_are_no_difference(project, monkeypatch):
    deployed(project, values='{db: {password: "******", host: a}}')
    code, _, err = project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")
    assert code == 0
    assert "masked, to be supplied in the environment: WEB_DB_PASSWORD  prod-1/shop/web: db.password" in err
    code, _, err = project.run("plan", "backup/manifest.yaml")
    assert code == 2
    assert "WEB_DB_PASSWORD" in err
    monkeypatch.setenv("WEB_DB_PASSWORD", "hunter2")
    monkeypatch.setenv("DB_DB_PASSWORD", "hunter2")
    # In a state folder of its own: the old one remembers that the mask itself was sent here.
    monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(project.folder / "other-state"))
    code, out, _ = project.run("plan", "backup/manifest.yaml", "--detailed-exitcode")
    assert (code, out.splitlines()[0].endswith("6 deployments: 6 unchanged")) == (0, True)


@pytest.mark.parametrize("cloud", ["smi", "other"])
def test_a_cloud_that_the_manifest_does_not_have_is_named(project, cloud):
    code, _, err = project.run("snapshot", cloud, "--manifest", "m.yaml", "--output", "backup")
    assert (code, err) == (2, f"error: m.yaml has no cloud {cloud}; it has sim\n")


def test_a_lost_cluster_s_releases_come_back_from_the_snapshot_on_its_replacement(project, written):
    deployed(project, "--exclude", "prod-3*")
    project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")
    (project.folder / "replaced.csv").write_text("old,new\nprod-1,prod-3\n")
    hurry = (
        "poll: {initial_delay: 50ms, min_interval: 50ms, max_interval: 500ms}\nlimits: {writes: 50/s, reads: 50/s}\n"
    )
    with (project.folder / "backup/manifest.yaml").open("a") as file:
        file.write(hurry)
    seen = len(written("create"))
    code, out, err = project.run(
        "run", "backup/manifest.yaml", "--yes", "--map-file", "replaced.csv", "--run-id", "back"
    )
    assert code == 0, out + err
    assert sorted(written("create")[seen:]) == ["create 3/db", "create 3/web"], "what still runs is left alone"


@pytest.mark.parametrize("exists", [True, False], ids=["folder there", "folder made"])
def test_of_a_project_without_releases_nothing_is_saved_and_it_says_so(project, exists):
    if exists:
        (project.folder / "backup").mkdir()
    code, out, err = project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")

    assert (code, out) == (0, "")
    assert err == ("there is nothing to save: 0 releases on 3 clusters of sim; backup/manifest.yaml was not written\n")
    assert (project.folder / "backup").exists() is exists
    for command in ("validate", "plan", "run"):
        code, _, err = project.run(command, "backup/manifest.yaml")
        assert (code, "backup/manifest.yaml" in err, err.count("\n")) == (2, True, 1), err

    deployed(project, "--limit", "prod-1/shop/web")
    assert project.run("snapshot", "sim", "--manifest", "m.yaml", "--output", "backup")[0] == 0
    assert project.run("validate", "backup/manifest.yaml")[0] == 0
