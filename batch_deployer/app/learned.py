"""What runs learn from each other through the state folder: paces, install times, writes that still count."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from batch_deployer.app.release_memory import ReleaseMemory
from batch_deployer.engine.engine import Engine, PriorState
from batch_deployer.errors import JournalError
from batch_deployer.model.events import Event
from batch_deployer.plan.plan import Plan
from batch_deployer.state.state_dir import StateDir

_WINDOW_MARGIN = 10.0
"""Seconds beyond a window in which a write is still remembered: a commit may have held it up for as long, and clocks differ."""


def load_learned(
    state: StateDir,
    plan: Plan,
    history: Iterable[Event],
    *,
    scopes: Mapping[str, str],
    sharing: Collection[str],
    now: float,
) -> tuple[PriorState, str]:
    """All that earlier runs on the same accounts left behind, and why a part of it cannot be used, if so.

    `scopes`: what the provider throttles as one, by cloud. `sharing`: those whose limits are shared with runs that are
    live, so that what they have sent is known. `now`: wall clock seconds.
    """
    rates: Mapping[tuple[str, str], float] = {}
    durations: Mapping[str, Sequence[float]] = {}
    trouble = ""
    try:
        rates, durations = state.shared.load_rates(), state.shared.durations()
    except JournalError as error:
        trouble = f"paces and durations of earlier runs are not used: {error}"
    recent: dict[str, Sequence[float]] = {}
    known: dict[tuple[str, str], float] = {}
    for name, cloud in plan.clouds.items():
        scope = scopes[name]
        if scope not in sharing:
            recent[name] = state.recent_writes(scope, now - cloud.limits.writes.period - _WINDOW_MARGIN)
        known |= {(name, bucket): rate for (whose, bucket), rate in rates.items() if whose == scope}
    return PriorState(history=history, durations=durations, rates=known, recent_writes=recent), trouble


def save_learned(state: StateDir, scopes: Mapping[str, str], engine: Engine) -> str:
    """Keep what the engine found out; returns why it could not be kept, if so."""
    try:
        rates = {(scopes[name], bucket): rate for (name, bucket), rate in engine.rates.items()}
        state.shared.save_learned(rates, engine.learned)
    except JournalError as error:
        return f"paces and durations of this run are not kept for the next: {error}"
    return ""


def keep_learned(state: StateDir, scopes: Mapping[str, str], engine: Engine, memory: ReleaseMemory) -> Sequence[str]:
    """Keep all that the next runs use, in one transaction. Returns what could not be kept, and why."""
    try:
        with state.shared.together():
            return [trouble for trouble in (save_learned(state, scopes, engine), memory.keep()) if trouble]
    except JournalError as error:
        return [f"what this run has learned is not kept for the next: {error}"]


def scopes_of_clusters(plan: Plan, scopes: Mapping[str, str]) -> Mapping[str, str]:
    """Cluster id to the scope whose limits its writes count against."""
    return {each.cluster.id: scopes[each.cluster.cloud] for each in plan.deployments}


def known_durations(folder: Path) -> Mapping[str, Sequence[float]]:
    """Install times of past runs in a state folder; none when there is no such folder yet, or it cannot be read."""
    if not (folder / "state.db").exists():
        return {}
    try:
        return StateDir(folder, write=False).shared.durations()
    except JournalError:
        return {}  # forecasts are guesses then, and say so
