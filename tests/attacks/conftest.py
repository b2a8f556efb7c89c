"""Attacks on the program as it is installed: each test plays the attacker, in processes of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

NONE = 65534
MANIFEST = """\
name: attacked
clouds: {one: {endpoint: "http://127.0.0.1:9", project_id: p, auth: {token: "${secret:env:OS_TOKEN}"}}}
clusters: [{id: 00000000-0000-4000-8000-000000000001, name: c1, cloud: one}]
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""


@dataclass
class Checkout:
    """A working folder whose files a stranger wrote. They belong to another user where the tests run as root."""

    path: object

    def write(self, name, text):
        """Put a file there."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if os.geteuid() == 0:
            for each in (file, *(parent for parent in file.parents if parent.is_relative_to(self.path))):
                os.chown(each, NONE, NONE)
        return file

    def run(self, *arguments, env=(), timeout=120):
        """Run the program there, with a credential in its environment."""
        environment = {**os.environ, "OS_PASSWORD": "pw-of-the-operator", "OS_TOKEN": "tk-of-the-operator", **dict(env)}
        return subprocess.run(
            [Path(sys.executable).with_name("batch-deployer"), *arguments],
            cwd=self.path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


@pytest.fixture
def checkout(tmp_path):
    """A folder with a valid manifest."""
    folder = tmp_path / "checkout"
    made = Checkout(folder)
    made.write("m.yaml", MANIFEST)
    return made
