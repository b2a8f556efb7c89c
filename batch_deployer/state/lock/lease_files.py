"""The leases of a state folder, without a lock that a stopped process could sit on.

Each manifest name has a folder with one file a generation; the highest generation holds. To take over is to create the next
one, which the file system permits to one only. A database would not do: a holder that is stopped in the middle of its
heartbeat's transaction would lock out everybody else, and outliving a stopped holder is what leases are for.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from batch_deployer.errors import JournalError, LockHeld
from batch_deployer.state.lock.lease import Lease
from batch_deployer.state.lock.process import Stamp, is_alive, now, start_time, this_host
from batch_deployer.util import files

_FILE = re.compile(r"\d{8}\.json")
_LARGEST = 64 * 1024


class Leases:
    """All leases under one folder. JournalError when the folder cannot be used."""

    def __init__(self, path: Path, clock: Callable[[], Stamp] = now) -> None:
        self.path = path
        self.clock = clock

    def current(self, name: str) -> Lease | None:
        """The last lease on a manifest's name, whether still good or not."""
        with self._explained(name):
            return self._read(self._folder(name))

    def take(self, wanted: Lease) -> Lease:
        """The lease as taken, renewed now, in place of none or of one that is free. LockHeld when one stands in the way."""
        folder = self._folder(wanted.name)
        with self._explained(wanted.name):
            with suppress(FileExistsError):
                files.make_folder(folder)
            while True:
                held = self._read(folder)
                now = self.clock()
                if held is not None and not held.free(this_host(), now, is_alive):
                    raise LockHeld(str(held))
                generation = held.generation + 1 if held is not None else 1
                mine = msgspec.structs.replace(wanted, generation=generation, since=now.wall, renewed=now)
                if _claim(folder, mine):
                    return mine

    def renew(self, mine: Lease) -> Lease | None:
        """The lease as renewed now; None when somebody else has taken over.

        A beat counts only if it was done before the lease had run out: whoever looked later has seen it. A late one may
        have been overlooked, so it has to take over from itself, which fails if another was faster.
        """
        folder = self._folder(mine.name)
        with self._explained(mine.name):
            now = self.clock()
            renewed = msgspec.structs.replace(mine, renewed=now)
            if _latest(folder) != mine.generation:
                return None
            if not mine.expired(this_host(), now):
                files.write(_file(folder, mine.generation), _text(renewed))
                if not mine.expired(this_host(), self.clock()):
                    return renewed
            renewed = msgspec.structs.replace(renewed, generation=mine.generation + 1)
            return renewed if _claim(folder, renewed) else None

    def file(self, mine: Lease) -> Path:
        """The file of a lease that is held."""
        return _file(self._folder(mine.name), mine.generation)

    def release(self, mine: Lease) -> None:
        """Give a lease back; nothing changes when somebody else has taken over."""
        with self._explained(mine.name):
            folder = self._folder(mine.name)
            files.write(_file(folder, mine.generation), _text(msgspec.structs.replace(mine, released=True)))

    def live_runs(self) -> frozenset[str]:
        """Ids of the runs whose process is there, also one that is stopped or suspended past its lease."""
        with self._explained("*"):
            folders = list(self.path.iterdir()) if self.path.is_dir() else []
            leases = [lease for folder in folders if (lease := self._read(folder)) is not None]
        now = self.clock()
        return frozenset(lease.run for lease in leases if lease.present(this_host(), now, is_alive))

    def _folder(self, name: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60].lstrip(".")
        return self.path / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def _read(self, folder: Path) -> Lease | None:
        while generation := _latest(folder):
            path = _file(folder, generation)
            try:
                return msgspec.json.decode(files.read(path, _LARGEST), type=Lease)
            except FileNotFoundError:
                continue  # taken over and cleared away since it was listed
            except msgspec.DecodeError as error:
                raise JournalError(
                    f"the lock {path} is damaged: {error}; if none of its runs lives, remove it"
                ) from error
        return None

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(f"cannot use the lock {self._folder(name)}: {error.strerror or error}") from error


def new_lease(name: str, run: str, length: float, now: Stamp) -> Lease:
    """A lease for this process, yet to be taken. `length`: seconds from a renewal until another may take over."""
    pid = os.getpid()
    return Lease(
        name=name, run=run, host=this_host(), pid=pid, born=start_time(pid), since=now.wall, renewed=now, length=length
    )


def _claim(folder: Path, lease: Lease) -> bool:
    """Create the lease's generation; False when another was faster. On success older ones are cleared away."""
    handle, name = tempfile.mkstemp(prefix=".claim-", dir=folder)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle, not a path
            os.fchmod(file.fileno(), files.file_mode(folder, name))
            file.write(_text(lease).encode())
            file.flush()
            os.fsync(file.fileno())
        # Refuses an existing name, whole content included: the one step that only one can win.
        os.link(name, _file(folder, lease.generation))
    except (FileExistsError, FileNotFoundError):
        return False
    finally:
        Path(name).unlink(missing_ok=True)
    if _latest(folder) != lease.generation:
        return False  # a straggler: this generation had come and gone already
    for path in folder.iterdir():
        # Only what is older: a later one may have come if this process was stopped just here.
        if _FILE.fullmatch(path.name) and int(path.stem) < lease.generation:
            path.unlink(missing_ok=True)
    return True


def _latest(folder: Path) -> int:
    """The highest generation; 0 when there is none."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - asked at each heartbeat, names will do
    except FileNotFoundError:
        return 0
    return max((int(name[:8]) for name in names if _FILE.fullmatch(name)), default=0)


def _file(folder: Path, generation: int) -> Path:
    return folder / f"{generation:08d}.json"


def _text(lease: Lease) -> str:
    return msgspec.json.encode(lease).decode()
