"""An operator's commands to some deployments of a run: set them aside, or take them up again."""

from collections.abc import Sequence

from batch_deployer.engine.context import RunContext
from batch_deployer.engine.deferral import PUT_ASIDE, defer, requeue
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral
from batch_deployer.plan.filters import Globs
from batch_deployer.ports import Command, Selection
from batch_deployer.rules.lifecycle import UNDER_WAY, Phase
from batch_deployer.util.text import clean


def steer(run: RunContext, selection: Selection) -> None:
    """Obey a command to the deployments that a glob fits, and announce what came of it."""
    globs = Globs("", [selection.glob])
    found = [each for each in run.states.values() if globs.fit(each.deployment.cluster, each.deployment.release)]
    states = [track for track in found if track.phase is not Phase.FINISHED]
    told = _skip(run, states) if selection.command is Command.SKIP else _retry(run, states)
    ended = len(found) - len(states)
    told += f"; {ended:,} have ended and stay as they are" if ended else ""
    message = f"an operator asked to {selection.command} {clean(selection.glob, 200)}: {told}"
    run.announce(e.Warned(at=run.wall(), message=message))


def _skip(run: RunContext, states: Sequence[DeploymentState]) -> str:
    """Set aside what is not under way; the rest if its write turns out not to have been executed."""
    busy = 0
    for track in states:
        run.skipped.add(track.key)
        if track.phase in UNDER_WAY:
            busy += 1
        else:
            defer(run, track, Deferral.OPERATOR, PUT_ASIDE)
    under_way = f"; {busy:,} are under way and are watched on" if busy else ""
    return f"{len(states) - busy:,} deployments are put aside{under_way}"


def _retry(run: RunContext, states: Sequence[DeploymentState]) -> str:
    """Requeue what was put aside, and ask at once for the phases that others wait for."""
    aside = [track for track in states if track.deferral is Deferral.OPERATOR]
    for track in states:
        run.skipped.discard(track.key)
    for track in aside:
        if track.deferral is Deferral.OPERATOR:  # not with another one already
            requeue(run, track)
    asleep = {track.deployment.cluster.cloud for track in states if track.deferral is Deferral.CLUSTER}
    for scheduler in (run.schedulers[name] for name in sorted(asleep)):
        if scheduler.open:
            scheduler.ask(*scheduler.health.questions(scheduler.queues, run.now()))
    return f"{len(aside):,} deployments are taken up again"
