"""The door to SQLite."""

import re

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.state.database import Database
from batch_deployer.state.sql import load_sql


@pytest.fixture
def database(tmp_path):
    opened = Database(
        tmp_path / "state.db", schema="state_schema.sql", queries="state_queries.sql", write=True, shared=True
    )
    yield opened
    opened.close()


def test_a_transaction_that_is_left_by_an_error_is_undone_and_the_next_one_works(database):
    def fail():
        with database.transaction():
            database.run("save_rate", "de", "writes", 1.0)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.transaction():
        database.run("save_rate", "nl", "writes", 2.0)
    assert database.run("paces") == [("nl", "writes", 2.0)]


def test_who_finds_the_file_locked_for_long_is_told_so(database):
    other = Database(database.path, schema="state_schema.sql", queries="state_queries.sql", write=True, shared=True)
    other._connection.execute("PRAGMA busy_timeout=1")
    with database.transaction():
        database.run("save_rate", "de", "writes", 1.0)
        with pytest.raises(JournalError, match=r"cannot write .*state\.db: another process keeps it locked"):
            other.run("save_rate", "de", "writes", 2.0)
    other.close()


def test_a_file_made_by_an_earlier_version_is_brought_up_to_date(tmp_path, database, monkeypatch):
    steps = {
        **load_sql("state_schema.sql"),
        "next": "ALTER TABLE paces ADD COLUMN at REAL;\nCREATE TABLE later (x);",
    }
    monkeypatch.setattr(
        "batch_deployer.state.database.load_sql", lambda file: steps if "schema" in file else load_sql(file)
    )
    database.run("save_rate", "de", "writes", 1.0)
    newer = Database(database.path, schema="state_schema.sql", queries="state_queries.sql", write=True, shared=True)
    assert newer._connection.execute("SELECT cloud, at FROM paces").fetchall() == [("de", None)]
    assert newer._connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    assert newer._connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
    newer.close()


def test_every_statement_is_one_that_sqlite_understands(database, tmp_path):
    journal = Database(tmp_path / "journal.db", schema="schema.sql", queries="queries.sql", write=True)
    for opened, file in ((database, "state_queries.sql"), (journal, "queries.sql")):
        for sql in load_sql(file).values():
            numbered = set(re.findall(r"\?(\d)", sql))
            count = len(numbered) or sql.count("?")
            opened._connection.execute(f"EXPLAIN {sql}", (0,) * count).fetchall()
    journal.close()
