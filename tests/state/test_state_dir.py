"""The state folder: private, whole, findable, and tidy."""

import asyncio
import math
import os
import stat
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from batch_deployer.errors import InputError, JournalError
from batch_deployer.model.deployment import Operation
from batch_deployer.model.events import Accepted, Intended, RunFinished, RunStarted, Warned
from batch_deployer.settings import LeaseSettings
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.state.lock.process import this_host
from batch_deployer.state.lock.run_lock import RunLock
from batch_deployer.state.run_dir import RunMeta, RunState, new_run_id
from batch_deployer.state.state_dir import StateDir

DAY = 86_400.0
NOW = 1_800_000_000.0


@pytest.fixture
def state(tmp_path):
    return StateDir(tmp_path / "state")


@pytest.fixture
def add(state):
    """`add("id", "manifest", days_ago, exit_code)`: a run; None: killed after its start, "none": no journal."""

    def make(run_id, manifest="nightly", days_ago=0.0, exit_code=0):
        started = NOW - days_ago * DAY
        run = state.create_run(run_id, "{}", RunMeta(manifest=manifest, started=started))
        if exit_code != "none":
            with SqliteJournal(run.journal_path, inline=True) as journal:
                journal.note(RunStarted(at=started, run=run_id, manifest=manifest))
                if exit_code is not None:
                    journal.note(RunFinished(at=started, exit_code=exit_code))
        return run

    return make


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everything_in_the_folder_is_private_whatever_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        state = StateDir(tmp_path / "a" / "state")
        run = state.create_run("r", "{}", RunMeta(manifest="m", started=NOW))
        run.remember_secrets({"env:A": "x"})
        state.shared.save_learned({("de", "writes"): 0.1}, {})
    finally:
        os.umask(old)
    modes = {path.relative_to(state.path).as_posix(): mode(path) for path in state.path.rglob("*")}
    assert mode(state.path) == 0o700
    assert {name: bits for name, bits in modes.items() if (state.path / name).is_dir()} == {
        "locks": 0o700,
        "numbers": 0o700,
        "runs": 0o700,
        "runs/r": 0o700,
    }
    assert {bits for name, bits in modes.items() if (state.path / name).is_file()} == {0o600}


def test_an_empty_folder_that_is_given_becomes_private(tmp_path):
    tmp_path.chmod(0o755)
    StateDir(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_folder_with_other_things_in_it_keeps_its_mode(tmp_path):
    (tmp_path / "other").touch()
    tmp_path.chmod(0o755)
    StateDir(tmp_path)
    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "runs") == 0o700


def test_a_state_folder_that_is_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "state").touch()
    with pytest.raises(InputError) as caught:
        StateDir(tmp_path / "state")
    assert str(caught.value) == (
        f"cannot use the state folder {tmp_path}/state: Not a directory; "
        "make it a writable folder or choose another with --state-dir"
    )


READ_ONLY = """
import os, sys
from pathlib import Path
from batch_deployer.errors import InputError
from batch_deployer.state.state_dir import StateDir
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    StateDir(Path(sys.argv[1]))
except InputError as error:
    print(error)
"""


def test_a_state_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path, state, add):
    add("r")
    for folder in (state.path, state.path / "runs"):
        folder.chmod(0o555)
    for parent in list(tmp_path.parents)[:3]:
        if parent.stat().st_uid == os.getuid() and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, state.path], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith(f"cannot use the state folder {state.path}: Permission denied; make it a writable")
    assert done.stdout.count("\n") == 1


def test_a_read_only_file_system_is_named_as_such(tmp_path, monkeypatch):
    def refuse(*args, **more):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(InputError, match=r"state: Read-only file system; .*--state-dir"):
        StateDir(tmp_path / "state")


def test_looking_at_a_state_folder_makes_nothing(tmp_path):
    state = StateDir(tmp_path / "state", write=False)
    assert state.runs() == []
    with pytest.raises(InputError, match=r"there is no run in .* yet"):
        state.open_run("latest")
    assert not (tmp_path / "state").exists()


def test_a_run_keeps_its_plan_and_what_is_known_of_it(state):
    meta = RunMeta(manifest="nightly", started=NOW, extra={"path": "a.yaml"})
    state.create_run("r", '{"plan": "ä"}', meta, scopes={"c": "de"})
    run = state.open_run("r")
    assert (run.plan_text(), run.meta, run.scopes()) == ('{"plan": "ä"}', replace(meta, number=1), {"c": "de"})
    assert run.journal_path.parent == run.path


def test_a_run_id_is_taken_only_once(state, add):
    add("r")
    with pytest.raises(InputError, match="run r is there already"):
        state.create_run("r", "other", RunMeta(manifest="m", started=NOW))
    assert state.open_run("r").plan_text() == "{}"
    assert [path.name for path in (state.path / "runs").iterdir()] == ["r"]


@pytest.mark.parametrize("run_id", ["", "..", "a/b", ".hidden", "latest", "a b", "x" * 129, "-r"])
def test_an_id_that_is_no_safe_folder_name_is_refused(state, run_id):
    with pytest.raises(InputError, match="cannot be a run's id"):
        state.create_run(run_id, "{}", RunMeta(manifest="m", started=NOW))


def test_a_run_that_could_not_be_written_whole_is_not_there(state, monkeypatch):
    def refuse(path):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("batch_deployer.util.files.sync", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        state.create_run("r", "{}", RunMeta(manifest="m", started=NOW))
    assert list((state.path / "runs").iterdir()) == []


def test_a_lost_plan_is_said_to_be_lost(state, add):
    run = add("r")
    run.plan_path.unlink()
    with pytest.raises(JournalError, match=r"cannot read .*plan\.json"):
        run.plan_text()


def test_run_ids_sort_by_time_and_are_safe_folder_names(state):
    first = new_run_id("nightly", 1_795_471_200.0, 0.0)
    second = new_run_id("näch/tlich ..", 1_795_471_201.0, 0.99999)
    assert first == "20261123T220000Z-nightly-0000"
    assert second == "20261123T220001Z-n-ch-tlich-ffff"
    for run_id in (first, second, new_run_id("/", 0.0, 0.5)):
        state.create_run(run_id, "{}", RunMeta(manifest="m", started=NOW))


def test_a_run_is_found_by_id_prefix_latest_or_manifest(state, add):
    add("20260101-a-1", "alpha", 3)
    add("20260102-b-1", "beta", 2)
    add("20260103-a-2", "alpha", 1)
    found = {ref: state.open_run(ref).id for ref in ("20260101-a-1", "20260102", "latest", "alpha", "beta")}
    assert found == {
        "20260101-a-1": "20260101-a-1",
        "20260102": "20260102-b-1",
        "latest": "20260103-a-2",
        "alpha": "20260103-a-2",
        "beta": "20260102-b-1",
    }


def test_an_ambiguous_prefix_lists_what_it_may_mean(state, add):
    add("20260101-a-1")
    add("20260101-b-1")
    with pytest.raises(InputError, match=r"beginning of 2 runs; .*20260101-a-1, 20260101-b-1"):
        state.open_run("2026")


@pytest.mark.parametrize(("ref", "meant"), [("nightli", "nightly"), ("20260101-a-2", "20260101-a-1"), ("", "latest")])
def test_an_unknown_run_suggests_what_may_be_meant(state, add, ref, meant):
    add("20260101-a-1")
    with pytest.raises(InputError, match=f"there is no run '{ref}' in .*; did you mean {meant}"):
        state.open_run(ref)


def test_the_list_of_runs_says_how_each_stands(state, add):
    add("a", days_ago=6)
    add("b", days_ago=5, exit_code=4)
    add("c", days_ago=4, exit_code=130)
    add("d", days_ago=3, exit_code=None)
    add("e", days_ago=2, exit_code="none")
    add("f", days_ago=1).journal_path.write_bytes(b"rubbish" * 1000)
    assert [(run.id, run.state, run.exit_code) for run in state.runs()] == [
        ("a", RunState.FINISHED, 0),
        ("b", RunState.FINISHED, 4),
        ("c", RunState.INTERRUPTED, 130),
        ("d", RunState.KILLED, None),
        ("e", RunState.KILLED, None),
        ("f", RunState.DAMAGED, None),
    ]


async def _states_while_held(state, name, run_id):
    async with RunLock(state.locks_path, name, run_id, LeaseSettings(), 60.0).hold():
        return {run.id: run.state for run in state.runs()}


def test_a_run_whose_process_holds_the_lock_is_live_and_killed_when_it_does_not(state, add):
    add("a", exit_code=None)
    assert asyncio.run(_states_while_held(state, "nightly", "a")) == {"a": RunState.LIVE}
    assert [run.state for run in state.runs()] == [RunState.KILLED]


def test_pruning_removes_old_finished_runs_but_the_newest(state, add):
    add("old-killed", days_ago=200, exit_code=None)
    add("old-done", days_ago=100)
    add("new-done", days_ago=1)
    add("other-done", "other", 100)
    add("stuck-old", "stuck", 101)
    add("stuck-killed", "stuck", 100, exit_code=None)
    gone = state.prune(0.5 * DAY, now=NOW)
    assert [run.id for run in gone] == ["old-done", "stuck-old"]
    assert state.prune(0.5 * DAY, now=NOW + 400 * DAY) == []
    left = ["old-killed", "new-done", "other-done", "stuck-killed"]
    assert [run.id for run in state.runs()] == left
    assert sorted(path.name for path in (state.path / "runs").iterdir()) == sorted(left)


def test_a_run_is_no_older_than_those_before_it(state, add):
    add("a", days_ago=1)
    add("without-a-clock", days_ago=20_000)
    add("c", days_ago=0)
    assert state.prune(90 * DAY, now=NOW) == []


def test_pruning_spares_a_live_run_however_old(state, add):
    add("long", days_ago=100)
    add("gone", days_ago=99)
    add("newest", days_ago=98)

    async def prune_while_held():
        async with RunLock(state.locks_path, "nightly", "long", LeaseSettings(), 60.0).hold():
            return state.prune(DAY, now=NOW)

    assert [run.id for run in asyncio.run(prune_while_held())] == ["gone"]
    assert [run.id for run in state.runs()] == ["long", "newest"]


def test_recent_writes_come_from_the_journals_of_all_runs_by_scope(state):
    for number, (manifest, scope) in enumerate([("a", "de"), ("b", "de"), ("c", "nl")]):
        run = state.create_run(
            f"r{number}", "{}", RunMeta(manifest=manifest, started=NOW), scopes={"c-1": scope, "c-2": "other"}
        )
        with SqliteJournal(run.journal_path, inline=True) as journal:
            for age in (90.0, 30.0 - number):
                for cluster in ("c-1", "c-2"):
                    key = f"{cluster}/ns/x-{age}"
                    journal.note(Intended(at=NOW - age - 2, key=key, operation=Operation.CREATE, attempt=1))
                    journal.note(Accepted(at=NOW - age, key=key, operation=Operation.CREATE))
        os.utime(run.journal_path, (NOW, NOW))
    assert state.recent_writes("de", NOW - 60) == [NOW - 30, NOW - 29]
    assert state.recent_writes("nl", NOW - 60) == [NOW - 28]
    assert state.recent_writes("elsewhere", NOW - 60) == []


def test_a_write_without_an_answer_may_have_left_until_now_unless_its_intent_is_old(state):
    run = state.create_run("r", "{}", RunMeta(manifest="m", started=NOW), scopes={"c": "de"})
    with SqliteJournal(run.journal_path, inline=True) as journal:
        for age in (70.0, 50.0):
            journal.note(Intended(at=NOW - age, key=f"c/ns/x-{age}", operation=Operation.CREATE, attempt=1))
    os.utime(run.journal_path, (NOW, NOW))
    assert state.recent_writes("de", NOW - 60) == [math.inf]


def test_recent_writes_do_not_open_old_journals_that_were_not_touched_since(state, add, monkeypatch):
    old = add("old")
    for number in range(8):
        add(f"newer-{number}")
    os.utime(old.journal_path, (NOW - 100, NOW - 100))
    opened = []

    class Reader(JournalReader):
        def __init__(self, path, **more):
            opened.append(path)
            super().__init__(path, **more)

    monkeypatch.setattr("batch_deployer.state.state_dir.JournalReader", Reader)
    assert state.recent_writes("de", NOW - 60) == []
    assert old.journal_path not in opened
    assert len(opened) == 8


@pytest.mark.parametrize("hours", [1, 24, -1])
@pytest.mark.parametrize("announced", [False, True])
def test_a_clock_that_was_set_since_makes_no_recent_write_old(state, hours, announced):
    """A write 20 s ago; its clock was behind by so many hours, and was set right while the run went on or afterwards."""
    run = state.create_run("r", "{}", RunMeta(manifest="m", started=NOW), scopes={"c": "de"})
    now, behind = time.time(), hours * 3600
    begun = {"run": "r", "manifest": "m", "boot": this_host().boot, "monotonic": time.monotonic() - 30}
    with SqliteJournal(run.journal_path, inline=True) as journal:
        journal.note(RunStarted(at=now - 30 - behind, **begun))
        journal.note(Intended(at=now - 21 - behind, key="c/ns/x", operation=Operation.CREATE, attempt=1))
        journal.note(Accepted(at=now - 20 - behind, key="c/ns/x", operation=Operation.CREATE))
        if announced:
            journal.note(Warned(at=now - 10, message="set", clock_step=float(behind)))
    os.utime(run.journal_path, (now - 20 - behind,) * 2)
    recent = state.recent_writes("de", now - 60)
    assert len(recent) == 1
    assert recent[0] >= now - 21


def test_a_damaged_journal_of_another_run_does_not_hide_recent_writes(state, add):
    add("bad").journal_path.write_bytes(b"rubbish" * 1000)
    assert state.recent_writes("de", 0.0) == []


def test_changed_secrets_are_noticed_and_never_kept(state, add):
    run = add("r")
    run.remember_secrets({"env:A": "swordfish", "env:B": "same"})
    run.remember_secrets({"env:C": "swordfish"})
    texts = {"env:A": "tuna", "env:B": "same", "env:C": "swordfish", "env:NEW": "x"}
    assert run.changed_secrets(texts) == ("env:A",)
    stored = (run.path / "secrets.json").read_text()
    assert "swordfish" not in stored
    digests = stored.split('"')
    assert len([part for part in digests if len(part) == 128]) == len({part for part in digests if len(part) == 128})


def test_equal_secrets_have_different_digests_in_different_runs(add):
    stored = []
    for name in ("a", "b"):
        run = add(name)
        run.remember_secrets({"env:A": "swordfish"})
        stored.append((run.path / "secrets.json").read_text().split('"')[-2])
    assert stored[0] != stored[1]


def test_nothing_counts_as_changed_when_nothing_was_remembered(add):
    assert add("r").changed_secrets({"env:A": "x"}) == ()


class TestOwner:
    """What another user may have put into a state folder is refused by every command that would believe it."""

    @pytest.fixture
    def folder(self, tmp_path):
        StateDir(tmp_path / "state").create_run("a", "{}", RunMeta(manifest="m", started=0.0))
        (tmp_path / "state" / "locks" / "old").mkdir()  # an empty folder of ours is closed without a word
        return tmp_path / "state"

    @pytest.fixture
    def give_away(self, monkeypatch):
        """Make a path another user's: in truth where this is root, else by becoming somebody else."""

        def give(path):
            if os.geteuid() == 0:
                os.chown(path, 65534, -1, follow_symlinks=False)
            else:
                monkeypatch.setattr(os, "geteuid", lambda: 65534)

        return give

    @pytest.mark.parametrize("name", ["", "runs", "runs/a", "locks", "numbers", "numbers/00000001"])
    def test_what_belongs_to_another_user_is_refused(self, folder, give_away, name):
        give_away(folder / name)
        with pytest.raises(InputError, match=r"belongs to user .*chown"):
            StateDir(folder)
        assert [run.id for run in StateDir(folder, write=False).runs()] == ["a"], "it can still be looked at"

    @pytest.mark.parametrize("name", ["", "runs", "runs/a", "locks", "numbers"])
    @pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702])
    def test_what_others_may_write_is_refused(self, folder, name, mode):
        (folder / name).chmod(mode)
        with pytest.raises(InputError, match=rf"mode {mode:04o}.*chmod go-w"):
            StateDir(folder)

    def test_a_volume_of_kubernetes_is_accepted(self, folder):
        """fsGroup gives the group write access and sets the setgid bit, on every folder and file."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, -1, os.getegid())
            path.chmod(0o2770 if path.is_dir() else 0o660)
        StateDir(folder).create_run("b", "{}", RunMeta(manifest="m", started=0.0))

    @pytest.mark.parametrize("name", ["runs", "locks", "numbers", "runs/a", "state.db", "key"])
    def test_a_link_in_it_is_refused(self, folder, tmp_path, name):
        elsewhere = tmp_path / "elsewhere"
        if (folder / name).exists():
            (folder / name).rename(elsewhere)
        (folder / name).symlink_to(elsewhere)
        with pytest.raises(InputError, match=f"{name} is a symbolic link"):
            StateDir(folder)

    def test_the_folder_itself_may_be_a_link(self, folder, tmp_path):
        (tmp_path / "link").symlink_to(folder)
        assert StateDir(tmp_path / "link").open_run("latest").id == "a"

    def test_parents_are_closed_whatever_the_umask(self, tmp_path):
        old = os.umask(0)
        try:
            StateDir(tmp_path / "a" / "b" / "state")
        finally:
            os.umask(old)
        modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/state")]
        assert modes == [0o755, 0o755, 0o700]
