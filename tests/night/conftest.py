"""The provider, project and receiver of the command line's own tests."""

import importlib.util
from pathlib import Path


def _load(name):
    path = Path(__file__).parents[1] / "cli" / name
    spec = importlib.util.spec_from_file_location(f"cli_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_cli = _load("conftest.py")
project, speed, shows = _cli.project, _cli.speed, _cli.shows
receiver = _load("test_terminal_free.py").receiver
