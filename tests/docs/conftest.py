"""A page of the docs, the provider that its commands meet, and a shell that runs them in order."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType

import pytest

from batch_deployer.app.load_plan import Choice, load_plan
from batch_deployer.app.secrets import SecretStore
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that one command may take."""
HURRIED = "\npoll: {initial_delay: 50ms, min_interval: 50ms, max_interval: 500ms}\nreconcile: {absence_grace: 500ms, confirmations: 2}\n"


def commands_of(page):
    """(command, lines shown) of every console block, in order."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def shape(line):
    """A line without what differs from run to run."""
    return re.sub(r"\s+", " ", line).strip()


class Shell:
    """Runs `batch-deployer` in a folder with the example manifests, in a hurry, against a simulated provider."""

    def __init__(self, folder, manifest, clusters, edits):
        self.folder = folder
        shutil.copytree(ROOT / "manifests", folder, dirs_exist_ok=True)
        self.manifest = folder / manifest
        limits = re.sub(r"writes: \d+/min, reads: \d+/s", "writes: 50/s, reads: 50/s", self.manifest.read_text())
        self.manifest.write_text(limits)
        self.hurry(manifest)
        for old, new in edits:
            self.edit(old, new)
        plan = load_plan(
            self.manifest, Choice(), SecretStore({}, Path()), os.environ, simulated=True, clusters=clusters
        )
        self.provider = SimulatorProcess(World.from_plan(plan, autocreate=True), speed=200)
        self.clouds = {
            spec.auth.options["cloud"]: name for name, spec in plan.clouds.items() if spec.auth.method == "clouds"
        }
        self.live = []

    def __enter__(self):
        self.provider.__enter__()
        auth = "username: demo, password: demo, user_domain_name: sim, project_domain_name: sim"
        lines = [
            f'  {entry}: {{region_name: sim, auth: {{auth_url: "{self.provider.url}/v3", {auth}, project_name: {name}}}}}'
            for entry, name in self.clouds.items()
        ]
        (self.folder / "clouds.yaml").write_text("\n".join(["clouds:", *lines, ""]))
        return self

    def __exit__(self, *_):
        for process in self.live:
            process.kill()
            process.communicate()
        self.provider.stop()

    def hurry(self, manifest):
        """Have a manifest looked after by the second instead of by the minute."""
        with (self.folder / manifest).open("a") as file:
            file.write(HURRIED)

    def edit(self, old, new):
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))

    def start(self, command):
        program, *arguments = shlex.split(command)
        assert program == "batch-deployer"
        environ = os.environ | {
            "BATCH_DEPLOYER_STATE_DIR": str(self.folder / "state"),
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "clouds.yaml"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "batch_deployer", *arguments],
            cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def run(self, command):
        """Run to its end: (exit code, all that was said)."""
        process = self.start(command)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return process.returncode, out + err

    def must(self, command, code=0):
        """Run to its end, which must be with this exit code."""
        ended, said = self.run(command)
        assert ended == code, (command, said)
        return said

    def start_live(self, command, until):
        """Start a run that goes on while others are called, and wait for its first words."""
        process = self.start(command)
        self.live.append(process)
        self.wait_for(process, until)
        return process

    def wait_for(self, process, until):
        limit = time.monotonic() + PATIENCE
        for line in process.stderr:
            if until in line:
                return
            assert time.monotonic() < limit
        raise AssertionError(f"{until!r} was never said")

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.live.remove(process)

    def faults(self, *rules):
        self.provider.post("faults", {"faults": list(rules)})


@pytest.fixture
def shell(tmp_path):
    """Make a shell for a manifest with (old, new) edits; for one that asks a cloud, with so many clusters in it."""
    made = []

    def make(manifest, *edits, clusters=0):
        made.append(Shell(tmp_path, manifest, clusters, edits).__enter__())
        return made[-1]

    yield make
    for each in made:
        each.__exit__()


@pytest.fixture
def follow(shell):
    """Run every command of a page in order and hold what is shown against what the page says.

    `before` and `after`: what happens right before or after a command. `live`: the command that goes on while the
    following ones are called. Commands are expected to end with 0.
    """

    def walk(page, shell, *, before=MappingProxyType({}), after=MappingProxyType({}), live=""):
        done = []
        for command, shown in commands_of(ROOT / "docs/runbooks" / page):
            if command in before:
                before[command](shell)
            done.append(command)
            if command == live:
                shell.start_live(command, "started")
                continue
            said = shell.must(command)
            real = [shape(line) for line in said.splitlines()]
            for line in shown:
                wanted = shape(line)
                begin = wanted.removesuffix("...").strip()
                assert any(one.startswith(begin) if wanted.endswith("...") else one == wanted for one in real), (
                    command,
                    line,
                    said,
                )
            if command in after:
                after[command](shell)
        return done

    return walk
