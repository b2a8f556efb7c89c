"""An operator's commands to a live run, from another shell: one line each at the end of a file."""

import os
from pathlib import Path

from batch_deployer.errors import BadInput
from batch_deployer.journal import private
from batch_deployer.journal.runs import RunDir
from batch_deployer.ports import Command

_LONGEST = max(len(command) for command in Command) + 1


def post(run: RunDir, command: Command) -> None:
    """Ask a run to pause, continue or halt. Whether it lives is for the caller to know; BadInput when it cannot be asked."""
    try:
        private.touch(run.control_path)
        handle = os.open(run.control_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(handle, f"{command}\n".encode())  # appends of one line do not mix, whoever else writes
        finally:
            os.close(handle)
    except OSError as error:
        raise BadInput(f"cannot reach run {run.id} by {run.control_path}: {error.strerror}") from error


class ControlInbox:
    """ports.Control of a run's process. What was asked of an earlier process of the run is over and not taken."""

    def __init__(self, run: RunDir) -> None:
        self._path: Path = run.control_path
        self._taken = self._size()

    def poll(self) -> Command | None:
        """The oldest command not yet taken. Costs one stat when there is none."""
        while self._size() > self._taken:
            with self._path.open("rb") as file:
                file.seek(self._taken)
                line = file.readline(_LONGEST)
            self._taken += len(line)
            word = line.decode("ascii", "replace").strip()
            if word in set(Command):
                return Command(word)
        return None

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
