"""The state folder: one folder a run, and what all runs share."""

import errno
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path

import msgspec

from batch_deployer.errors import InputError, JournalError, LockHeld
from batch_deployer.rules.recent_writes import arrivals
from batch_deployer.rules.wall_clock import set_ahead_since
from batch_deployer.state import group_access
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.learned import SharedState
from batch_deployer.state.lock.lease_files import Leases, new_lease
from batch_deployer.state.lock.process import is_alive, now, this_host
from batch_deployer.state.run_dir import RunDir, RunInfo, RunMeta, RunState
from batch_deployer.state.secret_digests import ValueDigests
from batch_deployer.util import files

_ALWAYS_READ = 8
"""Newest runs whose journals are read for recent writes whatever the times of their files: a set clock falsifies those."""
_KEPT_NUMBERS = 1000
"""More than can be taken while one run is put in place."""
_NUMBER = re.compile(r"[0-9]{8,12}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class StateDir:
    """A folder 0700 with files 0600. InputError when it cannot be used.

    `write`: it will be written and what is in it will be believed, so it is made when absent, tried at once, and refused
    where another user may have put something into it; else it is only looked at. `group`: id of a group that is to read
    the runs and their reports, and to steer live runs.
    """

    def __init__(self, path: Path, *, write: bool = True, group: int | None = None) -> None:
        self.path = path
        self.shared = SharedState(path / "state.db")
        """Learned paces and install durations."""
        self.value_digest = ValueDigests(path / "key")
        """Keyed digest of values, the same for all runs of this folder."""
        self.locks_path = path / "locks"
        """For RunLock."""
        self._leases = Leases(self.locks_path)
        self._runs = path / "runs"
        self._numbers = path / "numbers"
        if write:
            with self._usable():
                self._set_up(group)

    def create_run(
        self, run_id: str, plan_text: str, meta: RunMeta, *, scopes: Mapping[str, str] | None = None
    ) -> RunDir:
        """Put a new run's folder in place, durably and whole. InputError when the id is taken or cannot be a folder's name.

        `scopes`: cluster id to the scope whose limits its writes count against (see `recent_writes`).
        """
        if not _RUN_ID.fullmatch(run_id) or run_id == "latest":
            raise InputError(
                f"{run_id!r} cannot be a run's id: use letters, digits, dots, dashes, underscores; not `latest`"
            )
        path = self._runs / run_id
        with self._usable():
            draft = Path(tempfile.mkdtemp(prefix=".new-", dir=self._runs))
            try:
                meta = msgspec.structs.replace(meta, number=self._next_number())
                draft.chmod(files.folder_mode(self._runs))
                files.write(draft / "plan.json", plan_text, folder=False)
                files.write(draft / "scopes.json", msgspec.json.encode(dict(scopes or {})).decode(), folder=False)
                files.write(draft / "run.json", msgspec.json.encode(meta).decode())
                if files.is_shared(draft):  # the group cannot make files there
                    files.touch(draft / "control")
                if path.exists():
                    raise InputError(f"run {run_id} is there already; choose another --run-id, or resume it")
                draft.rename(path)
                files.sync(self._runs)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return RunDir(id=run_id, path=path, meta=meta)

    def open_run(self, ref: str) -> RunDir:
        """The run named by its id, a prefix that only it has, `latest`, or a manifest's name (its latest run).

        InputError, with what may have been meant, when there is none or several. JournalError when it cannot be read.
        """
        runs = {run.id: run for run in self._folders()}
        if ref not in runs:
            self._refuse_damaged()  # it may be the one that is meant
        if not runs:
            raise InputError(f"there is no run in {self.path} yet")
        if ref in runs:
            return runs[ref]
        fitting = [run for run in runs.values() if ref in ("latest", run.meta.manifest)]
        if fitting:
            return fitting[-1]
        fitting = [run for run in runs.values() if ref and run.id.startswith(ref)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            some = ", ".join(run.id for run in fitting[-5:])
            raise InputError(
                f"{ref!r} is the beginning of {len(fitting)} runs; write more of it, for example of: {some}"
            )
        names = {*runs, *(run.meta.manifest for run in runs.values())}
        near = get_close_matches(ref, sorted(names), n=3, cutoff=0.5) or ["latest"]
        raise InputError(f"there is no run {ref!r} in {self.path}; did you mean {' or '.join(near)}?")

    def runs(self) -> Sequence[RunInfo]:
        """All runs, oldest first."""
        live = self._leases.live_runs()
        return [run.info(live=run.id in live) for run in self._folders()]

    def is_held(self, manifest: str) -> bool:
        """Whether somebody holds the lock of a manifest, so that nobody else may run it. A hung holder's lease runs out."""
        held = self._leases.current(manifest)
        return held is not None and not held.free(this_host(), now(), is_alive)

    def last_holder(self, manifest: str) -> str:
        """Id of the run that holds a manifest's lock, or held it last; empty when none ever did."""
        held = self._leases.current(manifest)
        return held.run if held is not None else ""

    def prune(self, older_than: float, *, now: float) -> Sequence[RunInfo]:
        """Remove finished runs that started more than `older_than` seconds before the wall time `now`, and say which.

        A run that did not finish stays, since it may be resumed, and so does the newest run of a manifest. A clock that
        was wrong when a run started, or is wrong now, makes none of these go: order follows numbers, and a run is no older
        than those before it.
        """
        runs = self.runs()
        newest = {run.manifest: run.id for run in runs}
        starts = accumulate((run.started for run in runs), max)
        gone = [
            run
            for run, start in zip(runs, starts, strict=True)
            if start < now - older_than and run.state is RunState.FINISHED and newest[run.manifest] != run.id
        ]
        removed: set[str] = set()
        with self._usable():
            for manifest in sorted({run.manifest for run in gone}):
                with suppress(LockHeld), self._quiet(manifest) as live:
                    for run in gone:
                        if run.manifest == manifest and run.id not in live:
                            # Out of sight at once, so that a half-removed run is never listed.
                            (self._runs / run.id).rename(self._runs / f".gone-{run.id}")
                            removed.add(run.id)
            for grave in self._runs.glob(".gone-*"):
                shutil.rmtree(grave)
        return [run for run in gone if run.id in removed]

    def recent_writes(self, scope: str, since: float) -> Sequence[float]:
        """Wall times, at or after `since`, until which writes of any run here within a scope may have arrived, sorted.

        Infinity: no answer is noted. Taken from the journals' intents, which are there whatever ended the run. A clock that
        was set ahead since makes writes younger than they look. Only journals that were touched since, and those of the
        last runs by number, are opened.
        """
        times: list[float] = []
        folders = self._folders()
        newest = {run.id for run in folders[-_ALWAYS_READ:]}
        for run in folders:
            if run.id not in newest and _touched(run.journal_path) < since:
                continue
            scopes = run.scopes()
            try:
                with JournalReader(run.journal_path) as reader:
                    ahead = set_ahead_since(reader.clock_events(), this_host().boot, time.time() - time.monotonic())
                    found = list(arrivals(reader.backwards(since - ahead)))
            except JournalError:
                continue  # another run's damaged journal is no reason not to run
            times += (
                until + ahead
                for intent, until in found
                if (until if until < math.inf else intent.at) + ahead >= since
                and scopes.get(intent.key.partition("/")[0]) == scope
            )
        return sorted(times)

    def _next_number(self) -> int:
        """A number that no other run has or had, one above the highest. To take it is to make a file of that name."""
        taken = {int(path.name): path for path in self._numbers.iterdir() if _NUMBER.fullmatch(path.name)}
        number = max((*taken, *(run.meta.number for run in self._folders())), default=0) + 1
        while True:
            try:
                os.close(os.open(self._numbers / f"{number:08d}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                files.sync(self._numbers)
                break
            except FileExistsError:  # another run was faster
                number += 1
        for old, path in taken.items():
            if old < number - _KEPT_NUMBERS:  # the last ones stay: they count on when all runs were removed
                path.unlink(missing_ok=True)
        return number

    def _folders(self) -> Sequence[RunDir]:
        """All runs in the order in which they were made, whatever the clock said."""
        found = []
        for path in self._runs.iterdir() if self._runs.is_dir() else ():
            if not path.name.startswith("."):  # no draft, no grave
                with suppress(JournalError):
                    found.append(RunDir.read(path))
        return sorted(found, key=lambda run: (run.meta.number, run.meta.started, run.id))

    def _refuse_damaged(self) -> None:
        """Raise JournalError for a run whose `run.json` cannot be read."""
        for path in sorted(self._runs.iterdir()) if self._runs.is_dir() else ():
            if not path.name.startswith(".") and (path / "run.json").exists():
                RunDir.read(path)

    @contextmanager
    def _quiet(self, manifest: str) -> Iterator[frozenset[str]]:
        """Ids of live runs, while no run of a manifest can be taken up: its lock is held, by a live run or by us."""
        held = self._leases.current(manifest)
        if held is not None and held.present(this_host(), now(), is_alive):
            yield frozenset({held.run})
            return
        mine = self._leases.take(new_lease(manifest, "prune", 60.0, now()))
        try:
            yield frozenset()
        finally:
            self._leases.release(mine)

    def _set_up(self, group: int | None) -> None:
        for folder in (self.path, self._runs, self._numbers, self.locks_path):
            with suppress(FileExistsError):  # by another process just now, at the latest
                files.make_folder(folder)
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            found = folder.stat()
            if found.st_uid == os.geteuid() and not any(folder.iterdir()):
                # Made for us, so closed to others; a folder with other things in it keeps its mode.
                folder.chmod(found.st_mode & 0o700)
            self._refuse(files.distrust(folder, may_link=folder == self.path))
        for folder in (self.path, self._runs, self._numbers, self.locks_path):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):  # removed by another process just now
                    self._refuse(files.distrust(path))
        if group is not None:
            self._share(group)
        # A trial: the mode bits do not tell about read-only file systems, quotas or foreign owners.
        handle, name = tempfile.mkstemp(prefix=".try-", dir=self._runs)
        os.close(handle)
        Path(name).unlink()

    def _share(self, group: int) -> None:
        """Let a group read the runs that are there and those to come."""
        for folder in (self.path, self._runs, self.locks_path):
            group_access.share_folder(folder, group)
        for folder in (self._runs, self.locks_path):
            for path in folder.iterdir():
                # Drafts of other processes, graves and foreign files are left alone.
                if path.is_dir() and not path.name.startswith("."):
                    group_access.share_tree(path, group)
        for run in self._folders():
            files.touch(run.control_path)

    def _refuse(self, problem: str) -> None:
        if problem:
            raise InputError(f"cannot use the state folder {self.path}: {problem}")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot use the state folder {self.path}: {error.strerror or error}; "
                "make it a writable folder or choose another with --state-dir"
            ) from error


def _touched(journal: Path) -> float:
    """When a journal or its log was last written, seconds since the epoch; 0 when there is none."""
    times = [0.0]
    for path in (journal, journal.with_name(journal.name + "-wal")):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)
