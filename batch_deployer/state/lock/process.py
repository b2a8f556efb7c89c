"""Which process on which machine since which boot, and a clock that counts suspended time."""

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Stamp(NamedTuple):
    """One moment on two clocks, seconds. A tuple, as two are made for every write."""

    boot: float
    """Since boot, suspended time included; no one can set this clock. Compares only within one boot."""
    wall: float
    """Since the epoch; may jump."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where process numbers and times since boot mean the same."""

    host: str
    boot: str
    """Changes with each boot; empty where the system does not tell."""
    space: str
    """Process namespace (containers have their own); empty where the system does not tell."""


def now() -> Stamp:
    """Now."""
    return Stamp(time.clock_gettime(_CLOCK), time.time())


@cache
def this_host() -> Host:
    """This process's place."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the link's text is a name, not a path
    except OSError:
        space = ""
    return Host(host=socket.gethostname(), boot=_text(Path("/proc/sys/kernel/random/boot_id")), space=space)


def start_time(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty when it is gone or the system does not tell."""
    # The name in parentheses may hold anything, so count from its end: state is field 3, start time field 22.
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def is_alive(pid: int, start: str) -> bool:
    """Whether the process that began at `start` still is, stopped or not, here in our own place."""
    if start:
        return start_time(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
