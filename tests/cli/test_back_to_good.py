"""Back to what was good, through the command line: the last successful revision, and releases of ours that are stuck."""

import json
import time

import pytest

WEB = "a870253f-5dc7-11ee-bf71-0255ac100b01/shop/web"
ONLY = ("--limit", "prod-1/shop/web")


def fault(project, *effects, **more):
    project.provider.post("faults", {"faults": [{"effect": effect, **more} for effect in effects]})


def told(project, run):
    report = json.loads((project.state / "runs" / run / "report/report.json").read_text())
    ((outcome, reason),) = [(each["outcome"], each["reason"]) for each in report["deployments"]]
    return outcome, reason


def there(project):
    release = project.provider.releases().get(WEB)
    return release and (release["status"], release["version"], json.loads(release["values"]).get("tag"))


@pytest.fixture
def shop(project):
    """web v1 runs as revision 1."""
    project.edit(", targets:", ", values: {tag: v1}, timeout: 3s, targets:")
    assert project.run("run", "m.yaml", "--yes", *ONLY)[0] == 0
    return project


def upgrade(project, old, new, run, *effects):
    project.edit(f"tag: {old}", f"tag: {new}")
    calls = project.provider.ledger()["calls"]["sim"].get("update_release", {})
    fault(project, *effects, calls="update_release", attempts=[1 + sum(calls.values())])  # and not its rollback
    return project.run("run", "m.yaml", "--yes", *ONLY, "--run-id", run)[0]


@pytest.mark.parametrize("how", ["on_failure", "command"])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_failure_upon_failures_goes_back_to_the_last_success(shop, how, failures):
    assert upgrade(shop, "v1", "v2", "good") == 0
    for number in range(failures):
        assert upgrade(shop, f"v{2 + number}", f"v{3 + number}", f"bad-{number}", "fail") == 1
    if how == "on_failure":
        shop.edit(", targets:", ", on_failure: rollback, targets:")
    last = f"v{2 + failures}"
    assert upgrade(shop, last, "v9", "last", "fail") == 1
    if how == "command":
        assert told(shop, "last")[0] == "failed"
        assert shop.run("rollback", "last", "--yes", "--run-id", "back")[0] == 0
        assert told(shop, "back") == ("rolled_back", "back to what revision 2 was")
    else:
        outcome, reason = told(shop, "last")
        assert (outcome, "was rolled back to revision 2" in reason) == ("rolled_back", True)
    assert there(shop) == ("DEPLOYED", 4 + failures, "v2")


def test_without_a_success_it_is_left_and_told(project):
    project.edit(", targets:", ", values: {tag: v1}, timeout: 3s, on_failure: rollback, targets:")
    fault(project, "fail")
    assert project.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "one")[0] == 1
    project.edit("tag: v1", "tag: v2")
    assert project.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "two")[0] == 1
    outcome, reason = told(project, "two")
    assert (outcome, "no revision up to 1 was successful, so it is left as it is" in reason) == ("failed", True)
    assert there(project) == ("FAILED", 2, "v2")


def test_an_upgrade_of_ours_that_is_stuck_is_rolled_back_as_advised(shop):
    assert upgrade(shop, "v1", "v2", "stuck", "stuck") == 1
    outcome, reason = told(shop, "stuck")
    assert (outcome, "stuck: roll it back" in reason) == ("timed_out", True)
    assert there(shop) == ("PENDING_UPGRADE", 2, "v2")
    fault(shop)
    assert shop.run("rollback", "stuck", "--yes", "--run-id", "back")[0] == 0
    assert told(shop, "back") == ("rolled_back", "back to what revision 1 was")
    assert there(shop) == ("DEPLOYED", 3, "v1")


def test_a_stuck_upgrade_that_somebody_else_has_freed_is_left_to_them(shop):
    assert upgrade(shop, "v1", "v2", "stuck", "stuck") == 1
    fault(shop)
    shop.provider.post("incident", {"release": WEB, "effect": "other_recreate"})
    while there(shop)[0] != "DEPLOYED":
        pass
    theirs = there(shop)
    assert shop.run("rollback", "stuck", "--yes", "--run-id", "back")[0] == 1
    assert told(shop, "back")[1].startswith("changed by somebody else since: ")
    assert there(shop) == theirs


@pytest.mark.parametrize("how", ["rollback", "replace"])
def test_an_install_of_ours_that_is_stuck_is_deleted_or_replaced(project, how):
    project.edit(", targets:", ", values: {tag: v1}, timeout: 3s, targets:")
    fault(project, "stuck", first=1)
    assert project.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "stuck")[0] == 1
    assert told(project, "stuck")[0] == "timed_out"
    assert there(project) == ("PENDING_INSTALL", 1, "v1")
    fault(project)
    if how == "rollback":
        assert project.run("rollback", "stuck", "--delete-created", "--yes", "--run-id", "back")[0] == 0
        assert told(project, "back") == ("rolled_back", "deleted")
        assert there(project) is None
    else:
        project.edit(", targets:", ", on_existing: replace, allow_destructive: true, targets:")
        time.sleep(2.1)  # stuck is what has been pending for longer than its timeout, by times of whole seconds
        assert project.run("run", "m.yaml", "--yes", *ONLY, "--run-id", "again")[0] == 0
        assert told(project, "again")[0] == "deployed"
        assert there(project) == ("DEPLOYED", 1, "v1")
