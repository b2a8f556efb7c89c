"""What the file adds: shared commits, durable and private files, reading beside a writer, and damage told in one line."""

import asyncio
import gc
import os
import sqlite3
import stat
import threading
import warnings

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.model.deployment import Outcome
from batch_deployer.model.events import Finished, RunFinished, RunStarted, Warned
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.state.journal.writer import BATCH


def batches_of(journal):
    """Sizes of the batches that reach the file from now on."""
    sizes = []
    append = journal._store.append

    def counted(rows):
        sizes.append(len(rows))
        return append(rows)

    journal._store.append = counted
    return sizes


def hold_back(journal):
    """Keep the next commit from beginning until the returned event is set."""
    go, begun = threading.Event(), threading.Event()
    append = journal._store.append

    def held(rows):
        begun.set()
        go.wait()
        return append(rows)

    journal._store.append = held
    return go, begun


async def handed_over():
    """What was recorded in one turn of the loop is handed to the writer at its end."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_what_arrives_during_a_commit_shares_the_next_one(journal_path, intents):
    async def write(journal):
        sizes = batches_of(journal)
        go, begun = hold_back(journal)
        first = asyncio.ensure_future(journal.record(*intents(1)))
        await handed_over()
        begun.wait()
        rest = [asyncio.ensure_future(journal.record(event)) for event in intents(50, start=1)]
        await handed_over()
        go.set()
        await asyncio.gather(first, *rest)
        return sizes

    with SqliteJournal(journal_path) as journal:
        assert asyncio.run(write(journal)) == [1, 50]


def test_what_was_queued_behind_a_failed_batch_fails_too_though_it_would_fit(journal_path, intents):
    async def write(journal):
        journal._store._database._connection.execute("PRAGMA max_page_count=100")
        go, begun = hold_back(journal)
        first = asyncio.ensure_future(journal.record(*intents(1)))
        await handed_over()
        begun.wait()
        others = [asyncio.ensure_future(journal.record(*intents(count))) for count in (10_000, 1)]
        await handed_over()
        go.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    with SqliteJournal(journal_path) as journal:
        first, *others = asyncio.run(write(journal))
        assert first is None
        assert [type(other) for other in others] == [JournalError, JournalError]
        assert journal.history() == intents(1)


def test_no_batch_grows_far_beyond_its_cap(journal_path, intents):
    async def write(journal):
        sizes = batches_of(journal)
        go, begun = hold_back(journal)
        journal.note(*intents(1))
        journal._drain()
        begun.wait()
        for event in intents(3 * BATCH, start=1):
            journal.note(event)
        go.set()
        await journal.flush()
        return sizes

    with SqliteJournal(journal_path) as journal:
        assert asyncio.run(write(journal)) == [1, BATCH, BATCH, BATCH, 0]


def test_the_loop_is_woken_once_a_batch_however_many_wait(journal_path, intents):
    async def write(journal):
        loop = asyncio.get_running_loop()
        go, begun = hold_back(journal)
        journal.note(*intents(1))
        journal._drain()
        begun.wait()
        tasks = [asyncio.ensure_future(journal.record(event)) for event in intents(100, start=1)]
        await handed_over()
        wakes = []
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **more: wakes.append(args[0]) or wake(*args, **more)
        go.set()
        await asyncio.gather(*tasks)
        return len(wakes)

    with SqliteJournal(journal_path) as journal:
        assert asyncio.run(write(journal)) == 1


def test_a_record_has_not_returned_before_its_rows_are_committed(journal_path, intents):
    async def write(journal):
        go, begun = hold_back(journal)
        task = asyncio.ensure_future(journal.record(*intents(1)))
        await handed_over()
        begun.wait()
        await handed_over()
        waiting = not task.done()
        go.set()
        await task
        with JournalReader(journal_path) as reader:
            return waiting, list(reader.events())

    with SqliteJournal(journal_path) as journal:
        assert asyncio.run(write(journal)) == (True, intents(1))


def test_commits_are_synced(journal_path):
    with SqliteJournal(journal_path) as journal:
        connection = journal._store._database._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_inline_needs_no_thread(journal_path, intents):
    before = set(threading.enumerate())
    with SqliteJournal(journal_path, inline=True) as journal:
        asyncio.run(journal.record(*intents(1)))
        assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("inline", [False, True])
def test_closing_writes_the_notes_takes_the_log_home_and_leaks_nothing(journal_path, intents, inline):
    before = set(threading.enumerate())  # a thread of an earlier test may end meanwhile
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        journal = SqliteJournal(journal_path, inline=inline)
        journal.note(*intents(3))
        journal.close()
        gc.collect()
    assert set(threading.enumerate()) <= before
    assert [path.name for path in journal_path.parent.iterdir()] == ["journal.db"]
    assert journal.history() == intents(3)


def test_closing_takes_the_log_home_though_somebody_still_reads(journal_path, intents, tmp_path):
    journal = SqliteJournal(journal_path)
    journal.note(*intents(3))
    with JournalReader(journal_path) as reader:
        assert list(reader.events(after=99)) == []
        journal.close()
        copy = tmp_path / "copy.db"
        copy.write_bytes(journal_path.read_bytes())
    with JournalReader(copy) as reader:
        assert list(reader.events()) == intents(3)


def test_a_reopened_journal_goes_on_behind_what_was_there(journal_path, intents):
    for start in (0, 2, 4):
        with SqliteJournal(journal_path) as journal:
            asyncio.run(journal.record(*intents(2, start=start)))
    with JournalReader(journal_path) as reader:
        assert list(reader.events()) == intents(6)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_journal_and_its_side_files_are_private_whatever_the_umask(journal_path, intents, umask):
    old = os.umask(umask)
    try:
        with SqliteJournal(journal_path) as journal:
            asyncio.run(journal.record(*intents(1)))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal_path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


@pytest.mark.parametrize("statement", ["UPDATE events SET data = '{}'", "DELETE FROM events"])
def test_events_can_be_neither_changed_nor_removed(journal_path, intents, statement):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(1)))
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            journal._store._database._connection.execute(statement)


def test_what_steers_a_terminal_comes_back_as_blanks(journal_path):
    """A journal may be a stranger's."""
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(Warned(at=1.0, message="::error::a\x1b[2Jb\nc\x00d")))
        assert journal.history() == [Warned(at=1.0, message=": :error::ab c d")]


def test_kind_key_and_time_are_there_for_whoever_asks_in_sql(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(1), RunFinished(at=2.5, exit_code=0)))
        rows = journal._store._database._connection.execute(
            "SELECT seq, data->>'kind', data->>'key', data->>'at' FROM events"
        ).fetchall()
    assert rows == [(1, "intended", "cluster/ns/release-0", 1_800_000_000.25), (2, "run_finished", None, 2.5)]


def test_a_reader_sees_commits_while_the_writer_goes_on(journal_path, intents):
    with SqliteJournal(journal_path) as journal, JournalReader(journal_path) as reader:
        asyncio.run(journal.record(*intents(2)))
        assert list(reader.events()) == intents(2)
        story = reader.events()
        next(story)
        asyncio.run(journal.record(*intents(2, start=2)))
        assert list(reader.events(after=2)) == intents(2, start=2)


def test_a_reader_tells_the_story_of_one_deployment(journal_path, intents):
    end = Finished(at=9.0, key="cluster/ns/release-1", outcome=Outcome.DEPLOYED)
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(3), end))
    with JournalReader(journal_path) as reader:
        assert reader.story("cluster/ns/release-1") == [intents(3)[1], end]


def test_a_reader_tells_how_a_run_ended(journal_path, intents):
    start, end = RunStarted(at=1.0, run="r", manifest="m"), RunFinished(at=3.0, exit_code=4)
    endings = []
    with SqliteJournal(journal_path) as journal:
        for events in ([start], intents(100), [end, Warned(at=4.0, message="late")], [start]):
            asyncio.run(journal.record(*events))
            with JournalReader(journal_path) as reader:
                endings.append(reader.ending())
    assert endings == [start, None, end, start]


def test_a_reader_goes_back_to_a_time_across_many_chunks(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(5000)))
    with JournalReader(journal_path) as reader:
        found = list(reader.backwards(since=intents(1, start=3500)[0].at))
    whole = list(reversed(intents(5000)))
    assert 1500 <= len(found) < 5000
    assert found == whole[: len(found)]


def test_a_brief_look_at_a_closed_journal_leaves_no_file_beside_it(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(1)))
    with JournalReader(journal_path, brief=True) as reader:
        assert list(reader.events()) == intents(1)
        assert [path.name for path in journal_path.parent.iterdir()] == ["journal.db"]


def test_a_brief_look_at_a_written_journal_sees_its_log_too(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(1)))
        with JournalReader(journal_path, brief=True) as reader:
            assert list(reader.events()) == intents(1)


def test_a_journal_whose_process_died_at_birth_is_empty(journal_path):
    journal_path.touch()
    with JournalReader(journal_path) as reader:
        assert list(reader.events()) == []
        assert reader.ending() is None
        assert list(reader.backwards(since=0.0)) == []
    with SqliteJournal(journal_path) as journal:
        assert journal.history() == []


def test_a_missing_journal_is_said_to_be_missing(journal_path):
    with pytest.raises(JournalError, match=r"cannot open .*journal\.db: No such file or directory"):
        JournalReader(journal_path)


def test_a_folder_that_is_gone_is_said_to_be_gone(tmp_path):
    with pytest.raises(JournalError, match=r"cannot open .*No such file"):
        SqliteJournal(tmp_path / "gone" / "journal.db")


def test_a_file_that_is_no_journal_is_refused_with_advice(journal_path):
    journal_path.write_bytes(b"not a database, but some text that is long enough to be one" * 99)
    with pytest.raises(JournalError, match=r"^cannot open .*journal\.db: the file is damaged .*start a new run"):
        SqliteJournal(journal_path)


def test_a_journal_cut_in_half_is_refused_with_advice(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(2000)))
    os.truncate(journal_path, journal_path.stat().st_size // 2)
    for open_it in (SqliteJournal, lambda path: list(JournalReader(path).events())):
        with pytest.raises(JournalError, match=r"the file is damaged .*start a new run") as caught:
            open_it(journal_path)
        assert "\n" not in str(caught.value)


def test_a_page_lost_in_the_middle_is_noticed_before_anything_is_added(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(2000)))
    with journal_path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(bytes(4096))
    with pytest.raises(JournalError, match=r"cannot use .*journal\.db: the file is damaged \(.*start a new run"):
        SqliteJournal(journal_path)


def test_an_emptied_journal_beside_its_log_is_refused_and_the_log_is_kept(journal_path, intents, tmp_path):
    with SqliteJournal(journal_path) as journal:
        asyncio.run(journal.record(*intents(5)))
        log = journal_path.with_name("journal.db-wal").read_bytes()
    journal_path.write_bytes(b"")
    journal_path.with_name("journal.db-wal").write_bytes(log)
    with pytest.raises(JournalError, match="damaged"):
        SqliteJournal(journal_path)
    assert journal_path.with_name("journal.db-wal").read_bytes() == log


def test_an_event_of_a_newer_version_is_named_with_advice(journal_path):
    with SqliteJournal(journal_path) as journal:
        journal._store._database._connection.execute(
            """INSERT INTO events (data) VALUES ('{"kind":"beamed","at":1}')"""
        )
        with pytest.raises(JournalError, match=r"cannot read event 1 of .*beamed.*upgrade"):
            journal.history()


def test_a_schema_of_a_newer_version_is_refused_with_advice(journal_path):
    with SqliteJournal(journal_path) as journal:
        journal._store._database._connection.execute("PRAGMA user_version=99")
    for open_it in (SqliteJournal, JournalReader):
        with pytest.raises(JournalError, match=r"version 99.*upgrade batch-deployer"):
            open_it(journal_path)


def test_fields_that_a_later_version_adds_are_passed_over(journal_path):
    with SqliteJournal(journal_path) as journal:
        row = '{"kind":"warned","at":1,"message":"m","colour":"red"}'
        journal._store._database._connection.execute("INSERT INTO events (data) VALUES (?)", (row,))
        assert journal.history() == [Warned(at=1.0, message="m")]


def test_a_writer_whose_loop_is_gone_still_ends(journal_path, intents):
    async def cut_short(journal):
        go, begun = hold_back(journal)
        task = asyncio.ensure_future(journal.record(*intents(1)))
        await handed_over()
        begun.wait()
        task.cancel()
        return go

    journal = SqliteJournal(journal_path)
    go = asyncio.run(cut_short(journal))
    go.set()
    journal.close()
    assert journal.history() == intents(1)


def test_a_bug_in_the_writer_reaches_whoever_waits(journal_path, intents, monkeypatch):
    monkeypatch.setattr("batch_deployer.state.journal.writer.join", lambda rows: 1 / 0)
    with SqliteJournal(journal_path) as journal, pytest.raises(JournalError, match="ZeroDivisionError"):
        asyncio.run(journal.record(*intents(1)))


def test_notes_wait_for_a_commit_that_somebody_waits_for(journal_path, intents):
    async def write(journal):
        sizes = batches_of(journal)
        for event in intents(20):
            journal.note(event)
        await handed_over()
        assert sizes == []
        await journal.record(*intents(1, start=20))
        return sizes

    with SqliteJournal(journal_path) as journal:
        assert asyncio.run(write(journal)) == [21]


def test_notes_that_nobody_follows_are_committed_all_the_same(journal_path, intents, monkeypatch):
    monkeypatch.setattr("batch_deployer.state.journal.sqlite.LINGER", 0.001)

    async def write(journal):
        written = asyncio.Event()
        loop, append = asyncio.get_running_loop(), journal._store.append

        def told(rows):
            journal._store.append = append
            loop.call_soon_threadsafe(written.set)
            return append(rows)

        journal._store.append = told
        journal.note(*intents(3))
        await written.wait()

    with SqliteJournal(journal_path) as journal:
        asyncio.run(write(journal))
