"""Prints the oldest release of each dependency that pyproject.toml admits, as requirements for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
for requirement in (*project["dependencies"], *project["optional-dependencies"]["notify"]):
    name, oldest = re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement).groups()
    print(f"{name}=={oldest}")  # noqa: T201 - this is its output
