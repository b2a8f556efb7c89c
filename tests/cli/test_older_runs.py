"""A run that is not the last to have written its deployments: what a later run wrote is left as it is, unless told otherwise."""

import json
import sqlite3
import time

import pytest

PROD = "a870253f-5dc7-11ee-bf71-0255ac100b0"
KEYS = [f"{PROD}{number}/shop/{name}" for number in (1, 2, 3) for name in ("web", "db")]
OPEN = f"{PROD}3/shop/web"


@pytest.fixture
def shop(project):
    """Releases with a value that tells the runs apart; run `one` of version 1 is over."""
    project.edit(", targets:", ", values: {tag: v1}, targets:")
    assert project.run("run", "m.yaml", "--yes", "--run-id", "one")[0] == 0
    return project


def kill(project, run, key, *, kept):
    """Make a run look killed before it was done with a deployment; `kept`: kinds of its events that had been written."""
    with sqlite3.connect(project.state / "runs" / run / "journal.db") as database:
        database.execute("DROP TRIGGER IF EXISTS events_never_go")
        database.execute("DELETE FROM events WHERE data->>'kind' = 'run_finished'")
        marks = ",".join("?" * len(kept))
        database.execute(
            f"DELETE FROM events WHERE data->>'key' = ? AND data->>'kind' NOT IN ({marks})",
            (key, *kept),
        )


def fail(project, run, key):
    """Make a deployment of a run look failed."""
    with sqlite3.connect(project.state / "runs" / run / "journal.db") as database:
        database.execute("DROP TRIGGER IF EXISTS events_never_change")
        database.execute(
            "UPDATE events SET data = json_set(data, '$.outcome', 'failed') "
            "WHERE data->>'key' = ? AND data->>'kind' = 'finished'",
            (key,),
        )


def next_run(project, name="small"):
    """Run `two`, which brings version 2, of the same manifest or of one with another name."""
    project.edit("tag: v1", "tag: v2")
    project.edit("name: small", f"name: {name}")
    assert project.run("run", "m.yaml", "--yes", "--run-id", "two")[0] == 0


def tags(project):
    return {key: json.loads(release["values"])["tag"] for key, release in project.provider.releases().items()}


def warnings(project, run):
    return json.loads((project.state / "runs" / run / "report" / "report.json").read_text())["warnings"]


UNDER_WAY = (("planned",), ("planned", "intended"), ("planned", "intended", "accepted"))


@pytest.mark.parametrize("kept", UNDER_WAY)
@pytest.mark.parametrize("name", ["small", "another"])
def test_resume_leaves_what_a_later_run_wrote(shop, kept, name):
    kill(shop, "one", OPEN, kept=kept)
    next_run(shop, name)
    code, _, err = shop.run("resume", "one")
    assert code == 1, err
    assert "1 deployment written since by run two" in err
    assert tags(shop) == dict.fromkeys(KEYS, "v2")
    assert any("run two" in text for text in warnings(shop, "one"))


@pytest.mark.parametrize("kept", UNDER_WAY[:1])
def test_resume_brings_it_back_when_told_to(shop, kept):
    kill(shop, "one", OPEN, kept=kept)
    next_run(shop)
    code, _, err = shop.run("resume", "one", "--force-older")
    assert code == 0, err
    assert tags(shop) == {**dict.fromkeys(KEYS, "v2"), OPEN: "v1"}
    assert any("--force-older" in text and "run two" in text for text in warnings(shop, "one"))


def test_retry_leaves_what_a_later_run_wrote(shop):
    fail(shop, "one", OPEN)
    next_run(shop)
    code, _, err = shop.run("retry", "one", "--failed", "--run-id", "three")
    assert code == 1
    assert "run two" in err
    assert tags(shop) == dict.fromkeys(KEYS, "v2")
    assert not (shop.state / "runs" / "three").exists()
    assert shop.run("retry", "one", "--failed", "--force-older", "--run-id", "three")[0] == 0
    assert tags(shop) == {**dict.fromkeys(KEYS, "v2"), OPEN: "v1"}
    assert any("--force-older" in text for text in warnings(shop, "three"))


def test_retry_goes_on_with_what_no_later_run_wrote(shop):
    for key in (OPEN, KEYS[0]):
        fail(shop, "one", key)
    shop.edit("tag: v1", "tag: v2")
    assert shop.run("run", "m.yaml", "--yes", "--limit", "prod-3", "--run-id", "two")[0] == 0
    code, _, err = shop.run("retry", "one", "--failed", "--run-id", "three")
    assert code == 1, err
    report = json.loads((shop.state / "runs" / "three" / "report" / "report.json").read_text())
    assert [each["key"] for each in report["deployments"]] == [KEYS[0]]
    assert any("run two" in text for text in report["warnings"])


def test_rollback_leaves_what_a_later_run_wrote(shop):
    shop.edit("tag: v1", "tag: v2")
    assert shop.run("run", "m.yaml", "--yes", "--run-id", "two")[0] == 0
    shop.edit("tag: v2", "tag: v3")
    assert shop.run("run", "m.yaml", "--yes", "--limit", "prod-3/shop/web", "--run-id", "three")[0] == 0
    code, _, err = shop.run("rollback", "two", "--yes", "--run-id", "four")
    assert code == 1, err
    assert "run three has written it since" in err
    assert tags(shop) == {**dict.fromkeys(KEYS, "v1"), OPEN: "v3"}
    assert any("run three" in text for text in warnings(shop, "four"))


def test_a_later_run_that_wrote_nothing_is_in_nobodys_way(shop):
    kill(shop, "one", OPEN, kept=("planned",))
    assert shop.run("run", "m.yaml", "--yes", "--run-id", "two")[0] == 0
    code, _, err = shop.run("resume", "one")
    assert code == 0, err
    assert "two" not in err


def test_a_later_journal_that_cannot_be_read_stops_it(shop):
    fail(shop, "one", OPEN)
    next_run(shop)
    (shop.state / "runs" / "two" / "journal.db").write_bytes(b"nonsense" * 1000)
    code, _, err = shop.run("retry", "one", "--failed", "--run-id", "three")
    assert code == 1
    assert "two/journal.db" in err
    assert "--force-older" in err
    assert shop.run("retry", "one", "--failed", "--force-older", "--run-id", "three")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["retry", "rollback", "resume"])
@pytest.mark.parametrize("force", [False, True], ids=["", "force"])
def test_a_run_that_ends_while_the_lock_is_waited_for_counts_as_later(shop, command, force):
    """Whether a later run wrote the deployments is asked once the lock is held."""
    options = ["--overlap", "wait", *(("--force-older",) if force else ())]
    if command == "rollback":
        shop.edit("tag: v1", "tag: v2")
        assert shop.run("run", "m.yaml", "--yes", "--run-id", "first")[0] == 0
        shop.edit("tag: v2", "tag: v3")
        options += ["--yes", "--run-id", "late"]
    else:
        shop.edit("tag: v1", "tag: v2")
        if command == "retry":
            fail(shop, "one", OPEN)
            options += ["--failed", "--run-id", "late"]
        else:
            kill(shop, "one", OPEN, kept=("planned",))
    shop.edit("writes: 50/s", "writes: 1/s")
    before = tags(shop)
    newer = shop.start("run", "m.yaml", "--yes", "--run-id", "newer")
    until = time.monotonic() + 60
    while tags(shop) == before and time.monotonic() < until:
        time.sleep(0.05)
    code, _, err = shop.run(command, {"rollback": "first"}.get(command, "one"), *options)
    assert newer.wait(60) == 0
    newer.communicate()
    assert "run newer" in err, err
    assert code == (0 if force and command != "rollback" else 1), err
    written = tags(shop)[OPEN]
    if command != "rollback":
        assert written == ("v1" if force else "v2")
    else:
        assert written == "v3"  # a rollback leaves alone what was changed since, in any case
