"""The simulator in a process of its own, with a ready line to wait for; it ends with its parent unless told otherwise."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.simulator.faults import files as fault_files
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.http.admin import ADMIN_HEADER
from batch_deployer.simulator.world.world import World

_INHERITED = ("COVERAGE_", "LC_", "LD_", "PYTHON", "XDG_CACHE_")
_INHERITED_NAMES = {"HOME", "LANG", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "VIRTUAL_ENV"}


def child_command(module: str) -> list[str]:
    """Command line of a child interpreter that runs `module`.

    `-P` keeps the working folder off the module path: it may hold files of a contributor who is not trusted.
    """
    return [sys.executable, "-P", "-m", module]


def child_environment() -> dict[str, str]:
    """Environment of a child interpreter: what Python needs to start, and no credential."""
    return {
        name: value for name, value in os.environ.items() if name in _INHERITED_NAMES or name.startswith(_INHERITED)
    }


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is told, as one line of JSON on its standard input."""

    world: World
    seed: int | str = 0
    speed: float = 1.0
    faults: msgspec.Raw = msgspec.Raw(b"[]")
    host: str = "127.0.0.1"
    port: int = 0
    ledger_file: str = ""
    admin_token: str
    outlive: bool = False
    """Go on when the parent is gone; somebody has to call `stop`, or to end the process."""


class SimulatorProcess:
    """Starts in `__enter__`; `url` and `pid` are known from then on.

    The child leads a session of its own, so a Ctrl-C for the parent does not end the simulator under its feet.
    """

    def __init__(
        self,
        world: World,
        *,
        seed: int | str = 0,
        speed: float = 1.0,
        faults: Sequence[FaultRule] | str = (),
        port: int = 0,
        ledger_file: Path | None = None,
        outlive: bool = False,
    ) -> None:
        """`faults`: rules, or the text of a fault file, or the name of a preset."""
        rules = fault_files.load(faults) if isinstance(faults, str) else faults
        self.admin_token = secrets.token_urlsafe(16)
        self._options = Options(
            world=world,
            admin_token=self.admin_token,
            seed=seed,
            speed=speed,
            faults=msgspec.Raw(fault_files.dump(rules)),
            port=port,
            ledger_file=str(ledger_file) if ledger_file is not None else "",
            outlive=outlive,
        )
        self.world = world
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    def __enter__(self) -> Self:
        """Start, and wait until it serves. InputError with the child's words when it cannot."""
        self._process = process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            child_command("batch_deployer.simulator"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for")
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(self._options) + b"\n")
            process.stdin.flush()
        line = process.stdout.readline().decode().strip()
        process.stdout.close()
        if not line.startswith("ready "):
            self.stop()
            raise InputError(line.removeprefix("error ") or "the simulator ended before it was ready")
        if self._options.outlive:
            process.stdin.close()
        self.url = line.removeprefix("ready ")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """End the child; does nothing when it has ended already."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def ledger(self) -> dict[str, Any]:
        """`GET /_sim/ledger`: what really happened."""
        found: dict[str, Any] = self.get("ledger")
        return found

    def releases(self) -> dict[str, Any]:
        """`GET /_sim/releases`: every release there is, by key."""
        found: dict[str, Any] = self.get("releases")
        return found

    def get(self, name: str) -> Any:
        """`GET /_sim/<name>`."""
        return fetch(self.url, name, self.admin_token)

    def post(self, name: str, body: Any = None) -> Any:
        """`POST /_sim/<name>`."""
        return fetch(self.url, name, self.admin_token, json.dumps(body).encode())


def fetch(url: str, name: str, token: str, body: bytes | None = None) -> Any:
    """Request `/_sim/<name>` of a running simulator at `url`; `token` is its admin token. InputError when nothing answers."""
    request = Request(  # noqa: S310 - loopback
        f"{url}/_sim/{name}", data=body, method="POST" if body is not None else "GET", headers={ADMIN_HEADER: token}
    )
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)
    except URLError as error:
        raise InputError(f"the simulator at {url} does not answer: {error.reason}") from error
