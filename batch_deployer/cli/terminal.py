"""What the terminal can show, whether anybody sits at it, and data on stdout even when its reader leaves."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

import click

from batch_deployer.errors import BatchDeployerError, InputError

_NO_TERMINAL = frozenset({errno.ENXIO, errno.ENOENT, errno.ENODEV, errno.ENOTTY})
"""Errors of opening /dev/tty that mean that the process has no terminal."""
_CURE = "pass --yes to run without a question"


def width() -> int:
    """Columns of stdout; 100 when it is no terminal."""
    return min(160, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100


def is_live(stream: TextIO) -> bool:
    """Whether a stream can redraw lines: a terminal that is not dumb."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def show(pieces: Iterable[str]) -> None:
    """Write data to stdout. A reader that left (`| head`) ends it quietly and changes nothing else."""
    try:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain at exit when it cannot flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Declined(BatchDeployerError):
    """Whoever was asked said no."""


class Terminal:
    """The terminal of the person who called, for questions: independent of where the standard streams go."""

    def __init__(self, descriptor: int) -> None:
        """Take a file descriptor that is open for reading and writing."""
        self._descriptor = descriptor

    @classmethod
    def find(cls) -> "Terminal | None":
        """The controlling terminal, else one that a standard stream is; None where there is none, as in cron or CI.

        Raises InputError for a terminal that cannot be asked on, such as that of a process in the background.
        """
        for name in _terminal_names():
            try:
                descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno in _NO_TERMINAL:
                    continue
                raise InputError(f"the terminal {name} cannot be asked on ({_reason(error)}); {_CURE}") from None
            if _is_background(descriptor):
                os.close(descriptor)
                raise InputError(f"a process in the background cannot ask on its terminal; {_CURE}")
            return cls(descriptor)
        return None

    def ask(self, question: str, lines: Iterable[str] = ()) -> None:
        """Show lines, then ask for a yes. Raises Declined for a no, Abort for Ctrl-C or the end of input."""
        try:
            self._write("".join(lines))
            while True:
                self._write(f"{question} [y/N]: ")
                answer = self._read_line()
                if answer in ("y", "yes"):
                    return
                if answer in ("", "n", "no"):
                    raise Declined("not confirmed; nothing was done")
                self._write("Please answer y or n.\n")
        except KeyboardInterrupt:
            raise click.Abort from None
        except OSError as error:
            raise InputError(f"the question could not be asked ({_reason(error)}); {_CURE}") from None
        finally:
            os.close(self._descriptor)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _read_line(self) -> str:
        """One line in lower case. The terminal hands whole lines out, so that nothing typed later is lost."""
        line = b""
        while not line.endswith(b"\n"):
            piece = os.read(self._descriptor, 1024)
            if not piece:
                raise click.Abort
            line += piece
        return line.decode("utf-8", "replace").strip().lower()


def _terminal_names() -> Iterator[str]:
    yield "/dev/tty"
    for stream in (0, 2, 1):
        with contextlib.suppress(OSError):
            yield os.ttyname(stream)


def _is_background(descriptor: int) -> bool:
    """Whether reading would stop this process, since another one has the terminal."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # not the controlling terminal: reading stops nobody
        return False


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
