"""Journals that may lack their last events."""

import struct

import pytest

from batch_deployer.model import events as e
from batch_deployer.state.journal.gaps import is_log_torn, lost_reads
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.state.lock.process import Host, Stamp

HERE = Host(host="h", boot="b2", space="s")
RESTARTED, CUT_OFF = "the host has restarted since", "its log is cut off"


def started(host="h", boot="b2"):
    return e.RunStarted(at=1.0, run="r", manifest="m", host=host, boot=boot)


@pytest.mark.parametrize(
    ("last", "uptime", "torn", "expected"),
    [
        (started(), 5.0, False, (0.0, "")),
        (started(), 5.0, True, (60.0, CUT_OFF)),
        (None, 5.0, False, (0.0, "")),
        (None, 5.0, True, (60.0, CUT_OFF)),
        (started(boot="b1"), 5.0, False, (55.0, RESTARTED)),
        (started(boot="b1"), 5.0, True, (55.0, RESTARTED)),
        (started(boot="b1"), 500.0, False, (0.0, RESTARTED)),
        (started("other", "b1"), 500.0, False, (60.0, RESTARTED)),
        (e.RunFinished(at=1.0, exit_code=130), 5.0, True, (0.0, "")),
    ],
)
def test_a_journal_that_broke_off_with_its_host_or_its_log_may_lack_events(last, uptime, torn, expected):
    assert lost_reads(last, HERE, Stamp(uptime, 0.0), torn=torn, staleness=60.0) == expected


def a_broken_off_log(tmp_path, write):
    """Path of a journal whose log was cut as `write` says, as a kill leaves it."""
    path = tmp_path / "journal.db"
    with SqliteJournal(tmp_path / "live.db", inline=True) as journal:
        for number in range(20):
            journal.note(e.Warned(at=float(number), message="x" * 900))
        journal._drain()
        log = (tmp_path / "live.db-wal").read_bytes()
        path.write_bytes((tmp_path / "live.db").read_bytes())
    write(path.with_name("journal.db-wal"), log)
    return path


def frame(log):
    return struct.unpack(">I", log[8:12])[0] + 24


@pytest.mark.parametrize(
    ("write", "torn"),
    [
        (lambda path, log: path.write_bytes(log), False),
        (lambda path, log: path.write_bytes(log[:-1]), True),
        (lambda path, log: path.write_bytes(log[: 32 + frame(log) + 24]), True),
        (lambda path, log: path.write_bytes(log[:20]), True),
        (lambda path, log: path.write_bytes(b""), True),
        (lambda path, log: None, True),
    ],
)
def test_a_log_that_is_gone_or_ends_within_a_frame_is_torn(tmp_path, write, torn):
    assert is_log_torn(a_broken_off_log(tmp_path, write)) is torn


def test_a_journal_that_was_never_begun_has_lost_nothing(tmp_path):
    assert not is_log_torn(tmp_path / "journal.db")
    (tmp_path / "journal.db").touch()
    assert not is_log_torn(tmp_path / "journal.db")
