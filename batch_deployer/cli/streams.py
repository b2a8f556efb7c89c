"""Standard streams that cannot hurt: whatever happens to the output, the exit code tells of the work."""

import errno
import io
import os
import select
import sys
from typing import Any


class _Patient(io.RawIOBase):
    """The writing end of a standard stream. What cannot be written is dropped, and `failure` tells why."""

    def __init__(self, number: int) -> None:
        self.failure: OSError | None = None
        self._number = number

    def write(self, data: Any, /) -> int:
        """Write all of it, or drop it once the stream has failed."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left and self.failure is None:
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:  # the other end made it non-blocking and reads slowly
                poll = select.poll()
                poll.register(self._number, select.POLLOUT)
                poll.poll()
            except OSError as error:
                self.failure = error
        return size

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The number of the file."""
        return self._number

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return os.isatty(self._number)


def secure() -> None:
    """Replace stdout and stderr by ones that never raise; open what is closed, so that no other file takes its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # stays open as the stream that was closed
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a number, for the process's whole life
    sys.stdout, sys.stderr = _text(1, sys.stdout), _text(2, sys.stderr)


def _text(number: int, old: Any) -> io.TextIOWrapper:
    if old is not None:
        old.flush()
    raw = _Patient(number)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(old, "encoding", None) or "utf-8",
        errors="backslashreplace",  # a name that the encoding cannot hold is shown all the same
        line_buffering=number == 2 or raw.isatty(),
    )


def trouble() -> str:
    """Why output on stdout was lost; empty when it was not, or when its reader just left (`| head`)."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Patient):
        return ""
    sys.stdout.flush()
    failure = raw.failure
    return (
        ""
        if failure is None or failure.errno == errno.EPIPE
        else f"stdout: {(failure.strerror or str(failure)).lower()}"
    )


def is_unread() -> bool:
    """Whether nobody reads stdout any more, so that the rest need not be made."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Patient) and raw.failure is not None
