"""What the terminal can show: its width, colours and whether anybody sits at it."""

import os
import shutil
import sys
from typing import TextIO


def width() -> int:
    """Columns of stdout; 100 when it is no terminal."""
    return min(160, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100


def is_live(stream: TextIO) -> bool:
    """Whether a stream can redraw lines: a terminal that is not dumb."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def wants_colour(stream: TextIO) -> bool:
    """Colours only where they can be seen and nobody asked for none (NO_COLOR, whatever its value, unless empty)."""
    return is_live(stream) and not os.environ.get("NO_COLOR")
