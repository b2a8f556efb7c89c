"""One ordeal: a real runner is killed at a seeded point, resumed until it ends, and judged by a simulator that outlives it."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from mortal import MOMENTS

from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.serialization import dump_plan
from batch_deployer.simulator.faults.rules import WRITES, Acts, Effect, FaultRule
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.entities import SimChart, SimRelease
from batch_deployer.simulator.world.world import World
from batch_deployer.state.run_dir import RunMeta
from batch_deployer.state.state_dir import StateDir

WORLDS = 8
"""Different worlds; each has its undisturbed run, to compare with."""
HIDDEN = "hunter2-never-to-be-seen"
PASSWORD = "demo-of-the-simulator-never-to-be-seen"
SECRETS = {"SIM_PASSWORD": PASSWORD, "HIDDEN": HIDDEN}
"""As the processes find them in the environment."""
PATIENCE = 120.0
"""Seconds after which a process counts as hung."""
MANIFEST = """\
name: ordeal
clouds:
  sim:
    endpoint: {url}
    project: sim
    auth: {{auth_url: "{url}/v3", username: demo, password: "${{secret:env:SIM_PASSWORD}}", domain: sim}}
limits: {{writes: 12/s, reads: 60/s, in_flight: 6, per_cluster: 2}}
retry: {{base: 20ms, cap: 200ms, locked: 50ms, throttle: 300ms}}
poll: {{initial_delay: 30ms, min_interval: 50ms, max_interval: 300ms}}
reconcile: {{absence_grace: 500ms, confirmations: 2}}
defaults: {{release: {{namespace: shop, version: 2.0.0, timeout: 30s}}}}
clusters:
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b01, name: one, cloud: sim, tags: {{tier: canary}}}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b02, name: two, cloud: sim}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b03, name: three, cloud: sim}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b04, name: four, cloud: sim}}
releases:
  - {{name: web, targets: "*", chart: {{name: web, version: 2.0.0}}, values: {{password: "${{secret:env:HIDDEN}}"}}}}
  - {{name: db, targets: "*", chart: {{name: db, version: 2.0.0}}, needs: [web]}}
  - {{name: agent, targets: "*", chart: {{name: agent, version: 2.0.0}}, on_existing: replace, allow_destructive: true}}
rollout:
  systemic: 0
  waves:
    - {{name: canary, clusters: {{tier: canary}}}}
    - {{name: rest}}
"""
CALM = (FaultRule(effect=Effect.ALLOW_COLLISION, name="collisions"),)
"""A create of an existing name is applied all the same, so that a blind retry does its damage."""
FAULTS = (
    *CALM,
    FaultRule(effect=Effect.ERROR, name="504-acted", status=504, acts=Acts.AT_ONCE, calls=WRITES, probability=0.07),
    FaultRule(effect=Effect.ERROR, name="504-lost", status=504, calls=WRITES, probability=0.05),
    FaultRule(effect=Effect.RESET, name="reset-after", acts=Acts.AT_ONCE, calls=WRITES, probability=0.06),
    FaultRule(effect=Effect.RESET, name="reset-before", calls=WRITES, probability=0.04),
    FaultRule(effect=Effect.LOCKED, name="locked", probability=0.03),
    FaultRule(effect=Effect.STALE, name="stale", seconds=10.0, probability=0.3),
    FaultRule(effect=Effect.FAIL, name="failing", probability=0.12),
)
CLOCKS = ("+0", "+0", "-40", "-3h", "+2h", "-500d", "+20d")
"""How far the wall clock of a process may be off, as libfaketime reads it."""
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
"""Sets the wall clock of a process, also while it runs. None where Debian's faketime is not installed."""
_MORTAL = Path(__file__).with_name("mortal.py")


@dataclass(slots=True)
class Findings:
    """What the simulator and the report say against an ordeal; all empty when it went well."""

    kills: int = 0
    steps: bool = False
    """Whether the clock was set between and during the processes."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[str]:
        """Everything found, one line each."""
        named = ("lost", self.lost), ("doubled", self.doubled), ("over limit", self.over_limit), ("leaked", self.leaked)
        return [f"{name}: {line}" for name, lines in named for line in lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """How a world's run goes when nobody is killed."""

    code: int
    outcomes: Mapping[str, str]
    effects: Mapping[str, Mapping[str, int]]
    """Operation to key to how often it took effect."""
    moments: Mapping[str, int]


class Stage:
    """A folder with a manifest, a provider in a process of its own, and real runner processes."""

    def __init__(self, folder: Path, provider: SimulatorProcess) -> None:
        self.folder = folder
        self.provider = provider
        self.state = folder / "state"
        self.manifest = folder / "m.yaml"
        self.clock = folder / "clock"
        """How far the wall clock of the processes is off; no file: not at all."""
        self.said: list[str] = []
        """Everything that the processes wrote to stdout and stderr."""
        self._started: list[subprocess.Popen[str]] = []

    def perform(self, *arguments: str, at: str = "", limit: int = 0) -> int:
        """Run the program to its end or its death at a moment; gives its return code. `limit`: bytes of a file."""
        process = self.start(*arguments, MORTAL_AT=at, MORTAL_FSIZE=str(limit or ""))
        self.said += process.communicate(timeout=PATIENCE)
        return process.returncode

    def start(self, *arguments: str, umask: int = -1, **environment: str) -> "subprocess.Popen[str]":
        """Start the program; what it writes is the caller's to read."""
        told = {"MORTAL_COUNTS": str(self.folder / "counts.json"), "PYTHONWARNINGS": "error"}
        if self.clock.exists():
            told |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        process = subprocess.Popen(
            [sys.executable, str(_MORTAL), *arguments, "--state-dir", str(self.state)],
            cwd=self.folder,
            env=os.environ | SECRETS | told | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )
        self._started.append(process)
        return process

    def set_clock(self, offset: str) -> None:
        """Set the wall clock of this and later processes."""
        self.clock.write_text(offset)

    def leave_another_run(self) -> None:
        """Put a run in the folder that began before and says that it began a day later: its clock was ahead."""
        plan = dump_plan(build_plan(load(self.manifest, SECRETS)))
        meta = RunMeta(manifest="another", started=time.time() + 86400)
        StateDir(self.state).create_run("another", plan, meta)

    def clear(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def edit(self, old: str, new: str) -> None:
        """Change the manifest."""
        text = self.manifest.read_text()
        if old not in text:
            raise AssertionError(f"{old!r} is not in the manifest")
        self.manifest.write_text(text.replace(old, new))

    def run(self, **more: Any) -> int:
        """`run`, as the run `it`."""
        return self.perform("run", "m.yaml", "--yes", "--run-id", "it", **more)

    def resume(self, **more: Any) -> int:
        """`resume latest`."""
        return self.perform("resume", "latest", **more)

    def outcomes(self) -> Sequence[tuple[str, str]]:
        """(key, outcome) of each line of the written report."""
        written = json.loads((self.state / "runs/it/report/report.json").read_text())
        return [(each["key"], each["outcome"]) for each in written["deployments"]]

    def effects(self) -> Mapping[str, Mapping[str, int]]:
        """Operation to key to how often it took effect."""
        ledger = self.provider.ledger()
        made = {name: {key: len(found) for key, found in ledger[name].items()} for name in ("upgrades", "deletes")}
        return {"creates": ledger["creates"], **made}


class Theatre:
    """Makes a stage in a folder of its own; use as a context manager."""

    def __init__(self, world: int, faults: Sequence[FaultRule] = FAULTS, *, speed: float = 200.0) -> None:
        self._folder = TemporaryDirectory(prefix="ordeal-")
        path = Path(self._folder.name) / "m.yaml"
        path.write_text(MANIFEST.format(url="http://127.0.0.1:1"))
        self._provider = SimulatorProcess(
            _inhabited(World.from_plan(build_plan(load(path, SECRETS)))),
            seed=world,
            speed=speed,
            faults=faults,
        )

    def __enter__(self) -> Stage:
        self._provider.__enter__()
        self._stage = stage = Stage(Path(self._folder.name), self._provider)
        stage.manifest.write_text(MANIFEST.format(url=self._provider.url))
        return stage

    def __exit__(self, *_: object) -> None:
        self._stage.clear()
        self._provider.stop()
        self._folder.cleanup()


def _inhabited(world: World) -> World:
    """Some releases run already, in an older version: they are upgraded or replaced."""
    old = [SimChart(id=uuid_like("old", name), name=name, versions=("1.0.0",)) for name in ("web", "agent")]
    there = [(0, "web"), (1, "web"), (2, "agent"), (3, "agent")]
    releases = [
        SimRelease(cluster_id=world.clusters[number].id, namespace="shop", name=name, chart_id=uuid_like("old", name))
        for number, name in there
    ]
    return msgspec.structs.replace(
        world,
        charts=(*world.charts, *old),
        releases=tuple(releases),
        account=msgspec.structs.replace(world.account, password=PASSWORD),
    )


@cache
def undisturbed(world: int) -> Undisturbed:
    """Run a world to its end once."""
    with Theatre(world) as stage:
        code = stage.run()
        if code not in (0, 1):
            raise AssertionError(f"the undisturbed run of world {world} ended with {code}: {stage.said}")
        return Undisturbed(
            code=code,
            outcomes=dict(stage.outcomes()),
            effects=stage.effects(),
            moments=json.loads((stage.folder / "counts.json").read_text()),
        )


def ordeal(seed: int) -> Findings:
    """Kill, resume (and maybe kill again) until it ends, and judge. The moments take turns with the seeds."""
    draw = random.Random(f"ordeal {seed}")
    world = seed // len(MOMENTS) % WORLDS
    wanted = undisturbed(world)
    found = Findings()
    steps = FAKETIME is not None and seed % 2 == 1
    with Theatre(world) as stage:
        if steps:
            stage.leave_another_run()
        with _clock_steps(stage, draw, steps=steps):
            code = stage.run(at=_point(MOMENTS[seed % len(MOMENTS)], wanted, draw))
        again = draw.choice((0, 0, 1, 2))
        while code == -signal.SIGKILL:
            found.kills += 1
            at = _point(draw.choice(MOMENTS), wanted, draw, share=0.3) if again else ""
            again -= bool(again)
            with _clock_steps(stage, draw, steps=steps):
                code = stage.resume(at=at)
        found.steps = steps
        if code != wanted.code:
            found.lost.append(f"it ended with {code} instead of {wanted.code}: {stage.said[-1].strip()}")
        judge(stage, wanted, found)
    return found


@contextmanager
def _clock_steps(stage: Stage, draw: random.Random, *, steps: bool) -> Iterator[None]:
    """Set the clock before a process starts, and once while it runs."""
    if not steps:
        yield
        return
    stage.set_clock(draw.choice(CLOCKS))
    timer = threading.Timer(draw.uniform(0.5, 3.0), stage.set_clock, [draw.choice(CLOCKS)])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _point(moment: str, wanted: Undisturbed, draw: random.Random, *, share: float = 0.8) -> str:
    """A moment that comes in an undisturbed run; the last ones are left out, since not every run has as many."""
    return f"{moment}:{draw.randint(1, max(1, int(share * wanted.moments[moment])))}"


def judge(stage: Stage, wanted: Undisturbed, found: Findings) -> None:
    """Compare report and ledger with the undisturbed run's."""
    found.lost += _lost(stage, wanted)
    found.doubled += _doubled(stage, wanted)
    found.over_limit += over_limit(stage)
    found.leaked += leaked(stage)


def _lost(stage: Stage, wanted: Undisturbed) -> Iterator[str]:
    try:
        outcomes = stage.outcomes()
    except (OSError, ValueError) as error:
        yield f"no report: {error}"
        return
    times = Counter(key for key, _ in outcomes)
    for key, outcome in wanted.outcomes.items():
        if times[key] != 1:
            yield f"{key} is in the report {times[key]} times"
        elif dict(outcomes)[key] != outcome:
            yield f"{key} is {dict(outcomes)[key]} instead of {outcome}"


def _doubled(stage: Stage, wanted: Undisturbed) -> Iterator[str]:
    yield from (f"{key} was created although it existed" for key in stage.provider.ledger()["duplicates"])
    for operation, effects in stage.effects().items():
        for key, number in effects.items():
            if number > wanted.effects[operation].get(key, 0):
                yield f"{key}: {number} {operation}, {wanted.effects[operation].get(key, 0)} wanted"


def over_limit(stage: Stage) -> Iterator[str]:
    """Windows above their limit, as the gateway saw them."""
    for bucket, seen in stage.provider.ledger()["peaks"]["sim"].items():
        if seen["refused"] or seen["peak"] > int(seen["limit"].partition("/")[0]):
            yield f"{seen['peak']} {bucket} in a window of {seen['limit']}, {seen['refused']} refused"


def leaked(stage: Stage) -> Iterator[str]:
    """Places that hold a secret."""
    texts = {str(path): path.read_bytes() for path in stage.state.rglob("*") if path.is_file()}
    texts["stdout and stderr"] = "".join(stage.said).encode()
    for place, text in texts.items():
        yield from (f"{secret} is in {place}" for secret in (HIDDEN, PASSWORD) if secret.encode() in text)
