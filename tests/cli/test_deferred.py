"""Clusters that are not ready, through the command line: deferred, listed, taken up again."""

import csv
import io
import json
import re
import sqlite3
import time

import pytest

HIBERNATING = "- {effect: phase, phase: Hibernation, cluster: 'c-[0-9]'}\n"
MANY = """\
name: many
clouds: {{sim: {{endpoint: "http://127.0.0.1:1", auth: {{auth_url: "http://127.0.0.1:1/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}, project: sim}}}}
limits: {{writes: 50/s, reads: 50/s}}
clusters:
{clusters}
releases:
  - {{name: web, namespace: shop, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: "*"}}
{more}
"""


def many(project, count, more="", faults=HIBERNATING):
    clusters = "\n".join(
        f"  - {{id: a870253f-5dc7-11ee-bf71-0255ac10{number:04x}, name: c-{number if number < 10 else f'x{number}'}, cloud: sim}}"
        for number in range(count)
    )
    (project.folder / "many.yaml").write_text(MANY.format(clusters=clusters, more=more))
    (project.folder / "faults.yaml").write_text(faults)
    return ("run", "many.yaml", "--simulate", "--speed", "500", "--yes", "--faults", "faults.yaml")


def asleep(numbers, phase="Hibernation"):
    return "".join(f"- {{effect: phase, phase: {phase}, cluster: c-{number}}}\n" for number in numbers)


def ids(project):
    return {f"prod-{number}": f"a870253f-5dc7-11ee-bf71-0255ac100b0{number}" for number in (1, 2, 3)}


def put(project, name, phase):
    project.provider.post("phase", {"cluster_id": ids(project)[name], "phase": phase})


def report(project, run="latest"):
    code, out, err = project.run("report", run, "--format", "json")
    assert code == 0, err
    return json.loads(out)


def test_40_clusters_with_4_hibernating_under_default_settings(project):
    code, out, err = project.run(*many(project, 40, faults=asleep(range(4))))
    assert code == 0, err
    told = report(project)
    assert {word: count for word, count in told["totals"]["outcomes"].items() if count} == {
        "deployed": 36,
        "deferred": 4,
    }
    assert told["run"]["halts"] == []
    assert "4 of 40 deployments are deferred (the cluster is Hibernation); all others are as wanted" in out + err
    assert told["curve"]["p100"] is not None
    assert [(each["cluster_name"], each["phase"], each["cause"]) for each in told["deferred"]] == [
        (f"c-{number}", "Hibernation", "cluster") for number in range(4)
    ]
    assert all(re.fullmatch(r"20\d\d-.*Z", each["since"]) for each in told["deferred"])


def test_13_clusters_with_3_hibernating_under_the_nightly_budget(project):
    code, _, err = project.run(*many(project, 13, "rollout: {max_failures: 5%}", asleep(range(3))))
    assert code == 0, err
    assert report(project)["totals"]["outcomes"]["deployed"] == 10


@pytest.mark.parametrize("phase", ["Error", "Unavailable", "Frozen", "Deleting"])
def test_broken_clusters_spend_the_budget(project, phase):
    arguments = many(project, 13, "rollout: {max_failures: 5%}", asleep(range(3), phase))
    assert project.run(*arguments)[0] == 4
    assert report(project)["totals"]["outcomes"]["unreachable"] >= 1


@pytest.mark.parametrize(
    ("rollout", "code"),
    [
        ("max_deferred: 0", 4),
        ("max_deferred: 3", 0),
        ("max_deferred: 2", 4),
        ("max_deferred: 25%", 0),
        ("max_deferred: 10%", 4),
    ],
)
def test_max_deferred_is_judged_at_the_end(project, rollout, code):
    found, _, err = project.run(*many(project, 12, f"rollout: {{{rollout}}}", asleep(range(3))))
    assert found == code, err
    assert report(project)["totals"]["outcomes"]["deployed"] == 9


def test_a_profile_may_set_max_deferred_to_0(project):
    arguments = many(project, 12, "profiles: {dr: {rollout: {max_deferred: 0}}}", asleep(range(3)))
    assert project.run(*arguments)[0] == 0
    assert project.run(*arguments, "--profile", "dr")[0] == 4


@pytest.mark.parametrize(
    ("line", "column"),
    [("max_deferred: 120%", 1), ("max_deferred: -1", 1), ("defer_for: soon", 1), ("max_unreachable: 1.5", 1)],
)
def test_what_is_no_share_and_no_duration_is_a_fault_with_its_place(project, line, column):
    many(project, 2, f"rollout: {{{line}}}")
    code, _, err = project.run("validate", "many.yaml")
    assert code == 2
    assert re.search(r"error: many.yaml:\d+:\d+: ", err)


def test_a_run_of_which_all_is_deferred_exits_1(project):
    code, out, err = project.run(*many(project, 3, faults=asleep(range(3))))
    assert code == 1
    assert "nothing was deployed: all 3 deployments are deferred (the cluster is Hibernation)" in out + err


def test_every_view_and_every_format_tells_of_what_is_deferred(project):
    arguments = many(project, 6, faults=asleep(range(2)))
    formats = ("text", "markdown", "html", "json", "csv", "junit")
    code, out, err = project.run(*arguments, "--metrics-file", "m.prom")
    assert code == 0
    assert "c-0/shop/web deferred: the cluster is Hibernation" in err
    assert re.search(r"6/6 ended \(4 deployed, 2 deferred\)", err)
    assert "deferred 2" in re.sub(
        r"\{.*?outcome=\"(\w+)\".*?\}", r" \1", (project.folder / "m.prom").read_text()
    ).replace(".0", "")
    for form in formats:
        code, out, err = project.run("report", "latest", "--format", form)
        assert code == 0
        assert "deferred" in out.lower(), form
        assert "Hibernation" in out, form
    rows = list(csv.DictReader(io.StringIO(project.run("report", "latest", "--format", "csv")[1])))
    assert [(row["outcome"], row["phase"], bool(row["deferred_since"])) for row in rows[:2]] == [
        ("deferred", "Hibernation", True)
    ] * 2
    junit = project.run("report", "latest", "--format", "junit")[1]
    assert 'failures="0" errors="0" skipped="2"' in junit
    assert "c-0/web: Hibernation since " in project.run("status", "latest")[1]
    explained = project.run("explain", "latest", "c-0/shop/web")[1]
    assert "State    ended: deferred" in explained
    assert re.search(r"Deferred since .*, phase Hibernation", explained)
    assert "deferred: the cluster is Hibernation" in explained


def test_json_logs_name_phase_and_cause(project):
    code, _, err = project.run(*many(project, 3, faults=asleep(range(1))), "--log-format", "json")
    assert code == 0
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] == "deferred"]
    assert [(line["phase"], line["cause"], line["level"]) for line in told] == [("Hibernation", "cluster", "info")]


def test_what_is_deferred_is_retried_when_it_is_awake(project):
    put(project, "prod-2", "Hibernation")
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    assert report(project)["totals"]["outcomes"]["deferred"] == 2
    code, _, err = project.run("retry", "latest", "--failed", "--not-started")
    assert (code, "has nothing to retry" in err) == (0, True)
    assert project.run("retry", "latest", "--deferred")[0] == 1  # it still hibernates
    put(project, "prod-2", "Available")
    assert project.run("retry", "latest", "--deferred")[0] == 0
    assert report(project)["totals"]["outcomes"]["deployed"] == 2
    assert project.provider.ledger()["duplicates"] == []


def test_plan_tells_that_a_cluster_is_not_ready_and_a_saved_plan_survives_it(project):
    put(project, "prod-2", "Hibernation")
    code, out, err = project.run("plan", "m.yaml", "--out", "saved.plan")
    assert code == 0, err
    assert re.search(r"deferred  prod-2/shop/web .*the cluster is Hib", out)
    assert "4 create, 2 deferred" in out
    data = json.loads(project.run("plan", "m.yaml", "--format", "json")[1])
    assert data["totals"]["actions"] == {"create": 4, "deferred": 2}
    put(project, "prod-2", "Available")
    put(project, "prod-3", "Awaking")
    code, _, err = project.run("run", "m.yaml", "--plan", "saved.plan", "--yes")
    assert code == 0, err
    assert report(project)["totals"]["outcomes"]["deployed"] == 4


@pytest.mark.parametrize("speed", [5.0])
def test_control_skips_and_retries_while_the_run_is_live(project, speed):
    project.edit("rollout:\n", "rollout:\n  defer_for: 5m\n")
    project.edit("clusters: {tier: canary}}", "clusters: {tier: canary}, soak: 5s}")
    run = project.start("run", "m.yaml", "--yes", "--run-id", "live")
    wait_for(project, "intended")
    code, _, err = project.run("control", "live", "skip", "prod-2/shop/web", "prod-3/*")
    assert code == 0, err
    assert "run live is told to skip 3 deployments" in err
    wait_for(project, "deferred", 3)
    assert "3 deferred" in project.run("status", "live")[1] or "deferred" in project.run("status", "live")[1]
    explained = project.run("explain", "live", "prod-3/shop/web")[1]
    assert "put aside by an operator" in explained
    assert "batch-deployer control RUN retry KEY" in explained
    for name in ("prod-2", "prod-3"):
        assert project.run("control", "live", "retry", name)[0] == 0
    code = project.run("control", "live", "skip", "nowhere")
    assert (code[0], 'skip "nowhere" matches no deployment' in code[2]) == (2, True)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert report(project)["totals"]["outcomes"]["deployed"] == 6


def wait_for(project, kind, count=1):
    path = project.state / "runs" / "live" / "journal.db"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
                    text = "\n".join(str(row) for row in journal.execute("select * from events"))
            except sqlite3.Error:
                text = ""
            if len(re.findall(rf'"kind":"{kind}"', text)) >= count:
                return
        time.sleep(0.1)
    raise AssertionError(f"no {kind} within a minute")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["skip"], "skip takes at least one deployment"),
        (["retry"], "retry takes at least one deployment"),
        (["pause", "x"], "pause takes no deployments"),
    ],
)
def test_control_says_what_a_command_takes(project, arguments, said):
    project.run("run", "m.yaml", "--yes")
    code, _, err = project.run("control", "latest", *arguments)
    assert (code, said in err) == (2, True)


def test_a_rehearsal_names_what_is_deferred_and_keeps_its_rto_without_it(project):
    many(project, 12, faults=asleep(range(3)))
    code, out, err = project.run("rehearse", "many.yaml", "--faults", "faults.yaml", "--runs", "2", "--rto", "8h")
    assert code == 0, err
    assert re.search(r"^deferred +in 2 of 2, up to 3 deployments \(seed \d+\)", out, re.MULTILINE)
    assert "not clean" not in out
    code, out, err = project.run(
        "rehearse", "many.yaml", "--faults", "faults.yaml", "--runs", "2", "--rto", "8h", "--profile", "strict"
    )
    assert code == 2
    many(project, 12, more="rollout: {max_deferred: 0}", faults=asleep(range(3)))
    code, out, err = project.run("rehearse", "many.yaml", "--faults", "faults.yaml", "--runs", "2", "--rto", "8h")
    assert code == 1
    assert re.search(r"^not clean +2 of 2; seed \d+: .*max_deferred is 0", out, re.MULTILINE)
