"""What the terminal can show, whether anybody sits at it, and data on stdout even when its reader leaves."""

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO

import click

from batch_deployer.errors import BatchDeployerError


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


class NotAgreed(BatchDeployerError):
    """Whoever was asked said no."""


def may_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> None:
    """Ask for a yes on the terminal. Raises NotAgreed for a no, Abort for Ctrl-C or the end of input."""
    if not click.confirm(question, err=True):
        raise NotAgreed("not confirmed; nothing was done")
