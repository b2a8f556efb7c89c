"""The soak's own modules, so that the suite plays a sample of exactly what the soak plays in full."""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "soak"))


@pytest.fixture(scope="session")
def adverse():
    return importlib.import_module("adverse")


@pytest.fixture(scope="session")
def colleague():
    return importlib.import_module("colleague")


@pytest.fixture(scope="session")
def cuts():
    return importlib.import_module("cuts")


@pytest.fixture(scope="session")
def stage():
    return importlib.import_module("theatre")
