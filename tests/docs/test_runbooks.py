"""Every command of the runbooks runs, in the order and the situation that the page describes, and shows what it says."""

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs/runbooks").glob("*.md"))
NIGHT = "20261121T210000Z-nightly-observability-1a2b"
NEXT_NIGHT = "20261122T210000Z-nightly-observability-77c0"


def test_the_nightly_runbook_brings_a_bad_night_to_a_good_end(shell, follow):
    shell = shell("nightly.yaml", (", soak: 10m", ""))
    shell.must(f"batch-deployer run nightly.yaml --yes --run-id {NIGHT}")
    shell.edit("{imageTag: v2,", "{imageTag: v4,")
    shell.faults({"effect": "fail", "release": "monitoring/node-exporter", "cluster": "prod-eu-12"})
    shell.must(f"batch-deployer run nightly.yaml --yes --run-id {NEXT_NIGHT}", code=1)
    shell.faults()

    def killed(shell):
        shell.edit("{imageTag: v4,", "{imageTag: v5,")
        shell.kill(shell.start_live("batch-deployer run nightly.yaml --yes --run-id 20991231-killed", "started"))

    def live(shell):
        shell.edit("{imageTag: v5,", "{imageTag: v6,")
        shell.faults({"effect": "stuck", "calls": "starts"})
        shell.start_live("batch-deployer run nightly.yaml --yes --run-id 20991232-live", "started")

    done = follow(
        "nightly.md",
        shell,
        after={"batch-deployer diff 20261121 20261122": killed},
        before={"batch-deployer control nightly-observability halt": live},
    )
    assert len(done) >= 10
    assert shell.provider.ledger()["duplicates"] == []


def test_the_rollout_runbook_goes_from_the_plan_to_a_halt_and_back(shell, follow):
    shell = shell("canary.yaml", ("soak: 5m", "soak: 100ms"), ("soak: 1m}", "soak: 100ms}"))
    live = "batch-deployer run canary.yaml --plan tuesday.plan --run-id tuesday --yes"

    def ended(shell):
        (process,) = shell.live
        process.communicate(timeout=60)
        assert process.returncode == 4
        shell.live.clear()

    done = follow("rollout.md", shell, before={"batch-deployer report tuesday": ended}, live=live)
    assert len(done) >= 14
    ledger = shell.provider.ledger()
    assert sorted(ledger["creates"]) == sorted(ledger["deletes"]), "all that was created was taken back"


def deployed(shell):
    shell.must("batch-deployer run dr.yaml --profile dr --yes --run-id before")


def lost(shell):
    shell.must("batch-deployer rollback before --delete-created --yes")


def hurry_backup(shell):
    """The recovery's writes count against the limit of the project: the default of 10/min would hold these up."""
    shell.hurry("backup/manifest.yaml")
    with (shell.folder / "backup/manifest.yaml").open("a") as file:
        file.write("limits: {writes: 50/s, reads: 50/s}\n")


def test_the_recovery_runbook_brings_everything_back(shell, follow):
    shell = shell("dr.yaml", (", soak: 10m", ""), ("region: eu-nl", "region: sim"), clusters=3)
    (shell.folder / "replaced.csv").write_text("old,new\nprod-0002,5d0a0f5e-7c7b-4a8e-9d59-0255ac100b08\n")
    done = follow(
        "recovery.md",
        shell,
        before={
            "batch-deployer snapshot otc-dr --output backup": deployed,
            "batch-deployer plan dr.yaml --profile dr": lost,
            "batch-deployer status recovery": hurry_backup,
        },
    )
    assert len(done) >= 10
    assert shell.provider.ledger()["duplicates"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_runbook_has_one_sentence_a_line_and_its_own_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for line in text.splitlines():
        if line.startswith("|"):
            continue
        prose = re.sub(r"^\d+\. ", "", re.sub(r"`[^`]*`", "code", line))
        assert not re.search(r"[.?!] [A-Z]", prose), line
    anchors = {
        re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", text):
        assert target in anchors, target


def test_every_runbook_is_walked_by_a_test():
    assert [page.stem for page in PAGES] == ["nightly", "recovery", "rollout"]
