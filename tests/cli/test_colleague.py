"""Somebody else works on the same releases, through the command line: left alone, reported, exit code 1."""

import json
import time

import pytest

PROD = "a870253f-5dc7-11ee-bf71-0255ac100b0"
WEB = f"{PROD}1/shop/web"
ONLY = ("--limit", "prod-1/shop/web")
THEIRS = "changed by somebody else"


@pytest.fixture
def shop(project):
    """Releases with values of their own, and a second version of the chart that nobody wants."""
    project.edit(", targets:", ", values: {replicas: 3, tag: v1}, targets:")
    return project


def told(project, run):
    """Outcome and reason of each deployment, by cluster and name, as the report has them."""
    report = json.loads((project.state / "runs" / run / "report/report.json").read_text())
    return {
        f"{each['cluster_name']}/{each['name']}": (each["outcome"], each["reason"]) for each in report["deployments"]
    }


def ours(project):
    return [each["operation"] for each in project.provider.get("entries") if each.get("origin", "client") != "other"]


def does(project, effect, release=WEB, **wish):
    time.sleep(1.1)  # the cloud's times are whole seconds: what happens within one cannot be told apart
    project.provider.post("incident", {"release": release, "effect": effect, **wish})


def settle(project):
    """Wait until nothing of the only release is under way."""
    while project.provider.releases().get(WEB, {"status": "DELETED"})["status"] not in ("DEPLOYED", "DELETED"):
        pass


def chart_ids(project):
    return {chart["name"]: chart["id"] for chart in project.provider.get("world")["charts"]}


@pytest.mark.parametrize("what", ["another chart", "the same again", "the same up to our revision", "an upgrade"])
@pytest.mark.parametrize("created", [True, False])
def test_a_rollback_leaves_what_somebody_else_has_made_of_it(shop, what, created):
    assert shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")[0] == 0
    run = "one"
    if not created:
        shop.edit("tag: v1", "tag: v2")
        assert shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")[0] == 0
        run = "two"
    before, charts = ours(shop), chart_ids(shop)
    values = {"replicas": 3, "tag": "v1" if created else "v2"}
    same = {"chart_id": charts["web"], "values": values, "revision": 1 if created else 2}
    match what:
        case "another chart":
            does(shop, "other_recreate", chart_id=charts["db"])
        case "the same again":
            does(shop, "other_recreate", **same | {"revision": 1})
        case "the same up to our revision":
            does(shop, "other_recreate", **same)
        case "an upgrade":
            does(shop, "other_upgrade")
    settle(shop)
    theirs = shop.provider.releases()[WEB]
    code, out, _ = shop.run("rollback", run, "--delete-created", "--yes", "--run-id", "back")
    assert (code, ours(shop)) == (1, before)
    assert shop.provider.releases()[WEB] == theirs
    outcome, reason = told(shop, "back")["prod-1/web"]
    assert (outcome, reason.startswith(f"{THEIRS} since: ")) == ("rejected", True)
    assert THEIRS in out
    code, _, _ = shop.run("retry", "back", "--failed")
    assert (code, ours(shop)) == (1, before), "nor when it is tried again"


def test_what_is_not_touched_by_anybody_is_rolled_back(shop):
    assert shop.run("run", "m.yaml", "--yes", "--run-id", "one")[0] == 0
    does(shop, "other_recreate", chart_id=chart_ids(shop)["db"])
    settle(shop)
    assert shop.run("rollback", "one", "--delete-created", "--yes", "--run-id", "back")[0] == 1
    outcomes = {name: outcome for name, (outcome, _) in told(shop, "back").items()}
    assert outcomes.pop("prod-1/web") == "rejected"
    assert set(outcomes.values()) == {"rolled_back"}
    assert list(shop.provider.releases()) == [WEB]


@pytest.mark.parametrize(
    ("effect", "named"),
    [
        ("other_upgrade", "revision 3 runs"),
        ("other_recreate", ""),
        ("other_delete", "it is being deleted"),
    ],
)
def test_an_upgrade_that_somebody_else_overtakes_is_not_called_deployed(shop, effect, named):
    assert shop.run("run", "m.yaml", "--yes", *ONLY)[0] == 0
    shop.edit("tag: v1", "tag: v2")
    shop.provider.post("faults", {"faults": [{"effect": effect, "calls": "update_release", "seconds": 1}]})
    code, out, _ = shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")
    outcome, reason = told(shop, "two")["prod-1/web"]
    assert (code, outcome) == (1, "failed")
    assert reason.startswith((f"{THEIRS}: ", "the release is no longer there"))
    assert reason.startswith("the release") or named in reason
    assert THEIRS in out or "no longer there" in out
    assert ours(shop) == ["create", "upgrade"]
    code, _, _ = shop.run("rollback", "two", "--yes", "--run-id", "back")
    assert (code, ours(shop)) == (1, ["create", "upgrade"])


def test_a_lost_upgrade_does_not_take_the_revision_of_somebody_else_for_its_own(shop):
    assert shop.run("run", "m.yaml", "--yes", *ONLY)[0] == 0
    shop.edit("tag: v1", "tag: v2")
    shop.provider.post("faults", {"faults": [{"effect": "timeout", "calls": "update_release", "seconds": "6m"}]})
    run = shop.start("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")
    while not any("update_release" in calls for calls in shop.provider.ledger()["calls"].values()):
        pass
    does(shop, "other_upgrade")
    run.communicate(timeout=60)
    outcome, reason = told(shop, "two")["prod-1/web"]
    assert (run.returncode, outcome) == (1, "failed")
    assert reason.startswith(f"{THEIRS}: ")
    assert "other values run: replicas, tag" in reason
    assert ours(shop) == ["create"]


@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate", "other_delete"])
def test_a_failed_upgrade_is_not_rolled_back_over_somebody_elses_work(shop, effect):
    shop.edit(", targets:", ", on_failure: rollback, targets:")
    assert shop.run("run", "m.yaml", "--yes", *ONLY)[0] == 0
    shop.edit("tag: v1", "tag: v2")
    shop.edit("writes: 50/s", "writes: 1/5s")
    faults = [{"effect": "fail", "calls": "update_release"}]
    shop.provider.post("faults", {"faults": faults})
    run = shop.start("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")
    while shop.provider.releases()[WEB]["status"] != "FAILED":
        pass
    does(shop, effect)
    run.communicate(timeout=60)
    outcome, reason = told(shop, "two")["prod-1/web"]
    assert (run.returncode, outcome) == (1, "failed")
    assert THEIRS in reason or "no longer there" in reason
    assert ours(shop) == ["create", "upgrade"]


def test_what_somebody_else_created_anew_at_revision_one_is_not_called_deployed(shop):
    chart = chart_ids(shop)["web"]
    shop.provider.post("faults", {"faults": [{"effect": "stuck", "calls": "create_release"}]})
    run = shop.start("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")
    while shop.provider.releases().get(WEB, {}).get("status") != "PENDING_INSTALL":
        pass
    does(shop, "other_recreate", chart_id=chart, values={"replicas": 99, "tag": "v1"})
    run.communicate(timeout=60)
    outcome, reason = told(shop, "one")["prod-1/web"]
    assert (run.returncode, outcome) == (1, "failed")
    assert reason.startswith(f"{THEIRS}: ")
    assert "replicas" in reason or "created anew" in reason
    assert ours(shop) == ["create"]


def test_a_resumed_run_does_not_take_somebody_elses_release_for_its_own(shop):
    assert shop.run("run", "m.yaml", "--yes", *ONLY)[0] == 0
    shop.edit("tag: v1", "tag: v2")
    shop.edit(", targets:", ", on_failure: rollback, targets:")
    shop.provider.post("faults", {"faults": [{"effect": "stuck", "calls": "update_release"}]})
    run = shop.start("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")
    while shop.provider.releases()[WEB]["status"] != "PENDING_UPGRADE":
        pass
    run.kill()
    run.communicate()
    values = {"replicas": 3, "tag": "v2"}
    does(shop, "other_recreate", chart_id=chart_ids(shop)["web"], values=values, revision=2)
    settle(shop)
    theirs = shop.provider.releases()[WEB]
    assert shop.run("resume", "two")[0] == 1
    outcome, reason = told(shop, "two")["prod-1/web"]
    assert outcome == "failed"
    assert reason.startswith(f"{THEIRS}: it was created anew at ")
    assert shop.run("rollback", "two", "--yes")[0] == 1
    assert (shop.provider.releases()[WEB], ours(shop)) == (theirs, ["create", "upgrade"])


def test_a_state_folder_that_has_lost_its_key_blames_nobody(shop):
    assert shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")[0] == 0
    (shop.state / "key").unlink()
    assert shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")[0] == 0
    assert told(shop, "two")["prod-1/web"] == ("unchanged", "runs as wanted")
    assert shop.run("rollback", "one", "--delete-created", "--yes")[0] == 0
    assert ours(shop) == ["create", "delete"]


def test_a_rollback_of_a_killed_run_says_what_it_leaves_and_ends_with_1(shop):
    shop.provider.post("faults", {"faults": [{"effect": "stuck", "calls": "create_release"}]})
    run = shop.start("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")
    while WEB not in shop.provider.releases():
        pass
    run.kill()
    run.communicate()
    does(shop, "other_recreate")
    code, _, err = shop.run("rollback", "one", "--delete-created", "--yes")
    assert (code, ours(shop)) == (1, ["create"])
    assert "left as it is: " in err
    assert "resume the run first" in err


@pytest.mark.parametrize("command", [("rollback", "one", "--delete-created"), ("run", "m.yaml")])
def test_a_state_folder_whose_key_is_damaged_is_not_used(shop, command):
    assert shop.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")[0] == 0
    (shop.state / "key").write_text("damaged")
    code, _, err = shop.run(*command, "--yes")
    assert code == 2
    assert "the key of the state folder" in err
    assert ours(shop) == ["create"]
