"""The state folder's group: it may read runs and reports and steer live runs, and cannot replace anything.

Folders get the mode 2750 and the group, so that what is made in them has the group too. Files get 0640, the inbox of a
run's commands 0660. Digests, keys and what runs learn stay 0600.
"""

import grp
import os
import stat
from contextlib import suppress
from pathlib import Path

from batch_deployer.errors import InputError
from batch_deployer.util import files

MAX_ID_DIGITS = 9
"""Digits of a group's number; the kernel's highest numbers mean "no group"."""


def group_id(name: str) -> int:
    """The id of a group, by its name or number. InputError when there is none, or when this user may not give files to it."""
    if name.isascii() and name.isdecimal() and len(name) <= MAX_ID_DIGITS:
        found = int(name)
    else:
        try:
            found = grp.getgrnam(name).gr_gid
        except KeyError:
            raise InputError(
                f"there is no group {name!r}; --state-group takes the name or the number of a group"
            ) from None
    if os.geteuid() != 0 and found not in (os.getegid(), *os.getgroups()):
        raise InputError(
            f"user {os.geteuid()} is not a member of the group {name!r}, so it cannot share the state folder with it; "
            "add the user to the group and log in again"
        )
    return found


def share_folder(path: Path, group: int) -> None:
    """Let a group read a folder. Raises OSError where this is not its owner."""
    found = path.stat()
    if (found.st_gid, stat.S_IMODE(found.st_mode)) != (group, files.SHARED_FOLDER):
        os.chown(path, -1, group)
        path.chmod(files.SHARED_FOLDER)


def share_tree(path: Path, group: int) -> None:
    """Let a group read a run's folder with its reports, or a lock's. InputError for what another user put there."""
    if problem := files.distrust(path):
        raise InputError(f"cannot share {path} with a group: {problem}")
    share_folder(path, group)
    for entry in os.scandir(path):
        inner = Path(entry.path)
        with suppress(FileNotFoundError):  # removed by another process just now
            if entry.is_dir(follow_symlinks=False):
                share_tree(inner, group)
            elif entry.is_file(follow_symlinks=False):
                _share_file(inner, group)


def _share_file(path: Path, group: int) -> None:
    if problem := files.distrust(path):
        raise InputError(f"cannot share {path} with a group: {problem}")
    mode, found = files.file_mode(path.parent, path.name), path.lstat()
    if found.st_nlink > 1:  # it may be a file of this user's from elsewhere, or is just being put in place
        return
    if (found.st_gid, stat.S_IMODE(found.st_mode)) != (group, mode):
        os.chown(path, -1, group, follow_symlinks=False)
        path.chmod(mode)
