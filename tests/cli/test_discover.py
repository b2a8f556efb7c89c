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
