"""Runs as they lie in the state folder, live or dead, folded into stories."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batch_deployer.model.events import Event
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.retry import touched
from batch_deployer.plan.serialization import parse_plan
from batch_deployer.report.run_history import RunHistory, build_history
from batch_deployer.rules.wall_clock import steady
from batch_deployer.state.journal.reader import JournalReader
from batch_deployer.state.run_dir import RunDir, RunInfo, RunState
from batch_deployer.state.state_dir import StateDir


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run as read: its folder, how it stands, its plan and its events."""

    folder: RunDir
    info: RunInfo
    plan: Plan
    events: Iterable[Event]
    """Read anew each time it is gone through, in bounded memory; of a live run as far as it was when it was found."""

    @property
    def live(self) -> bool:
        """Whether its process is there."""
        return self.info.state is RunState.LIVE

    def story(self) -> RunHistory:
        """The fold of its events."""
        return build_history(self.plan, steady(self.events), alive=self.live)


def read_run(state_folder: Path, ref: str) -> RecordedRun:
    """The run that `ref` names (id, prefix, manifest's name, `latest`). InputError or JournalError when it cannot be read."""
    state = StateDir(state_folder, write=False)
    folder = state.open_run(ref)
    info = next(info for info in state.runs() if info.id == folder.id)
    events: Iterable[Event] = _Recorded(folder, brief=info.state is not RunState.LIVE)
    if info.state is RunState.LIVE:
        events = list(events)
    elif info.state is RunState.DAMAGED:
        next(iter(events), None)  # says what is wrong
    return RecordedRun(folder=folder, info=info, plan=parse_plan(folder.plan_text()), events=events)


def superseded(state_folder: Path, past: RecordedRun, keys: Iterable[str]) -> Mapping[str, str]:
    """Those of `keys` that runs numbered above a past one have written since, each with the last of these runs.

    A write whose fate is unknown counts. JournalError when the journal of a later run cannot be read.
    """
    found: dict[str, str] = {}
    wanted = set(keys)
    for info in reversed(StateDir(state_folder, write=False).runs()):
        if not wanted or info.number <= past.folder.meta.number:
            break
        later = read_run(state_folder, info.id)
        if later.folder.meta.extra.get("simulated"):
            continue
        changed = wanted & touched(later.events)
        found |= dict.fromkeys(changed, info.id)
        wanted -= changed
    return found


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The journal of a run, to be gone through again and again."""

    folder: RunDir
    brief: bool

    def __iter__(self) -> Iterator[Event]:
        if self.folder.journal_path.exists():
            with JournalReader(self.folder.journal_path, brief=self.brief) as reader:
                yield from reader.events()
