"""An operator's commands to a live run, from another shell: one line each at the end of a file."""

import os
from pathlib import Path

from batch_deployer.errors import InputError
from batch_deployer.ports import Command, Selection
from batch_deployer.state.run_dir import RunDir
from batch_deployer.util import files
from batch_deployer.util.text import clean

_SELECTING = frozenset({Command.SKIP, Command.RETRY})
_LONGEST = 2048
"""Bytes of a line; a longer one is no command."""


def post(run: RunDir, order: Command | Selection) -> None:
    """Send a command to a run. The caller knows whether it lives; InputError when it cannot be sent."""
    line = _line(order)
    try:
        files.touch(run.control_path)
        handle = os.open(run.control_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(handle, line)  # appends of one line do not mix, whoever else writes
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"cannot reach run {run.id} by {run.control_path}: {error.strerror}") from error


class ControlInbox:
    """ports.Control of a run's process. What was asked of an earlier process of the run is over and not taken."""

    def __init__(self, run: RunDir) -> None:
        self._path: Path = run.control_path
        self._taken = self._size()

    def poll(self) -> Command | Selection | None:
        """The oldest command not yet taken. Costs one stat when there is none."""
        while self._size() > self._taken:
            with self._path.open("rb") as file:
                file.seek(self._taken)
                line = file.readline(_LONGEST)
            self._taken += len(line)
            order = _order(line)
            if order is not None:
                return order
        return None

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _line(order: Command | Selection) -> bytes:
    text = f"{order.command} {order.glob}" if isinstance(order, Selection) else str(order)
    line = f"{text}\n".encode()
    if clean(text) != text or len(line) > _LONGEST:
        raise InputError(f"{clean(text, 100)!r} names no deployment: it is too long or holds control characters")
    return line


def _order(line: bytes) -> Command | Selection | None:
    """The command of a line; None for anything else."""
    word, _, glob = line.decode("utf-8", "replace").strip().partition(" ")
    if word not in set(Command):
        return None
    command = Command(word)
    if command in _SELECTING:
        return Selection(command, glob) if glob else None
    return None if glob else command
