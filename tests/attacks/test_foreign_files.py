"""A state folder that a stranger filled: an artefact of a pipeline, a run sent by mail. It is refused in one line, or shown as text."""

import os
import sqlite3

import pytest

from batch_deployer.state.journal.sqlite import SqliteJournal

STATE = {"BATCH_DEPLOYER_STATE_DIR": ".batch-deployer"}
RUN = "20260101T000000Z-aaaaaa"
META = '{"manifest": "attacked", "started": 1767225600.0, "number": 1, "extra": {}}'
TABLE = "CREATE TABLE events (seq INTEGER PRIMARY KEY, data TEXT NOT NULL)"


@pytest.fixture
def forged(checkout):
    """`forged(*statements, meta=META)`: a run whose journal was made by these statements."""
    folder = checkout.write(f".batch-deployer/runs/{RUN}/plan.json", "{}").parent

    def forge(*statements, meta=META):
        (folder / "run.json").write_text(meta)
        if TABLE not in statements:
            SqliteJournal(folder / "journal.db").close()  # as this program makes it; only the rows are the stranger's
        with sqlite3.connect(folder / "journal.db") as database:
            for statement in statements:
                database.execute(statement)
        return folder

    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o700)
    return forge


def refused(checkout, *arguments):
    """The one line on stderr of a command that refuses."""
    done = checkout.run(*arguments, env=STATE, timeout=60)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return done.stderr


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS seq, 'x' AS data FROM n"
JOURNALS = {
    "a view that never ends": [TABLE, "DROP TABLE events", f"CREATE VIEW events AS {ENDLESS}", "PRAGMA user_version=1"],
    "a computed column": [
        TABLE,
        "DROP TABLE events",
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, data TEXT GENERATED ALWAYS AS (hex(zeroblob(900000000))) VIRTUAL)",
        "PRAGMA user_version=1",
    ],
    "a table more": [TABLE, "CREATE TABLE more (x)", "PRAGMA user_version=1"],
    "a trigger": [
        TABLE,
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END",
        "PRAGMA user_version=1",
    ],
    "a newer version": [TABLE, "PRAGMA user_version=99"],
    "a version below zero": [TABLE, "PRAGMA user_version=-1"],
    "no event": ["INSERT INTO events VALUES (1, 'no JSON')"],
    "deep JSON": [
        "INSERT INTO events VALUES (1, replace(hex(zeroblob(100000)), '0', '['))",
    ],
    "a blob": ["INSERT INTO events VALUES (1, x'fffe00')"],
    "a large row": ["INSERT INTO events VALUES (1, hex(zeroblob(5000000)))"],
    "a time beyond calendars": [
        """INSERT INTO events VALUES (1, '{"kind":"run_started","at":1e300,"run":"r","manifest":"m","pid":1}')""",
    ],
}


@pytest.mark.parametrize("command", ["report", "status", "explain", "resume"])
@pytest.mark.parametrize("journal", JOURNALS)
def test_a_foreign_journal_is_refused_in_one_line(checkout, forged, journal, command):
    forged(*JOURNALS[journal])
    more = ["c/n/a"] if command == "explain" else []
    said = refused(checkout, command, RUN, *more)
    assert len(said.strip().splitlines()) <= 2, said
    assert RUN in said


METAS = {
    "no JSON": "nonsense",
    "deep": "[" * 200_000,
    "another shape": '{"manifest": 5}',
    "a time beyond calendars": '{"manifest": "m", "started": 1e300}',
    "a huge number": '{"manifest": "m", "started": 1.0, "number": 1' + "0" * 400 + "}",
    "no UTF-8": "\udcff",
}


@pytest.mark.parametrize("meta", METAS)
def test_a_foreign_run_file_is_refused_in_one_line(checkout, forged, meta):
    folder = forged()
    (folder / "run.json").write_bytes(METAS[meta].encode("utf-8", "surrogateescape"))
    assert "run.json" in refused(checkout, "report", "latest")
    assert "run.json" in refused(checkout, "report", RUN)


@pytest.mark.parametrize("name", ["run.json", "journal.db", "plan.json", "journal.db-wal"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_pipe_or_a_device_hangs_no_command(checkout, forged, name, kind):
    folder = forged()
    (folder / name).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to("/dev/zero")
    assert name.partition("-")[0] in refused(checkout, "report", RUN)


def test_texts_of_a_foreign_journal_steer_no_terminal(checkout):
    """Escapes and commands to a CI system are broken, whatever field they stand in."""
    evil = r"\u001b]0;owned\u0007\u001b[2J\n::error::owned"
    assert (
        checkout.run("run", "m.yaml", "--simulate", "--speed", "100", "--yes", "--run-id", RUN, env=STATE).returncode
        == 0
    )
    with sqlite3.connect(checkout.path / ".batch-deployer" / "runs" / RUN / "journal.db") as database:
        for event in (
            f'{{"kind":"warned","at":1.0,"message":"{evil}"}}',
            f'{{"kind":"halted","at":2.0,"scope":"run","reason":"{evil}"}}',
            '{"kind":"run_finished","at":3.0,"exit_code":1}',
        ):
            database.execute("INSERT INTO events (data) VALUES (?)", (event,))
    for command in ("report", "status"):
        done = checkout.run(command, RUN, env=STATE)
        text = done.stdout + done.stderr
        assert "\x1b" not in text
        assert "\n::error::" not in text
        assert "error::owned" in text, command


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "m.yaml", "--yes"),
        ("run", "m.yaml", "--yes", "--simulate"),
        ("resume", "latest"),
        ("retry", RUN, "--failed"),
        ("rollback", RUN, "--yes"),
        ("prune", "--older-than", "1d"),
        ("control", RUN, "halt"),
    ],
)
def test_a_state_folder_of_another_user_is_believed_by_no_command(checkout, forged, arguments):
    """A forged run could send the token away, a forged lock stop all runs."""
    folder = forged()
    if os.geteuid() != 0:
        folder.parent.parent.chmod(0o777)  # the nearest that one user can play
    before = sorted(path.relative_to(checkout.path) for path in folder.parent.parent.rglob("*"))
    done = checkout.run(*arguments, env=STATE, timeout=60)
    assert done.returncode in (1, 2), done
    assert "tk-of-the-operator" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.relative_to(checkout.path) for path in folder.parent.parent.rglob("*")) == before
    if arguments[0] in ("run", "prune"):
        assert "cannot use the state folder .batch-deployer: " in done.stderr
        assert "chown" in done.stderr or "chmod" in done.stderr
