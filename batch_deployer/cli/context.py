"""What one call of the program carries from its command to its last words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batch_deployer.errors import InputError
from batch_deployer.model.permissions import Permissions


def _as_is(text: str) -> str:
    return text


@dataclass(slots=True)
class Session:
    """Filled in by the command, read when something fails."""

    state: Path | None = None
    """State folder given on the command line, for the crash file; None: none was settled on yet."""
    redact: Callable[[str], str] = _as_is
    """Takes secrets that became known in this process out of a text."""

    output_is_extra: bool = False
    """Whether the exit code tells of a run, whatever became of the output."""
    permissions: Permissions = field(default_factory=Permissions)
    """What the operator allows manifests to name."""

    def use_state(self, folder: Path | None) -> Path:
        """Settle on a state folder: the one given, else the user's."""
        if folder is None:
            from platformdirs import user_state_path

            try:
                folder = user_state_path("batch-deployer", appauthor=False)
            except (RuntimeError, OSError):
                raise InputError(
                    "this user has no home folder; name a state folder with --state-dir or BATCH_DEPLOYER_STATE_DIR"
                ) from None
        self.state = folder
        return folder
