"""Whole runs through the command line, against a provider in another process."""

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys

import pytest

from batch_deployer.cli.main import main

KEYS = [f"a870253f-5dc7-11ee-bf71-0255ac100b0{n}/shop/{name}" for n in (1, 2, 3) for name in ("web", "db")]
PREFIX = "a870253f-5dc7-11ee-bf71-0255ac100b0"


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def wait_for(process, text):
    """Read a process's stderr until a line holds the text."""
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never said")


def test_a_run_creates_everything_once_and_reports_it_in_plan_order(project):
    code, out, err = project.run("run", "m.yaml", "--report", "reports", "--run-id", "first", "--yes")
    assert code == 0, err
    assert out.startswith("small: finished, exit code 0\nrun first, ")
    written = report_of(project.folder / "reports")
    assert [each["key"] for each in written["deployments"]] == KEYS
    assert {each["outcome"] for each in written["deployments"]} == {"deployed"}
    assert project.provider.ledger()["creates"] == dict.fromkeys(KEYS, 1)
    assert {path.name for path in (project.folder / "reports").iterdir()} == {
        "report.json", "report.md", "report.csv", "report.html", "junit.xml"
    }  # fmt: skip
    assert report_of(project.state / "runs/first/report")["run"]["id"] == "first"


def test_a_second_run_changes_nothing_and_a_quiet_one_says_nothing(project):
    assert project.run("run", "m.yaml", "--yes")[0] == 0
    code, out, _ = project.run("run", "m.yaml", "--yes")
    assert (code, "unchanged" in out) == (0, True)
    assert project.run("run", "m.yaml", "--yes", "--quiet") == (0, "", "")
    assert set(project.provider.ledger()["creates"].values()) == {1}


def test_traces_are_private_and_hold_no_secret(project, monkeypatch):
    monkeypatch.setenv("SIM_PASSWORD", "wrong-and-very-secret")
    code, out, err = project.run("run", "m.yaml", "--yes", "--log-format", "json")
    assert code == 5
    assert "wrong-and-very-secret" not in out + err
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    files = [path for path in project.state.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert b"wrong-and-very-secret" not in path.read_bytes()


def test_a_wrong_password_ends_with_5_and_one_line_and_leaves_nothing_behind(project, monkeypatch):
    monkeypatch.setenv("SIM_PASSWORD", "nope")
    code, _, err = project.run("run", "m.yaml", "--run-id", "refused", "--yes")
    assert code == 5
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    assert "user 'demo' of domain 'sim' was refused" in err
    assert not (project.state / "runs/refused").exists()


def test_a_dead_endpoint_ends_with_1_and_names_the_address(project):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    project.edit(project.provider.url, dead)
    project.edit("name: small", "name: small\nretry: {base: 10ms, cap: 20ms, give_up_after: 50ms}")
    code, _, err = project.run("run", "m.yaml", "--run-id", "dead", "--yes")
    assert code == 1
    assert f"error: cloud 'sim': login at {dead}/v3: no connection" in err
    assert not (project.state / "runs/dead").exists()


def test_a_missing_secret_is_named_before_anything_is_touched(project, monkeypatch):
    monkeypatch.delenv("SIM_PASSWORD")
    code, out, err = project.run("run", "m.yaml", "--yes")
    assert (code, out) == (2, "")
    assert "SIM_PASSWORD" in err
    assert not project.state.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_state_folder_is_one_clear_line(project):
    project.state.mkdir(mode=0o500)
    code, out, err = project.run("run", "m.yaml", "--yes")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: cannot use the state folder {project.state}: ")


def test_a_state_folder_that_cannot_be_made_is_one_clear_line(project):
    code, out, err = project.run("run", "m.yaml", "--yes", "--state-dir", "/proc/nowhere")
    assert (code, out) == (2, "")
    assert err.startswith("error: cannot use the state folder /proc/nowhere: ")
    assert err.count("\n") == 1


def test_a_report_folder_that_cannot_be_used_is_found_before_the_run(project):
    (project.folder / "file").write_text("")
    code, _, err = project.run("run", "m.yaml", "--yes", "--report", "file/reports")
    assert code == 2
    assert err.startswith("error: no report can be written to file/reports: ")
    assert project.provider.ledger()["creates"] == {}


# Less than the journal of this run needs even when its events share as few commits as they can.
@pytest.mark.parametrize("kilobytes", [24, 28, 32])
def test_a_disk_that_takes_no_more_is_one_clear_line_and_the_summary_is_still_told(project, kilobytes):
    process = subprocess.run(
        ["sh", "-c", 'ulimit -f "$0"; exec "$@"', str(2 * kilobytes), sys.executable, "-m", "batch_deployer",
         "run", "m.yaml", "--yes", "--run-id", "full"],
        cwd=project.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[-1].startswith("error: cannot ")
    assert process.stdout.startswith("small: finished, exit code 1\nrun full, ")
    assert "Traceback" not in process.stderr
    # With room again, it goes on where it was.
    code, out, err = project.run("resume", "full")
    assert code == 0, out + err
    assert set(project.provider.ledger()["creates"].values()) == {1}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--window", "04:00-04:00", "is an empty window"),
        ("--start-by", "soon", "is not a time"),
        ("--deadline", "fast", "is not a duration"),
        ("--map", "a", "is not a mapping"),
    ],
)
def test_a_wrong_option_is_a_usage_error(project, option, value, said):
    code, out, err = project.run("run", "m.yaml", option, value)
    assert (code, out) == (2, "")
    assert said in err


def test_a_missed_start_time_ends_with_6_and_touches_nothing(project):
    code, _, err = project.run("run", "m.yaml", "--yes", "--start-by", "2001-01-01T00:00:00Z")
    assert code == 6
    assert err == "error: it is later than --start-by 2001-01-01T00:00:00Z; nothing was started\n"
    assert project.provider.ledger()["calls"] == {}


def test_a_saved_plan_runs_until_the_world_moves(project):
    code, _, err = project.run("plan", "m.yaml", "--detailed-exitcode", "--out", "saved.plan")
    assert (code, "saved; run it with" in err) == (8, True)
    assert project.run("run", "m.yaml", "--plan", "saved.plan", "--yes")[0] == 0
    code, _, err = project.run("run", "m.yaml", "--plan", "saved.plan", "--yes")
    assert code == 2
    assert "the clouds moved since the plan was saved" in err
    code, out, _ = project.run("plan", "m.yaml", "--detailed-exitcode", "--format", "json")
    assert code == 0
    assert json.loads(out)["totals"]["actions"] == {"unchanged": 6}


def test_a_saved_plan_cannot_be_narrowed(project):
    code, _, err = project.run("run", "m.yaml", "--plan", "saved.plan", "--limit", "prod-1*")
    assert code == 2
    assert "a saved plan is run as it is" in err


def test_only_what_is_chosen_is_deployed(project):
    assert project.run("run", "m.yaml", "--yes", "--limit", "prod-*", "--exclude", "db", "--wave", "rest")[0] == 0
    assert sorted(project.provider.ledger()["creates"]) == [f"{PREFIX}2/shop/web", f"{PREFIX}3/shop/web"]


def test_a_run_is_taken_back_by_deleting_what_it_created_only_when_asked(project):
    project.run("run", "m.yaml", "--yes", "--limit", "prod-1*", "--run-id", "first")
    code, _, err = project.run("rollback", "first", "--yes")
    assert code == 0
    assert err.count("the run created it; --delete-created deletes such releases") == 2
    assert project.provider.ledger()["deletes"] == {}
    code, out, err = project.run("rollback", "first", "--delete-created", "--yes")
    assert code == 0, out + err
    assert sorted(project.provider.ledger()["deletes"]) == [f"{PREFIX}1/shop/db", f"{PREFIX}1/shop/web"]


def test_an_upgrade_is_taken_back_to_the_revision_before(project):
    project.run("run", "m.yaml", "--yes", "--limit", "prod-1*")
    project.edit("version: 1.0.0, targets", "version: 1.0.0, values: {tag: v2}, targets")
    assert project.run("run", "m.yaml", "--yes", "--limit", "prod-1*", "--run-id", "up")[0] == 0
    code, out, err = project.run("rollback", "up", "--yes")
    assert code == 0, out + err
    assert sorted(project.provider.ledger()["rollbacks"]) == [f"{PREFIX}1/shop/db", f"{PREFIX}1/shop/web"]


def test_the_past_can_be_read_in_every_way(project):
    project.run("run", "m.yaml", "--yes", "--run-id", "one")
    project.run("run", "m.yaml", "--yes", "--run-id", "two")
    assert "one" in project.run("runs")[1]
    assert project.run("status")[1].startswith("small: finished, exit code 0\nrun two, ")
    assert "<testsuites" in project.run("report", "one", "--format", "junit")[1]
    assert "ended: deployed" in project.run("explain", "one", "prod-1/shop/web")[1]
    assert "outcome changed: 6" in project.run("diff", "one", "two")[1]
    code, _, err = project.run("explain", "one", "prod-1/shop/wbe")
    assert (code, "did you mean prod-1/shop/web" in err) == (2, True)
    assert project.run("resume", "one")[0] == 2
    assert project.run("retry", "one", "--failed")[2] == "run one has nothing to retry\n"
    assert project.run("control", "one", "pause")[0] == 2
    assert project.run("prune", "--older-than", "1d")[2] == "removed 0 runs\n"
    assert project.run("prune", "--older-than", "0s")[1] == "one\n"


def test_simulate_needs_no_cloud_and_proves_what_it_did(project):
    project.edit(project.provider.url, "https://cce.example.com")
    code, out, err = project.run("run", "m.yaml", "--simulate", "--speed", "200", "--seed", "7")
    assert code == 0, err
    assert out.startswith("small: finished, exit code 0")
    assert "simulating 1 clouds at http://127.0.0.1:" in err
    assert "simulator's ledger: 6 creates applied, 0 duplicates; sim: at most " in err
    assert project.provider.ledger()["calls"] == {}


@pytest.mark.parametrize("option", [("--seed", "3"), ("--speed", "9"), ("--faults", "rough")], ids=lambda each: each[0])
def test_options_of_the_simulation_are_refused_without_it(project, option):
    code, _, err = project.run("run", "m.yaml", *option)
    assert (code, err) == (2, f"error: {option[0]} only makes sense with --simulate\n")


class TestWhileItRuns:
    """With a provider slow enough to be met at work."""

    @pytest.fixture
    def speed(self):
        return 30.0

    def started(self, project, *arguments):
        process = project.start("run", "m.yaml", "--yes", "--run-id", "live", "--log-format", "json", *arguments)
        wait_for(process, '"accepted"')
        return process

    def test_a_second_run_fails_or_is_skipped_and_the_first_goes_on(self, project):
        process = self.started(project)
        code, _, err = project.run("run", "m.yaml", "--yes")
        assert (code, "small is being run already: run live" in err) == (7, True)
        code, _, err = project.run("run", "m.yaml", "--yes", "--overlap", "skip")
        assert (code, err.startswith("skipped: ")) == (0, True)
        process.communicate()
        assert process.returncode == 0

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_ends_it_resumable_and_resume_finishes_it(self, project, number, code):
        process = self.started(project)
        process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == code, out + err
        assert "resume it with: batch-deployer resume live" in err
        assert project.run("resume", "live")[0] == 0
        assert project.provider.ledger()["creates"] == dict.fromkeys(KEYS, 1)

    def test_the_command_that_resumes_it_names_the_state_folder_that_it_was_given(self, project):
        process = self.started(project, "--state-dir", "other folder")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        resume = shlex.split(err.splitlines()[-1].partition("resume it with: batch-deployer ")[2])
        assert resume == ["resume", "live", "--state-dir", "other folder"]
        assert project.run(*resume)[0] == 0
        assert project.provider.ledger()["creates"] == dict.fromkeys(KEYS, 1)

    def test_a_killed_run_is_resumed_without_its_manifest_and_creates_nothing_twice(self, project):
        process = self.started(project)
        process.kill()
        process.communicate()
        (project.folder / "m.yaml").unlink()
        assert "it can be resumed: batch-deployer resume live" in project.run("status", "live")[2]
        assert project.run("resume", "live")[0] == 0
        ledger = project.provider.ledger()
        assert (ledger["creates"], list(ledger["duplicates"])) == (dict.fromkeys(KEYS, 1), [])

    def test_an_operator_halts_it_and_retry_does_the_rest(self, project):
        process = self.started(project)
        assert project.run("control", "live", "halt")[0] == 0
        process.communicate()
        assert process.returncode == 4
        assert project.run("retry", "live", "--not-started", "--failed")[0] == 0
        assert project.provider.ledger()["creates"] == dict.fromkeys(KEYS, 1)


def test_the_program_of_a_manifest_that_is_not_there_says_so(capsys):
    assert main(["validate", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
