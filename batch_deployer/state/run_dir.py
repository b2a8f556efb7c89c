"""One run's folder: its frozen plan, journal, report, and how it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import msgspec

from batch_deployer.errors import JournalError
from batch_deployer.model.events import RunFinished, Time
from batch_deployer.state import group_access
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.secret_digests import SecretDigests
from batch_deployer.util import files

_STOPPED = (129, 130, 131, 143)
"""Exit codes of a run that a signal ended."""
_LARGEST_META = 1024 * 1024
_LARGEST_PLAN = 512 * 1024 * 1024
"""Bytes; a plan of all that a manifest may expand to has some 400 MB."""
_LARGEST_SCOPES = 64 * 1024 * 1024


class RunState(StrEnum):
    """How a run stands."""

    LIVE = "live"
    """Its process is there."""
    FINISHED = "finished"
    """It ended by itself; the exit code says how."""
    INTERRUPTED = "interrupted"
    """It was stopped by a signal and can be resumed."""
    KILLED = "killed"
    """Its process is gone without a last word; it can be resumed."""
    DAMAGED = "damaged"
    """Its journal cannot be read."""


class RunMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before it begins."""

    manifest: str
    """The manifest's name."""
    started: Time
    """Wall clock, seconds since the epoch; only shown, since clocks may be wrong."""
    number: Annotated[int, msgspec.Meta(ge=0, lt=10**11)] = 0
    """Place in the order of the state folder's runs, counted from 1; given when the run is put in place."""
    extra: dict[str, str] = {}
    """Whatever else a later command wants to know (path of the manifest, command line)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A line of the list of runs."""

    id: str
    number: int
    """Place in the order of the state folder's runs."""
    manifest: str
    started: float
    """Wall clock, seconds since the epoch."""
    state: RunState
    exit_code: int | None
    """None: it has not ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDir:
    """The folder of one run."""

    id: str
    path: Path
    meta: RunMeta = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The run of a folder. JournalError when it is none, or cannot be read."""
        file = path / "run.json"
        try:
            meta = msgspec.json.decode(files.read(file, _LARGEST_META), type=RunMeta)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            why = getattr(error, "strerror", None) or error
            raise JournalError(f"cannot read {file}: {why}; put the folder of this run aside") from error
        return cls(id=path.name, path=path, meta=meta)

    @property
    def plan_path(self) -> Path:
        """The frozen plan."""
        return self.path / "plan.json"

    @property
    def journal_path(self) -> Path:
        """The journal."""
        return self.path / "journal.db"

    @property
    def report_path(self) -> Path:
        """Folder of the reports."""
        return self.path / "report"

    @property
    def control_path(self) -> Path:
        """Where operators leave commands."""
        return self.path / "control"

    def share_report(self) -> None:
        """Let the group of a shared state folder read the report."""
        if files.is_shared(self.path) and self.report_path.is_dir():
            group_access.share_tree(self.report_path, self.path.stat().st_gid)

    def plan_text(self) -> str:
        """The frozen plan as it was stored. JournalError when it is gone."""
        try:
            return files.read(self.plan_path, _LARGEST_PLAN).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise JournalError(f"cannot read {self.plan_path}: {why}; without its plan a run cannot go on") from error

    def scopes(self) -> Mapping[str, str]:
        """Cluster id to the scope whose limits its writes count against."""
        try:
            return msgspec.json.decode(files.read(self.path / "scopes.json", _LARGEST_SCOPES), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}

    def remember_secrets(self, texts: Mapping[str, str]) -> None:
        """Keep salted digests of secrets (name to plain text), so that `changed_secrets` can tell."""
        self._secrets().remember(texts)

    def changed_secrets(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Names of secrets that are not what they were when remembered."""
        return self._secrets().changed(texts)

    def info(self, *, live: bool) -> RunInfo:
        """How the run stands, given whether its process is there. One glance at the journal's end."""
        state, code = (RunState.LIVE, None) if live else self._ending()
        meta = self.meta
        return RunInfo(
            id=self.id, number=meta.number, manifest=meta.manifest, started=meta.started, state=state, exit_code=code
        )

    def _ending(self) -> tuple[RunState, int | None]:
        if not self.journal_path.exists():
            return RunState.KILLED, None
        try:
            with JournalReader(self.journal_path, brief=True) as reader:
                last = reader.ending()
        except JournalError:
            return RunState.DAMAGED, None
        if not isinstance(last, RunFinished):
            return RunState.KILLED, None
        return RunState.INTERRUPTED if last.exit_code in _STOPPED else RunState.FINISHED, last.exit_code

    def _secrets(self) -> SecretDigests:
        return SecretDigests(self.path / "secrets.json")


def new_run_id(name: str, wall: float, draw: float) -> str:
    """`20261123T220000Z-name-4hex`: sorts by time. `wall`: seconds since the epoch; `draw`: chance in [0, 1)."""
    at = datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = re.sub(r"[^A-Za-z0-9._]+", "-", name)[:60].strip("-.") or "run"
    return f"{at}-{safe}-{int(draw * 0x10000):04x}"
