"""What runs learn from each other."""

import threading

import pytest

from batch_deployer.errors import JournalError
from batch_deployer.state.learned import SharedState


@pytest.fixture
def shared(tmp_path):
    return SharedState(tmp_path / "state.db")


def test_a_learned_pace_is_there_for_the_next_run_and_the_last_one_counts(shared):
    shared.save_learned({("de", "writes"): 0.2}, {})
    shared.save_learned({("de", "reads"): 5.0}, {})
    shared.save_learned({("de", "writes"): 0.1}, {})
    assert SharedState(shared.path).load_rates() == {("de", "writes"): 0.1, ("de", "reads"): 5.0}


def test_looking_where_nothing_was_learned_makes_nothing(shared):
    assert (shared.load_rates(), shared.durations()) == ({}, {})
    assert not shared.path.exists()


def test_what_was_learned_can_be_looked_at_where_nothing_may_be_written(shared, monkeypatch):
    shared.save_learned({("de", "writes"): 0.2}, {})
    monkeypatch.setattr("os.access", lambda path, how: False)
    shared.path.chmod(0o400)
    shared.path.parent.chmod(0o500)
    assert (shared.load_rates(), shared.durations()) == ({("de", "writes"): 0.2}, {})
    shared.path.parent.chmod(0o700)


def test_the_latest_two_hundred_durations_of_each_chart_are_kept_in_order(shared):
    shared.save_learned({}, {"a": [float(n) for n in range(150)], "b": [1.5]})
    shared.save_learned({}, {"a": [float(n) for n in range(150, 250)], "c": []})
    assert shared.durations() == {"a": [float(n) for n in range(50, 250)], "b": [1.5]}


def test_a_new_file_is_set_up_once_by_whoever_is_first(shared):
    failures = []

    def save(number):
        try:
            shared.save_learned({("de", str(number)): 1.0}, {})
        except JournalError as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(shared.load_rates()) == 8


def test_a_transaction_that_fails_leaves_nothing(shared):
    with pytest.raises(TypeError):
        shared.save_learned({}, {"a": [1.0], "b": [object()]})
    assert shared.durations() == {}


def test_a_damaged_file_is_one_clear_line(shared):
    shared.path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(JournalError, match=r"cannot open .*state\.db: the file is damaged"):
        shared.load_rates()
