"""What is left when the writer dies or its disk does: all that was promised, in order, and no half batch."""

import asyncio
import random
import shutil

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.journal.sqlite import SqliteJournal

WRITER = """
import asyncio, sys
from pathlib import Path
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.model.events import Warned

LANES, PART = 8, 3

async def lane(journal, number):
    for turn in range(1_000_000):
        # Three events that belong together; the acknowledgement leaves only when they are durable.
        events = [Warned(at=float(turn), message=f"{number}:{turn}:{part}") for part in range(PART)]
        await journal.record(*events)
        sys.stdout.write(f"{number}:{turn}\\n")
        sys.stdout.flush()

async def write():
    journal = SqliteJournal(Path(sys.argv[1]))
    await asyncio.gather(*(lane(journal, number) for number in range(LANES)))

asyncio.run(write())
"""

LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from batch_deployer.errors import JournalError
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.model.events import Warned

async def write():
    journal = SqliteJournal(Path(sys.argv[1]))
    await journal.record(Warned(at=0.0, message="first"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    acknowledged = 1
    try:
        while True:
            await journal.record(*[Warned(at=1.0, message="x" * 500)] * 7)
            acknowledged += 7
    except JournalError as error:
        print(acknowledged, error)
    try:
        await journal.record(Warned(at=2.0, message="later"))
    except JournalError as error:
        print("again", error)
    journal.close()

asyncio.run(write())
"""


def kill_after(child, lines):
    """Read that many acknowledgements, SIGKILL, and read those that had left before."""
    acknowledged = [child.stdout.readline().strip() for _ in range(lines)]
    child.kill()
    rest = child.stdout.read().split("\n")[:-1]
    child.wait()
    return acknowledged + rest


def check_story(messages, acknowledged):
    """All that was acknowledged is there, each lane in order without gaps, each record whole."""
    lanes = {}
    for message in messages:
        lane, turn, part = map(int, message.split(":"))
        lanes.setdefault(lane, []).append((turn, part))
    for parts in lanes.values():
        assert parts == [(turn, part) for turn in range(len(parts) // 3) for part in range(3)]
    whole = {f"{lane}:{turn}" for lane, parts in lanes.items() for turn, _ in parts}
    assert set(acknowledged) <= whole


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_writer_leaves_every_acknowledged_record_whole_and_in_order(python, journal_path, seed):
    lines = random.Random(seed).randint(1, 3000)
    acknowledged = kill_after(python(WRITER, journal_path), lines)
    assert len(acknowledged) >= lines
    with JournalReader(journal_path) as reader:
        read = [event.message for event in reader.events()]
    check_story(read, acknowledged)
    with SqliteJournal(journal_path) as journal:
        assert [event.message for event in journal.history()] == read


def test_a_log_torn_anywhere_gives_whole_commits_up_to_the_tear(journal_path, tmp_path, intents):
    copy = tmp_path / "copy.db"
    with SqliteJournal(journal_path) as journal:
        for number in range(40):
            asyncio.run(journal.record(*intents(5, start=5 * number)))
        log = journal_path.with_name("journal.db-wal").read_bytes()
        shutil.copyfile(journal_path, copy)
    expected = intents(200)
    draw = random.Random(11)
    lengths = set()
    for _ in range(25):
        torn = bytearray(log[: draw.randrange(len(log))])
        if draw.random() < 0.5 and len(torn) > 64:
            torn[-draw.randrange(1, 64)] ^= 0xFF
        case = tmp_path / "case.db"
        shutil.copyfile(copy, case)
        case.with_name("case.db-wal").write_bytes(torn)
        try:
            with SqliteJournal(case) as journal:
                found = journal.history()
        finally:
            for path in tmp_path.glob("case.db*"):
                path.unlink()
        assert len(found) % 5 == 0
        assert found == expected[: len(found)]
        lengths.add(len(found))
    assert len(lengths) > 5


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_acknowledged(python, journal_path):
    out, error = python(LIMITED, journal_path).communicate(timeout=60)
    assert error == ""
    first, again = out.splitlines()
    count, _, message = first.partition(" ")
    assert message.startswith(f"cannot write {journal_path}: the disk ")
    assert message.endswith("then resume the run")
    assert again == f"again {message}"
    with SqliteJournal(journal_path) as journal:
        history = journal.history()
    assert len(history) == int(count) > 7


def test_a_full_file_system_is_called_a_full_disk_with_what_to_do(journal_path, intents):
    with SqliteJournal(journal_path) as journal:
        journal._store._database._connection.execute("PRAGMA max_page_count=20")
        with pytest.raises(JournalError) as caught:
            asyncio.run(journal.record(*intents(10_000)))
    assert str(caught.value) == (f"cannot write {journal_path}: the disk is full; free some space, then resume the run")


def test_reading_does_not_hold_up_a_writer_in_another_process(python, journal_path):
    child = python(WRITER, journal_path)
    child.stdout.readline()
    counts = []
    with JournalReader(journal_path) as reader:
        while len(counts) < 3 or counts[-1] == counts[0]:
            counts.append(sum(1 for _ in reader.events()))
            child.stdout.readline()
    assert child.poll() is None
    assert sorted(counts) == counts
    acknowledged = kill_after(child, 10)
    assert len(acknowledged) >= 10
