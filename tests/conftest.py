"""What every folder of tests may use."""

import os
import shutil
from collections.abc import Callable

import pytest


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
