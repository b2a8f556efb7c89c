"""A manifest's rates have ceilings, which only the operator raises: calls cost the whole project."""

import pytest

from batch_deployer.model.permissions import Permissions
from batch_deployer.rules.rate_ceilings import rate_problem
from batch_deployer.settings import Limits, Rate

REMOTE, LOCAL = "https://cce.eu-de.otc.t-systems.com", "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({}, True),
        ({"writes": "60/min"}, True),
        ({"writes": "1/s"}, True),
        ({"writes": "61/min"}, False),
        ({"writes": "2/s"}, False),
        ({"writes": "100/h"}, False),
        ({"writes": "60/h"}, True),
        ({"reads": "50/s"}, True),
        ({"reads": "51/s"}, False),
        ({"reads": "1000/min"}, False),
        ({"writes": "1000000/s", "reads": "1000000/s"}, False),
    ],
)
def test_no_window_of_a_manifest_s_rate_holds_more_than_the_ceiling(limits, allowed):
    wanted = Limits(**{name: Rate.parse(text) for name, text in limits.items()})
    assert (rate_problem(wanted, REMOTE, Permissions()) == "") is allowed
    assert rate_problem(wanted, LOCAL, Permissions()) == ""
    most = Permissions(max_writes="1000000/s", max_reads="1000000/s")
    assert rate_problem(wanted, REMOTE, most) == ""


@pytest.mark.parametrize("command", [("plan",), ("run", "--yes"), ("check",)])
@pytest.mark.parametrize(
    ("option", "rate", "name"), [("--max-writes", "10/min", "writes"), ("--max-reads", "5/s", "reads")]
)
def test_a_manifest_above_the_operator_s_ceiling_is_refused_before_anything_is_sent(
    project, command, option, rate, name
):
    code, out, err = project.run(command[0], "m.yaml", *command[1:], option, rate)
    assert code == 2
    assert f"limits: {name}: 50/s is more than {rate}" in out + err
    assert f"{option} 50/s" in out + err
    assert project.provider.ledger()["calls"] == {}


def test_a_ceiling_comes_from_the_environment_too_and_holds_for_saved_plans(project, monkeypatch):
    assert project.run("plan", "m.yaml", "--out", "p.plan")[0] == 0
    before = project.provider.ledger()["calls"]
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_MAX_WRITES", "10/min")
    code, _, err = project.run("run", "m.yaml", "--plan", "p.plan", "--yes")
    assert (code, "limits: writes: 50/s is more than 10/min" in err) == (2, True)
    assert project.provider.ledger()["calls"] == before
    monkeypatch.setenv("BATCH_DEPLOYER_RUN_MAX_WRITES", "50/s")
    assert project.run("run", "m.yaml", "--plan", "p.plan", "--yes")[0] == 0


def test_a_simulated_run_has_no_ceiling(project):
    assert project.run("run", "m.yaml", "--simulate", "--speed", "200", "--max-writes", "10/min")[0] == 0


def test_a_remote_cloud_has_the_default_ceilings(project):
    project.edit("endpoint: http", "endpoint: https://cce.eu-de.otc.t-systems.com #")
    code, _, err = project.run("plan", "m.yaml")
    assert (code, "limits: writes: 50/s is more than 60/min" in err) == (2, True)
