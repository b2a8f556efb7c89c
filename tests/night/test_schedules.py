"""The schedules that are shipped work: their own tools take them, and the program takes the commands in them."""

import configparser
import copy
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import jsonschema
import pytest
import yaml

from batch_deployer.cli.environment import variables_of
from batch_deployer.cli.error_handler import EXIT_CODES
from batch_deployer.cli.main import COMMANDS, group
from batch_deployer.settings import ShutdownSettings

FOLDER = Path(__file__).parents[2] / "manifests/schedule"
SCHEMA = json.loads((Path(__file__).parent / "cronjob.schema.json").read_text())
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of the month, month, day of the week, as crontab(5) has them."""


def crontab():
    """(five fields, command as cron hands it to the shell) of each line that is a job."""
    for line in (FOLDER / "crontab").read_text().splitlines():
        if line and not line.startswith("#") and not re.match(r"^[A-Z_]+=", line):
            *fields, command = line.split(maxsplit=5)
            assert not re.search(r"(?<!\\)%", command), "cron cuts a command at a bare %"
            yield fields, command.replace("\\%", "%")


def unit(kind):
    """Sections of a unit file, each name to its last value."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read(FOLDER / f"batch-deployer.{kind}")
    return parser


def cronjob():
    return next(each for each in yaml.safe_load_all((FOLDER / "cronjob.yaml").read_text()) if each["kind"] == "CronJob")


def container():
    return cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


def calls():
    """(where it stands, arguments) of every call of the program."""
    for _, command in crontab():
        yield "crontab", shlex.split(command.rpartition(" && ")[2])
    yield "service", shlex.split(unit("service")["Service"]["ExecStart"].replace("/usr/local/bin/", ""))
    yield "cronjob", container()["command"] + container()["args"]


@pytest.mark.parametrize(("where", "words"), list(calls()))
def test_every_call_is_one_that_the_program_understands(where, words):
    program, name, *arguments = words
    assert program == "batch-deployer"
    assert name in COMMANDS
    context = click.Context(group)
    parsed = group.get_command(context, name).make_context(name, arguments, parent=context)
    if name == "run":
        assert parsed.params["quiet"]
        assert parsed.params["yes"], "nobody is there to be asked"
        assert str(parsed.params["window"]) == "22:00-05:00 Europe/Berlin"
        assert parsed.params["start_by"] == "23:30 Europe/Berlin"
        assert parsed.params["ping"] is None, "an argument shows in the process list"


SECRET = re.compile(r"://|\$\{?\(?\w*(URL|TOKEN|PASSWORD|SECRET|KEY)|--(ping|notify)\b", re.IGNORECASE)


@pytest.mark.parametrize(("where", "words"), list(calls()))
def test_no_call_has_a_secret_among_its_arguments(where, words):
    assert not [word for word in words if SECRET.search(word)]


def test_the_monitor_s_url_comes_from_the_environment_that_every_schedule_reads():
    for text in ("crontab", "batch-deployer.service", "cronjob.yaml"):
        assert "BATCH_DEPLOYER_RUN_PING" in (FOLDER / text).read_text()
    assert all("/etc/batch-deployer/environment" in command for _, command in list(crontab())[:2])
    assert unit("service")["Service"]["EnvironmentFile"] == "/etc/batch-deployer/environment"
    assert container()["envFrom"] == [{"secretRef": {"name": "batch-deployer"}}]
    variables = variables_of(group.get_command(click.Context(group), "run"), "run")
    assert variables["BATCH_DEPLOYER_RUN_PING"] == "--ping"


def test_the_crontab_has_a_nightly_run_a_weekly_snapshot_and_retention():
    fields = [each for each, _ in crontab()]
    assert fields == [["0", "22", "*", "*", "*"], ["0", "6", "*", "*", "0"], ["30", "6", "*", "*", "0"]]
    for line in fields:
        for value, (least, most) in zip(line, BOUNDS, strict=True):
            assert value == "*" or least <= int(value) <= most
    assert [command.partition("batch-deployer ")[2].split()[0] for _, command in crontab()][2] == "prune"


@pytest.mark.parametrize("number", range(3))
def test_the_shell_that_cron_starts_understands_every_line(number):
    command = list(crontab())[number][1]
    assert subprocess.run(["/bin/sh", "-n", "-c", command], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for kind in ("service", "timer"):
        text = (FOLDER / f"batch-deployer.{kind}").read_text()
        # The program is not in /usr/local/bin here, and systemd looks whether it is there.
        (tmp_path / f"batch-deployer.{kind}").write_text(text.replace("/usr/local/bin/batch-deployer", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "batch-deployer.service", tmp_path / "batch-deployer.timer"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "batch-deployer" in line]
    assert (done.returncode, said) == (0, [])


def test_the_timer_and_the_service_belong_together():
    timer, service = unit("timer")["Timer"], unit("service")["Service"]
    assert timer["OnCalendar"] == "*-*-* 22:00:00 Europe/Berlin"
    assert timer["Persistent"] == "yes"
    assert (service["Type"], service["Restart"]) == ("oneshot", "no")
    assert service["StateDirectory"] == "batch-deployer"
    assert service["Environment"] == "BATCH_DEPLOYER_STATE_DIR=/var/lib/batch-deployer"


def test_stopping_takes_longer_than_the_program_watches_what_is_under_way():
    grace = ShutdownSettings().grace
    pod = cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert int(unit("service")["Service"]["TimeoutStopSec"]) >= grace + 30
    assert pod["terminationGracePeriodSeconds"] >= grace + 30


def test_the_cronjob_is_one_that_kubernetes_knows():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(cronjob(), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "startingDeadlineSecond"), 60),
        (("spec", "schedule"), "CRON_TZ=UTC 0 22 * * *"),
        (("spec", "concurrencyPolicy"), "forbid"),
        (("spec", "jobTemplate", "spec", "template", "spec", "restartPolicy"), "OnFailure"),
        (("spec", "jobTemplate", "spec", "backoffLimit"), "3"),
        (("spec", "jobTemplate", "spec", "template", "spec", "securityContext", "readOnlyRootFilesystem"), True),
    ],
)
def test_the_schema_refuses_what_kubernetes_would_refuse(path, value):
    wrong = copy.deepcopy(cronjob())
    *way, last = path
    place = wrong
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_a_pod_is_started_again_for_no_exit_code_of_the_program_but_for_an_eviction():
    rules = cronjob()["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob"]
    ours = {code for code in EXIT_CODES if 0 < code < 8}  # 8 is plan's, 130 and 143 are signals
    assert set(rules[1]["onExitCodes"]["values"]) == ours
    assert rules[1]["onExitCodes"]["containerName"] == container()["name"]


def test_what_is_mounted_is_there_and_the_job_outlasts_the_window():
    spec = cronjob()["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert {each["name"] for each in container()["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    claims = [each for each in yaml.safe_load_all((FOLDER / "cronjob.yaml").read_text()) if each["kind"] != "CronJob"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claims[0]["metadata"]["name"]
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 7 * 3600
    assert spec["startingDeadlineSeconds"] == 90 * 60, "22:00 to 23:30"


@pytest.mark.parametrize("name", ["crontab", "batch-deployer.service", "batch-deployer.timer"])
def test_every_setting_has_its_reason_above_it(name):
    """Settings may share a reason: a comment counts for the block under it, up to the next blank line or section."""
    reason = False
    for line in (FOLDER / name).read_text().splitlines():
        if line.startswith("#"):
            reason = True
        elif not line or line.startswith("["):
            reason = line.startswith("[Install]")
        else:
            assert reason or line.startswith(("Description=", "Documentation=")), line
