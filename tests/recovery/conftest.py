"""The provider and project of the command line's own tests, and what really happened there."""

import importlib.util
from pathlib import Path

import pytest

_path = Path(__file__).parents[1] / "cli/conftest.py"
_spec = importlib.util.spec_from_file_location("cli_conftest", _path)
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
project, speed, shows = _cli.project, _cli.speed, _cli.shows


@pytest.fixture
def written(project):
    """`operation cluster/name` of every effective write, in order; clusters by the last digit of their id."""

    def tell(operation=""):
        entries = project.provider.get("entries")
        told = [
            (each["operation"], *each["key"].split("/")) for each in entries if each["operation"].startswith(operation)
        ]
        return [f"{kind} {cluster[-1]}/{name}" for kind, cluster, _, name in told]

    return tell
