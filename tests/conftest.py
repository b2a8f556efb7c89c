"""What every folder of tests may use."""

import contextlib
import fcntl
import os
import shutil
import signal
import termios
from collections.abc import Callable

import pytest

os.environ.pop("CI", None)  # a run says one line more there; its tests set it


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("nginx")`: the path of an installed program.

    The test is skipped where the program is not installed, or fails if `REQUIRE_PROGRAMS` is set, as `.ci/run` does.
    """

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path:
            return path
        if os.environ.get("REQUIRE_PROGRAMS"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")

    return find


def pytest_configure() -> None:
    """Leave the terminal that the tests were started from: programs under test would ask their questions there."""
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # sent when the first process of a session leaves
        try:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        finally:
            signal.signal(signal.SIGHUP, before)
            os.close(terminal)
