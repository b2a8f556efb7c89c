"""What one call of the program carries from its command to its last words."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _as_is(text: str) -> str:
    return text


@dataclass(slots=True)
class Session:
    """Filled in by the command, read when something fails."""

    state: Path | None = None
    """State folder given on the command line, for the crash file; None: the user's default."""
    redact: Callable[[str], str] = _as_is
    """Takes secrets that became known in this process out of a text."""
