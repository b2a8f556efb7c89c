"""What exists already, through the command line: each policy, a dry run, and going back to where it was."""

import json

import pytest


def rewrite(project, extra):
    project.edit(", targets:", f", {extra}, targets:")


@pytest.fixture
def upgraded(project):
    """All six run; the manifest wants other values now."""
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    rewrite(project, "values: {tag: v2}")
    return project


def effects(project):
    """How many effective writes there were of each kind, after the six creates."""
    kinds = [entry["operation"] for entry in project.provider.get("entries")][6:]
    return {kind: kinds.count(kind) for kind in kinds}


def outcomes(project):
    path = max((project.state / "runs").iterdir(), key=lambda each: each.stat().st_mtime_ns) / "report/report.json"
    return {word: number for word, number in json.loads(path.read_text())["totals"]["outcomes"].items() if number}


@pytest.mark.parametrize(
    ("policy", "code", "effective", "ended"),
    [
        ("on_existing: upgrade", 0, {"upgrade": 6}, {"deployed": 6}),
        ("on_existing: skip", 0, {}, {"unchanged": 6}),
        ("on_existing: fail", 4, {}, {"rejected": 2, "not_started": 4}),
        ("on_existing: replace, allow_destructive: true", 0, {"delete": 6, "create": 6}, {"deployed": 6}),
        ("parameters: {dry_run: true}", 0, {}, {"unchanged": 6}),
    ],
)
def test_each_policy_does_what_it_says_and_no_more(upgraded, policy, code, effective, ended):
    rewrite(upgraded, policy)
    if code:
        upgraded.edit(
            "{name: canary, clusters: {tier: canary}}", "{name: canary, clusters: {tier: canary}, max_failures: 0}"
        )
    assert upgraded.run("run", "m.yaml", "--yes")[0] == code
    assert effects(upgraded) == effective
    assert outcomes(upgraded) == ended


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("on_existing: replace", "`on_existing: replace` needs `allow_destructive: true`"),
        ("parameters: {replace: true}", "`replace: true` needs `allow_destructive: true`"),
        ("parameters: {recreate: true}", "`recreate: true` needs `allow_destructive: true`"),
    ],
)
def test_what_destroys_needs_a_permission_of_its_own(upgraded, wish, said):
    rewrite(upgraded, wish)
    code, _, err = upgraded.run("run", "m.yaml", "--yes")
    assert (code, said in err) == (2, True)
    assert effects(upgraded) == {}


def test_a_release_that_failed_or_is_unknown_is_never_called_unchanged(upgraded):
    upgraded.provider.post(
        "faults",
        {"faults": [{"effect": "fail", "release": "shop/web"}, {"effect": "unknown", "release": "shop/db"}]},
    )
    assert upgraded.run("run", "m.yaml", "--yes", "--limit", "prod-1*")[0] != 0
    out = upgraded.run("plan", "m.yaml", "--format", "json", "--limit", "prod-1*")[1]
    told = {each["name"]: (each["action"], each["reason"]) for each in json.loads(out)["deployments"]}
    assert told["web"] == ("upgrade", "status FAILED")
    assert told["db"][0] == "blocked"
    assert told["db"][1].startswith("status UNKNOWN")


def test_a_failed_upgrade_goes_back_at_once_where_the_release_asks_for_it(upgraded):
    rewrite(upgraded, "on_failure: rollback")
    upgraded.provider.post("faults", {"faults": [{"effect": "fail", "calls": "update_release", "first": 1}]})
    assert upgraded.run("run", "m.yaml", "--yes", "--limit", "prod-1/shop/web")[0] == 1
    assert outcomes(upgraded) == {"rolled_back": 1}
    assert effects(upgraded) == {"upgrade": 1, "rollback": 1}
    running = upgraded.provider.releases()["a870253f-5dc7-11ee-bf71-0255ac100b01/shop/web"]
    assert "v2" not in json.dumps(running)


def test_a_fleet_goes_back_in_reverse_and_leaves_what_somebody_else_changed(upgraded):
    assert upgraded.run("run", "m.yaml", "--yes", "--run-id", "second")[0] == 0
    upgraded.edit("values: {tag: v2}", "values: {tag: v3}")
    theirs = upgraded.folder / "a colleague's state"
    assert upgraded.run("run", "m.yaml", "--yes", "--limit", "prod-2/shop/web", "--state-dir", theirs)[0] == 0
    before = len(upgraded.provider.get("entries"))
    code, out, _ = upgraded.run("rollback", "second", "--yes")
    assert code == 1
    assert "changed by somebody else since: revision 3, ours was 2" in out
    back = [(each["operation"], each["key"].split("/")[0][-1]) for each in upgraded.provider.get("entries")[before:]]
    assert {kind for kind, _ in back} == {"rollback"}
    assert [cluster for _, cluster in back][-2:] == ["1", "1"], "the canary went first, so it goes back last"
    assert len(back) == 5
    assert outcomes(upgraded) == {"rolled_back": 5, "rejected": 1}
