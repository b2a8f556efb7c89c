"""Take up a run where its journal ends. A write whose reply is not in the journal is of unknown fate."""

from collections.abc import Iterable
from typing import get_args

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.jobs import HistoryJob
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.lifecycle import UNDER_WAY, Phase

_OF_DEPLOYMENTS = get_args(e.DeploymentEvent)


def replay(run: RunContext, history: Iterable[e.Event]) -> frozenset[int]:
    """Fold the journal into the tracks and line up what was under way; returns the waves whose gate was passed.

    The journal is read once and nothing of it is kept. An empty one changes nothing.
    """
    now, wall = run.now(), run.wall()
    passed: set[int] = set()
    event: e.Event | None = None
    for event in history:
        if isinstance(event, _OF_DEPLOYMENTS):
            track = run.states.get(event.key)
            if track is not None:
                # Wall time is all a journal has. A clock that jumped must not make anything older than it can be.
                track.apply(event, now - max(0.0, wall - event.at))
        elif isinstance(event, e.WavePassed):
            passed.add(event.wave)
    if event is not None:
        _line_up(run, now)
    return frozenset(passed)


def _line_up(run: RunContext, now: float) -> None:
    """Put every deployment where the journal left it."""
    for track in run.states.values():
        track.started_at = now if track.operation is not None else 0.0
        if track.phase is Phase.INTENDED:
            _left_open(run, track)
        if track.phase is Phase.DEFERRED:
            run.locate(track)[1].aside[track.key] = track
        if track.phase in UNDER_WAY:
            if track.deferral is not None:
                run.emit(track, e.Requeued(at=run.wall(), key=track.key))
            scheduler, queue = run.locate(track)
            scheduler.begin(queue)
            queue.watching[track.key] = track
            track.next_poll_at = now
            # How long ago it was accepted only a wall clock knows, and that may have jumped: it gets its time anew.
            track.deadline = now + track.deployment.release.timeout
            track.absent_since, track.absent_polls = None, 0
            scheduler.schedule_poll(queue, now)
            if track.operation is Operation.ROLLBACK and track.return_to:
                track.asking = True
                scheduler.ask(HistoryJob(queue=queue, track=track))
        elif track.phase is Phase.FINISHED:
            run.locate(track)[1].left -= 1
        elif track.phase is Phase.WAITING:
            track.asked_of = ""
            track.not_before = now


def _left_open(run: RunContext, track: DeploymentState) -> None:
    """Mark a write whose reply the journal does not know; it must be read back before anything else is sent."""
    why = "the process ended before the reply was in the journal"
    run.emit(track, e.Uncertain(at=run.wall(), key=track.key, operation=track.operation, why=why))
