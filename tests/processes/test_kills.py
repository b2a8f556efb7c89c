"""Runners that are killed, run out of disk, or lose the end of their journal to a power cut, and are resumed."""

import random
import signal
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

SAMPLE = range(12)
"""Each of the six moments twice; tests/soak/kills.py goes through hundreds."""


@pytest.mark.slow
def test_killed_runners_end_as_if_undisturbed_and_write_nothing_twice(ordeal):
    with ThreadPoolExecutor(4) as pool:
        findings = dict(zip(SAMPLE, pool.map(ordeal.ordeal, SAMPLE), strict=True))
    bad = [f"{line} (tests/soak/kills.py --seed {seed})" for seed in SAMPLE for line in findings[seed].bad]
    assert not bad, "\n".join(bad)
    assert all(found.kills for found in findings.values())


def commits(log):
    """Offsets at which the commits of a write-ahead log end."""
    size = struct.unpack(">I", log[8:12])[0] + 24
    frames = range(32, len(log) - size + 1, size)
    return [start + size for start in frames if struct.unpack(">I", log[start + 4 : start + 8])[0]]


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["the last commit", "half of them", "everything"])
def test_a_run_whose_last_commits_were_lost_to_a_power_cut_is_resumed(make_stage, ordeal, lost):
    stage = make_stage(0, ordeal.CALM)
    assert stage.run(at="replied:9") == -signal.SIGKILL
    path = stage.state / "runs/it/journal.db-wal"
    log = path.read_bytes()
    ends = commits(log)
    kept = {"the last commit": ends[-2], "half of them": ends[len(ends) // 2], "everything": 0}[lost]
    tear = random.Random(lost).randrange(1, 4000)
    path.write_bytes(log[: kept + tear])
    assert stage.resume() == 0, stage.said[-1]
    assert "the journal may lack its last events (its log is cut off)" in stage.said[-1]
    ledger = stage.provider.ledger()
    assert ledger["duplicates"] == []
    assert len(ledger["creates"]) == 10
    assert set(ledger["creates"].values()) == {1}
    assert sorted(ledger["upgrades"].values()) == [[2], [2]]
    outcomes = stage.outcomes()
    assert len(outcomes) == len(dict(outcomes)) == 12
    assert set(dict(outcomes).values()) <= {"deployed", "unchanged"}


@pytest.mark.slow
def test_a_full_disk_ends_the_run_in_one_line_with_a_report_and_resume_goes_on(stage):
    assert stage.run(limit=60_000) == 1
    out, err = stage.said
    why = "the disk does not take or give the data (disk I/O error); check it and its quota, then resume the run"
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: cannot write {stage.state}/runs/it/journal.db: {why}"]
    assert out.startswith("ordeal: ")
    assert "then resume the run" in out
    assert "  all               12\n" in out
    done = sum(stage.provider.ledger()["creates"].values())
    assert 0 < done < 10
    assert stage.resume() == 0
    ledger = stage.provider.ledger()
    assert (ledger["duplicates"], set(ledger["creates"].values()), len(ledger["creates"])) == ([], {1}, 10)
    assert set(dict(stage.outcomes()).values()) == {"deployed"}
