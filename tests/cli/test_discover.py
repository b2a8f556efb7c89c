"""Clusters that a manifest does not name are asked of the cloud, and frozen into the plan."""

import json
import re


def ask_for(project, question):
    path = project.folder / "m.yaml"
    text = re.sub(r"clusters:\n(  - .*\n)+", f"clusters:\n  - discover: {question}\n", path.read_text(), count=1)
    path.write_text(text)


def test_discovered_clusters_are_planned_by_their_tags_and_names(project):
    ask_for(project, '{cloud: sim, tags: {tier: canary}, name: "prod-*"}')
    code, out, err = project.run("plan", "m.yaml", "--format", "json")
    assert code == 0, err
    assert {each["cluster_name"] for each in json.loads(out)["deployments"]} == {"prod-1"}


def test_a_question_that_no_cluster_fits_is_a_fault_with_its_place(project):
    ask_for(project, '{cloud: sim, name: "dev-*"}')
    code, _, err = project.run("plan", "m.yaml")
    assert code == 2
    assert re.search(r"error: m.yaml:\d+:\d+: none of the 3 clusters of cloud \"sim\" fits this discover", err)


def test_a_refused_question_ends_with_5(project, monkeypatch):
    ask_for(project, "{cloud: sim}")
    monkeypatch.setenv("SIM_PASSWORD", "nope")
    code, _, err = project.run("plan", "m.yaml")
    assert (code, "was refused" in err) == (5, True)


def test_what_is_to_be_discovered_can_be_validated_but_not_simulated(project):
    ask_for(project, "{cloud: sim}")
    code, out, _ = project.run("validate", "m.yaml")
    assert (code, "depends on the clusters that sim has" in out) == (0, True)
    code, _, err = project.run("run", "m.yaml", "--simulate")
    assert (code, "name the clusters" in err) == (2, True)


def put(project, number, phase):
    cluster = f"a870253f-5dc7-11ee-bf71-0255ac100b0{number}"
    project.provider.post("phase", {"cluster_id": cluster, "phase": phase})


def test_clusters_that_their_phase_leaves_out_are_named_with_it(project):
    ask_for(project, "{cloud: sim, phase: Available}")
    put(project, 2, "Hibernation")
    put(project, 3, "Error")
    code, out, err = project.run("plan", "m.yaml", "--format", "json")
    assert code == 0, err
    assert {each["cluster_name"] for each in json.loads(out)["deployments"]} == {"prod-1"}
    said = (
        "cloud sim: 2 clusters are left out by the phase that `discover` asks for: prod-2 (Hibernation), prod-3 (Error)"
    )
    assert f"warning: {said}" in err
    assert said in json.loads(out)["warnings"]


def test_a_discover_that_finds_no_cluster_in_its_phase_is_a_warning(project):
    ask_for(project, "{cloud: sim, phase: [Available]}")
    for number in (1, 2, 3):
        put(project, number, "Hibernation")
    code, out, err = project.run("plan", "m.yaml")
    assert code == 0, err
    assert "3 clusters are left out" in err
    assert "0 deployments" in out
    code, _, err = project.run("run", "m.yaml", "--yes")
    assert code == 0, err
    assert "prod-1 (Hibernation), prod-2 (Hibernation), prod-3 (Hibernation)" in err


def test_targets_pairs_and_choices_of_clusters_that_are_left_out_are_no_faults(project):
    ask_for(project, "{cloud: sim, phase: Available}")
    project.edit('targets: "*"}\n  - {name: db', "targets: {tier: canary}}\n  - {name: db")
    project.edit("rollout:\n", "deployments:\n  - {cluster: prod-1, release: web, values: {a: 1}}\nrollout:\n")
    put(project, 1, "Awaking")
    code, out, err = project.run("plan", "m.yaml", "--format", "json")
    assert code == 0, err
    assert {each["name"] for each in json.loads(out)["deployments"]} == {"db"}
    for option in ("--limit", "--exclude"):
        code, _, err = project.run("plan", "m.yaml", option, "prod-1")
        assert (code, "prod-1 (Awaking)" in err) == (0, True), err
    assert project.run("plan", "m.yaml", "--limit", "prod-7")[0] == 2
