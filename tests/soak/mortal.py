"""The program itself, except that it kills its own process (SIGKILL) at the n-th moment of a kind.

    MORTAL_AT=sent:3 python tests/soak/mortal.py run manifest.yaml --yes

Without MORTAL_AT it lives; MORTAL_COUNTS names a file that then gets how often each moment came. MORTAL_FSIZE: bytes that
no file may exceed, for a disk that gets full. MORTAL_LEASE: seconds that the run lock's lease lasts.
"""

import asyncio
import atexit
import json
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch_deployer.app import runner
from batch_deployer.cli import launch
from batch_deployer.cli.main import main
from batch_deployer.model.api import Answer, Call
from batch_deployer.model.events import Event, Intended
from batch_deployer.report import files as report_writing
from batch_deployer.rules import moving_window
from batch_deployer.settings import LeaseSettings
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.transport.session import Attempt

MOMENTS = ("intent", "intended", "sent", "replied", "look", "report")
"""Before an intent is durable; after; a write's bytes are out; its reply is there and nothing noted of it; a look's
reply is there; before and after each report file."""

_moment, _, _number = os.environ.get("MORTAL_AT", "").partition(":")
_counts: Counter[str] = Counter()


def pass_by(moment: str) -> None:
    """Count the moment; die if it is the one."""
    _counts[moment] += 1
    if moment == _moment and _counts[moment] == int(_number):
        os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal(SqliteJournal):
    """Dies around intents."""

    async def record(self, *events: Event) -> None:
        intent = any(isinstance(event, Intended) for event in events)
        if intent:
            pass_by("intent")
        await super().record(*events)
        if intent:
            pass_by("intended")


class MortalApi:
    """Dies with replies in its hand."""

    def __init__(self, api: Any) -> None:
        self._api = api

    async def call(self, call: Call, on_sent: Callable[[], None]) -> Answer:
        answer: Answer = await self._api.call(call, on_sent)
        if call.writes:
            pass_by("replied")
        elif call.kind == "list_releases":
            pass_by("look")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


@asynccontextmanager
async def opened(*args: Any, **more: Any) -> Any:
    """As the product opens them, but mortal."""
    async with _opened(*args, **more) as apis:
        yield {name: MortalApi(api) for name, api in apis.items()}


def leave(self: Attempt) -> None:
    """Let a request leave, and for a write die once its bytes have been handed to the system."""
    _leave(self)
    if self._fence is not None:
        _after_turns(5, "sent")


def _after_turns(turns: int, moment: str) -> None:
    """aiohttp writes in a task of its own, and uvloop hands the bytes over at the end of the loop's turn."""
    if turns:
        asyncio.get_running_loop().call_soon(_after_turns, turns - 1, moment)
    else:
        pass_by(moment)


def write_whole(path: Path, pieces: Iterable[str], **more: bool) -> None:
    """Write, and die before or after."""
    pass_by("report")
    _write_whole(path, pieces, **more)
    pass_by("report")


class Hasty(runner.Runner):
    """Has a short lease, and bounds of its writes that fit into it."""

    def __init__(self, task: runner.Task, audience: Any) -> None:
        length = float(os.environ["MORTAL_LEASE"])
        settings = task.plan.settings
        settings = replace(
            settings,
            lease=LeaseSettings(length=length, heartbeat=length / 10),
            wire=replace(settings.wire, write_timeout=length / 4),
        )
        super().__init__(replace(task, plan=replace(task.plan, settings=settings)), audience)


_opened, runner.open_apis = runner.open_apis, opened  # type: ignore[attr-defined, assignment]
_leave, Attempt.leave = Attempt.leave, leave  # type: ignore[method-assign]
_write_whole, report_writing.write_whole = report_writing.write_whole, write_whole
runner.SqliteJournal = MortalJournal  # type: ignore[attr-defined, misc]

if __name__ == "__main__":
    # Many processes share a few cores here, and a provider that is held up counts a call when it awakes.
    moving_window.MIN_MAX_LATENESS_SECONDS = 1.0
    if "MORTAL_LEASE" in os.environ:
        launch.Runner = Hasty  # type: ignore[attr-defined, misc]
    if limit := int(os.environ.get("MORTAL_FSIZE") or 0):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if "MORTAL_COUNTS" in os.environ:
        atexit.register(lambda: Path(os.environ["MORTAL_COUNTS"]).write_text(json.dumps(_counts)))
    sys.exit(main())
