"""The worst day through the command line: replacements, the critical first, the profile, the curve, the rehearsal."""

import json
import re

import pytest

SPARE = "a870253f-5dc7-11ee-bf71-0255ac100b03"
"""prod-3, which these tests take out of the manifest: a cluster that the cloud has and nobody uses."""


@pytest.fixture
def spare(project):
    path = project.folder / "m.yaml"
    path.write_text(re.sub(r"  - \{id: \S+b03.*\n", "", path.read_text()))
    return project


@pytest.mark.parametrize("how", ["option", "file"])
@pytest.mark.parametrize("new", ["prod-3 by id", "prod-2, which is in the manifest"])
def test_what_was_meant_for_a_lost_cluster_goes_to_its_replacement(spare, written, how, new):
    new = SPARE if new.startswith("prod-3") else "prod-2"
    (spare.folder / "map.csv").write_text(f"old,new\nprod-1,{new}\n")
    chosen = ("--map", f"prod-1={new}") if how == "option" else ("--map-file", "map.csv")
    code, out, err = spare.run("run", "m.yaml", "--yes", *chosen)
    assert code == 0, out + err
    on = {line.split()[1][0] for line in written("create")}
    assert on == ({"3", "2"} if new == SPARE else {"2"})


def test_a_map_file_with_faults_names_them_all_and_touches_nothing(spare):
    (spare.folder / "map.csv").write_text("old,new\nprod-1\nprod-9,prod-2\n")
    code, _, err = spare.run("run", "m.yaml", "--yes", "--map-file", "map.csv")
    assert code == 2
    assert "map.csv:2: write two clusters, old and new, in each line" in err
    assert spare.provider.ledger()["calls"] == {}


def test_the_critical_ones_are_written_first(project, written):
    """By priority of cluster and release added up, whatever the order of the manifest; one call at a time, to see it."""
    project.edit(
        "limits: {writes: 50/s, reads: 50/s, per_cluster: 4}",
        "limits: {writes: 50/s, reads: 50/s, in_flight: 1, connections: 1}",
    )
    project.edit("- {name: canary, clusters: {tier: canary}}\n    ", "")
    project.edit("name: prod-3, cloud: sim", "name: prod-3, cloud: sim, priority: 100")
    project.edit("name: db, namespace: shop,", "name: db, namespace: shop, priority: 10,")
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    order = written("create")
    assert order[:2] == ["create 3/db", "create 3/web"]
    assert sorted(order[2:4]) == ["create 1/db", "create 2/db"]
    assert sorted(order[4:]) == ["create 1/web", "create 2/web"]


def test_a_profile_overlays_limits_waves_and_policies(project, written):
    assert project.run("run", "m.yaml", "--yes", "--limit", "web")[0] == 0
    project.edit("version: 1.0.0, targets", "version: 1.0.0, values: {tag: v2}, targets")
    with (project.folder / "m.yaml").open("a") as file:
        file.write(
            "profiles:\n  dr:\n"
            "    limits: {writes: 40/s, in_flight: 2}\n"
            "    rollout: {waves: [{name: everything}]}\n"
            '    releases: {"*": {on_existing: skip}}\n'
        )
    code, out, err = project.run("run", "m.yaml", "--yes", "--profile", "dr", "--run-id", "dr")
    assert code == 0, out + err
    report = json.loads((project.state / "runs/dr/report/report.json").read_text())
    assert [wave["name"] for wave in report["waves"]] == ["everything"]
    assert report["limits"]["sim"]["writes"]["configured"] == "40/s"
    assert report["limits"]["sim"]["in_flight"]["configured"] == "2"
    assert report["totals"]["outcomes"]["unchanged"] == 3, "what is there is left as it is"
    assert [line for line in written() if line.startswith("upgrade")] == []
    assert "unknown profile" in project.run("run", "m.yaml", "--profile", "rd")[2]


def test_the_report_says_when_half_nine_tenths_and_all_were_good(project):
    project.provider.post("faults", {"faults": [{"effect": "fail", "release": "shop/db", "cluster": "prod-3"}]})
    assert project.run("run", "m.yaml", "--yes", "--run-id", "dr")[0] == 1
    report = json.loads((project.state / "runs/dr/report/report.json").read_text())
    curve = report["curve"]
    assert 0 < curve["p50"] < report["run"]["duration"]
    assert (curve["p90"], curve["p100"]) == (None, None), "5 of 6 are 83%"
    assert [count for _, count in curve["points"]] == [1, 2, 3, 4, 5]
    assert re.search(r"good after: 50% \S+, 90% never, 100% never", project.run("report", "dr")[1])


def test_a_rehearsal_says_how_long_how_many_calls_and_what_limits_it_without_a_cloud(project):
    code, out, err = project.run("rehearse", "m.yaml", "--clusters", "5", "--runs", "3", "--rto", "30m")
    assert code == 0, err
    assert out.startswith("10 deployments on 5 clusters, rehearsed 3 times\n")
    for line in (
        r"duration +median \S.*, p95 \S",
        r"limited by +\S",
        r"API calls +\d+ \(10 create_release, ",
        r"RTO +30m 00s: kept",
    ):
        assert re.search(line, out), (line, out)
    assert project.provider.ledger()["calls"] == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rto", "5s"), "RTO          5.0s: missed (95% were whole within "),
        (("--rto", "10h", "--faults", "storm"), "missed (too many rehearsals did not bring everything about)"),
    ],
)
def test_a_recovery_time_that_is_not_kept_ends_with_1(project, options, said):
    code, out, _ = project.run("rehearse", "m.yaml", "--clusters", "40", "--runs", "2", *options)
    assert (code, said in out) == (1, True), out


def test_a_rehearsal_learns_install_times_from_past_runs(project):
    assert "no past run to learn from" in project.run("rehearse", "m.yaml", "--runs", "1")[1]
    for version in range(4):
        assert project.run("run", "m.yaml", "--yes")[0] == 0
        project.edit(
            *(f"version: 1.0.0, {f'values: {{number: {n}}}, ' if n else ''}targets" for n in (version, version + 1))
        )
    out = project.run("rehearse", "m.yaml", "--runs", "1")[1]
    assert "install time from past runs for db, web, else guessed" in out
