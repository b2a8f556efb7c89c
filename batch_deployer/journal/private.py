"""Files and folders that only their owner may read, whatever the umask says, and that are whole or not there."""

import errno
import math
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder 0700, and its parents as the umask says. FileExistsError when it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    path.chmod(0o700)


def touch(path: Path) -> None:
    """Make an empty file 0600 unless it is there already, durably. SQLite gives its side files the same mode."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def read(path: Path, most: int) -> bytes:
    """The whole of a regular file of at most `most` bytes. OSError for anything else: a pipe or a device would never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_unusual(os.fstat(handle), path, most)
        with open(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def check_regular(path: Path) -> None:
    """Raise OSError for a pipe, a device or anything else that is not a regular file; one that is absent is none of these."""
    with suppress(FileNotFoundError):
        _refuse_unusual(path.stat(), path)


def _refuse_unusual(found: os.stat_result, path: Path, most: float = math.inf) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))


def write(path: Path, text: str, *, keep: bool = False) -> None:
    """Put the whole text in place at once and durably, 0600: readers see the old file or the new one, never a part.

    keep: a file that is there already stays, whoever wrote it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a handle, not a path
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if keep:
            with suppress(FileExistsError):
                path.hardlink_to(name)
            Path(name).unlink()
        else:
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
