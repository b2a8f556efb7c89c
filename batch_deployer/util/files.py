"""Files and folders that only their owner may read, whatever the umask says, and that are whole or not there.

In a folder that is shared with a group the group may read what is made, too.
"""

import errno
import math
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

SHARED_FOLDER = 0o2750
"""Mode of a folder that a group may read: what is made in it has the group, too."""
_FILE, _SHARED_FILE, _SHARED_INBOX = 0o600, 0o640, 0o660
_INBOX_NAME = "control"
_OWN_NAMES = frozenset({"secrets.json", "scopes.json"})
"""Files of a run that its group has no use for."""


def is_shared(folder: Path) -> bool:
    """Whether a folder is one that a group may read: new folders and files in it are, too."""
    return stat.S_IMODE(folder.lstat().st_mode) == SHARED_FOLDER


def folder_mode(parent: Path) -> int:
    """The mode of a new folder in `parent`."""
    return SHARED_FOLDER if is_shared(parent) else 0o700


def file_mode(parent: Path, name: str) -> int:
    """The mode of a new file in `parent`."""
    if name in _OWN_NAMES or not is_shared(parent):
        return _FILE
    return _SHARED_INBOX if name == _INBOX_NAME else _SHARED_FILE


def make_folder(path: Path) -> None:
    """Make a folder 0700, or as its shared parent is, and missing parents so that only their owner can write.

    FileExistsError when it is there.
    """
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o755, exist_ok=True)
    path.mkdir(mode=0o700)
    path.chmod(folder_mode(path.parent))


def touch(path: Path, *, secret: bool = False) -> None:
    """Make an empty file 0600 unless it is there already, durably. SQLite gives its side files the same mode.

    `secret`: also in a folder that is shared.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(handle, 0o600 if secret else file_mode(path.parent, path.name))
    finally:
        os.close(handle)
    sync(path.parent)


def distrust(path: Path, *, may_link: bool = False) -> str:
    """Why a file or folder may be the work of another user, and the cure; empty when it is this user's or root's alone.

    Write access of a group counts as given on purpose where the setgid bit says so, as on volumes of Kubernetes (fsGroup).
    """
    found = path.stat() if may_link else path.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a symbolic link; put what it points to in its place"
    if found.st_uid not in (0, os.geteuid()):
        return (
            f"{path} belongs to user {found.st_uid}, and this is user {os.geteuid()}; "
            "run this as its owner, or take it over with chown after a look at what is in it"
        )
    shared = mode & stat.S_ISGID and found.st_gid in (os.getegid(), *os.getgroups())
    if stat.S_ISDIR(found.st_mode) and (mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not shared)):
        return (
            f"other users may write to {path} (mode {mode:04o}); close it with `chmod go-w {path}` after a look at what is "
            "in it, or name a folder of your own within it"
        )
    return ""


def read(path: Path, most: int) -> bytes:
    """The whole of a regular file of at most `most` bytes. OSError for anything else: a pipe or a device would never end."""
    check_regular(path)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _refuse_unusual(os.fstat(handle), path, most)
        with open(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def check_regular(path: Path) -> None:
    """Raise OSError for a link, a pipe, a device or anything else that is not a regular file; an absent one is none of these."""
    with suppress(FileNotFoundError):
        _refuse_unusual(path.lstat(), path)


def _refuse_unusual(found: os.stat_result, path: Path, most: float = math.inf) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))


def write(path: Path, text: str, *, keep: bool = False, secret: bool = False, folder: bool = True) -> None:
    """Put the whole text in place at once and durably, 0600: readers see the old file or the new one, never a part.

    keep: a file that is there already stays, whoever wrote it. secret: 0600 also in a folder that is shared. folder: sync it
    too; a caller that writes several files there does so once.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a handle, not a path
            os.fchmod(file.fileno(), 0o600 if secret else file_mode(path.parent, path.name))
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
    if folder:
        sync(path.parent)


def sync(path: Path) -> None:
    """Make the contents of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
