"""Percentages of a retry are taken of the original run, and failures count afresh."""

import json

import pytest


@pytest.fixture
def failing(project):
    """Of 6 deployments one failed, which is within the budget of a fifth."""
    project.edit("rollout:", "rollout:\n  max_failures: 20%\n  systemic: 0")
    project.provider.post("faults", {"faults": [{"effect": "fail", "release": "shop/web", "cluster": "prod-3"}]})
    return project


def outcome(project, run):
    report = json.loads((project.state / "runs" / run / "report" / "report.json").read_text())
    return report["run"], {row["outcome"] for row in report["deployments"]}


def test_a_retry_that_fails_again_is_no_halt(failing):
    """1 of 1 failed again, and 1 of 6 is what the budget is about."""
    assert failing.run("run", "m.yaml", "--yes", "--run-id", "first")[0] == 1
    for number in (1, 2):  # a retry of a retry, too
        source = "first" if number == 1 else "retry-1"
        code, _, err = failing.run("retry", source, "--failed", "--run-id", f"retry-{number}")
        assert code == 1, err
        assert "max_failures" not in err
