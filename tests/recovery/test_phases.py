"""Clusters that are not ready: shown with their phase, held back with the reason, and taken up when they are."""

import json

import pytest

LOST = "a870253f-5dc7-11ee-bf71-0255ac100b02"


@pytest.fixture
def asleep(project):
    """Clusters are asked of the cloud; prod-2 hibernates."""
    text = (project.folder / "m.yaml").read_text()
    before, _, after = text.partition("clusters:\n")
    question = 'clusters:\n  - discover: {cloud: sim, name: "prod-*"}\n'
    (project.folder / "m.yaml").write_text(before + question + "releases:\n" + after.partition("releases:\n")[2])
    project.provider.post("phase", {"cluster_id": LOST, "phase": "Hibernation"})
    return project


def by_cluster(out):
    return {each["cluster_name"]: (each["action"], each["reason"]) for each in json.loads(out)["deployments"]}


def test_a_plan_defers_them_with_their_phase_and_a_question_for_ready_ones_leaves_them_out(asleep):
    told = by_cluster(asleep.run("plan", "m.yaml", "--format", "json")[1])
    assert told["prod-2"][0] == "deferred"
    assert told["prod-2"][1].startswith("the cluster is Hibernation")
    assert told["prod-1"] == told["prod-3"] == ("create", "absent")
    asleep.edit('name: "prod-*"', 'name: "prod-*", phase: Available')
    assert set(by_cluster(asleep.run("plan", "m.yaml", "--format", "json")[1])) == {"prod-1", "prod-3"}


def test_a_run_writes_nothing_there_says_why_and_a_retry_does_it_later(asleep):
    assert asleep.run("run", "m.yaml", "--yes", "--run-id", "first")[0] == 0
    report = json.loads((asleep.state / "runs/first/report/report.json").read_text())
    held = [each for each in report["deployments"] if each["cluster_name"] == "prod-2"]
    assert [each["reason"].startswith("the cluster is Hibernation") for each in held] == [True, True]
    assert not [key for key in asleep.provider.ledger()["creates"] if key.startswith(LOST)]
    asleep.provider.post("phase", {"cluster_id": LOST, "phase": ""})
    assert asleep.run("retry", "first", "--deferred")[0] == 0
    assert len([key for key in asleep.provider.ledger()["creates"] if key.startswith(LOST)]) == 2


def test_the_set_of_clusters_is_frozen_into_a_saved_plan(asleep):
    asleep.edit('name: "prod-*"', 'name: "prod-*", phase: Available')
    assert asleep.run("plan", "m.yaml", "--out", "saved.plan")[0] == 0
    asleep.provider.post("phase", {"cluster_id": LOST, "phase": ""})
    assert asleep.run("run", "m.yaml", "--yes", "--plan", "saved.plan")[0] == 0
    assert not [key for key in asleep.provider.ledger()["creates"] if key.startswith(LOST)]
