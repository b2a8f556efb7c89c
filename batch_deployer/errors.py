"""Every error this program raises on purpose, as one tree.

    BatchDeployerError             exit code
    ├── InputError                   2   manifest, option or file that the user must change
    ├── LockHeld                   7   another live run holds this manifest's lock
    ├── AuthFailed                 5   the cloud refuses the credential; trying again risks an account lock
    ├── CloudUnreachable           1   nothing at a cloud's address answers at all
    ├── JournalError               1   the journal cannot be written or read (disk full, read-only, torn)
    ├── OutOfResources             1   the system grants no further open file, thread or memory
    ├── StalePlan                 2   a saved plan no longer fits what the clouds run
    ├── WindowMissed                    6   a window or start-by time is missed, and nothing was started
    └── IllegalTransition                3   a bug of ours: an event that the lifecycle table forbids

The class says what the catcher can do about it; the message says what happened, where, and what to do.
"""

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_DIAGNOSTICS = 200
"""Faults that one error shows."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong with what the user wrote."""

    message: str
    """What is wrong and what to do, in one sentence, no trailing dot."""
    file: str = ""
    """Path as the user would type it; empty when the fault is not in a file."""
    line: int = 0
    """1-based; 0 when unknown."""
    column: int = 0
    """1-based; 0 when unknown."""

    def __str__(self) -> str:
        """`file:line:column: message`, leaving out what is not known."""
        where = self.file
        if where and self.line:
            where += f":{self.line}"
            if self.column:
                where += f":{self.column}"
        return f"{where}: {self.message}" if where else self.message


def in_order(diagnostics: Iterable[Diagnostic], first_file: str = "") -> list[Diagnostic]:
    """Each fault once, those of `first_file` first, then by file, line and column; at most MAX_FAULTS of them."""
    unique = sorted(
        dict.fromkeys(diagnostics),
        key=lambda diagnostic: (
            bool(diagnostic.file) and diagnostic.file != first_file,
            diagnostic.file,
            diagnostic.line,
            diagnostic.column,
        ),
    )
    more = len(unique) - MAX_DIAGNOSTICS
    return unique[:MAX_DIAGNOSTICS] + ([Diagnostic(f"{more:,} more faults are not shown")] if more > 0 else [])


class BatchDeployerError(Exception):
    """Root of all errors that this program raises on purpose."""

    exit_code = 1


class InputError(BatchDeployerError):
    """The user's input cannot be used; carries every fault found, in file order."""

    exit_code = 2

    def __init__(self, diagnostics: Sequence[Diagnostic] | str) -> None:
        """Take one message, or all the faults of a file at once."""
        self.diagnostics: tuple[Diagnostic, ...] = (
            (Diagnostic(diagnostics),) if isinstance(diagnostics, str) else tuple(diagnostics)
        )
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class StalePlan(BatchDeployerError):
    """A saved plan was asked for, but the clouds no longer look as they did when it was made."""

    exit_code = 2


class WindowMissed(BatchDeployerError):
    """A maintenance window is closed or a start-by time has passed; nothing was started."""

    exit_code = 6


class LockHeld(BatchDeployerError):
    """Another live run holds the lock of this manifest."""

    exit_code = 7


class AuthFailed(BatchDeployerError):
    """The cloud refuses the credential for good; a further try risks an account lock."""

    exit_code = 5
    of_credential = True
    """Whether the credential itself is refused; False: it is good, and lacks the permission for one call."""


class CloudUnreachable(BatchDeployerError):
    """Nothing usable answers at a cloud's address (refused, no such host, no route, a certificate that is not trusted)."""

    permanent = False
    """Whether waiting cannot help."""
    wait = 0.0
    """Seconds for which the server asks not to be tried again."""


class JournalError(BatchDeployerError):
    """The journal cannot be written or read, so nothing more may be sent."""


class StateLocked(JournalError):
    """A file of the state folder is locked by another process just now."""


class OutOfResources(BatchDeployerError):
    """The system grants this process no further open file, thread or memory."""


class IllegalTransition(BatchDeployerError):
    """An event arrived that the lifecycle table forbids: a bug of ours, and nothing was changed."""

    exit_code = 3


_SHORTAGES = {
    errno.EMFILE: "too many open files in this process; raise its limit (`ulimit -n`)",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "no memory is left; raise the limit of this process or container",
}
_NO_THREAD = "no further thread can be started; raise the limit of processes (`ulimit -u`, or pids of the container) or of memory"


def shortage(error: BaseException) -> str:
    """What the system did not grant this process, and the remedy; empty for any other error."""
    if isinstance(error, MemoryError):
        return _SHORTAGES[errno.ENOMEM]
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return _NO_THREAD
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return f"{where}{_SHORTAGES[error.errno]}"
    if isinstance(error, ImportError) and (
        "failed to map segment" in str(error) or "cannot allocate" in str(error).lower()
    ):
        return _SHORTAGES[errno.ENOMEM]
    return ""
