"""`control`: steer a live run from another shell."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import examples, state_dir_option
from batch_deployer.errors import InputError

if TYPE_CHECKING:
    from batch_deployer.app.past_runs import RecordedRun

ORDERS = ("pause", "continue", "halt", "skip", "retry")


@click.command(
    "control",
    short_help="Pause, continue or halt a live run, or set some of it aside.",
    epilog=examples("control latest pause", "control latest continue", "control latest skip 'prod-eu-1/*'"),
)
@click.argument("run")
@click.argument("order", metavar="|".join(ORDERS), type=click.Choice(ORDERS))
@click.argument("which", metavar="[KEY|GLOB]...", nargs=-1)
@state_dir_option
@click.pass_obj
def command(session: Session, run: str, order: str, which: tuple[str, ...], state_dir: Path | None) -> int:
    """Pause, continue or halt a live run, or set some of its deployments aside.

    A paused run starts nothing new until it is told to continue; what is under way is watched to its end.
    A halted run starts nothing more, ends with exit code 4 and can be taken up again with `retry --not-started`.
    `skip` sets deployments aside, named as for --limit: they are deferred until `retry` takes them up again, in this run
    or by `retry RUN --deferred` in a new one. What is under way already is watched on.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.ports import Command, Selection
    from batch_deployer.state.control import post
    from batch_deployer.state.run_dir import RunState
    from batch_deployer.state.state_dir import StateDir

    selects = order in ("skip", "retry")
    if selects is not bool(which):
        advice = "name them by key or glob, as for --limit" if selects else "it is about the whole run"
        raise InputError(f"{order} takes {'at least one deployment' if selects else 'no deployments'}; {advice}")
    place = session.use_state(state_dir)
    state = StateDir(place, write=False)
    folder = state.open_run(run)
    standing = next(info for info in state.runs() if info.id == folder.id)
    if standing.state is not RunState.LIVE:
        raise InputError(f"run {folder.id} is {standing.state}, not live; only a live run can be told to {order}")
    told = f"run {folder.id} is told to {order}"
    if selects:
        told += f" {_chosen(read_run(place, folder.id), order, which)}"
    for target in which or ("",):
        post(folder, Selection(Command(order), target) if selects else Command(order))
    click.echo(told, err=True)
    return 0


def _chosen(past: "RecordedRun", order: str, globs: Sequence[str]) -> str:
    """How many deployments the globs fit, and how many of them have ended. InputError when there is none to steer."""
    from batch_deployer.plan.filters import Globs
    from batch_deployer.report.deployment_history import State

    wanted = Globs(order, globs)
    story = past.story()
    found = [each for each in past.plan.deployments if wanted.fit(each.cluster, each.release)]
    if diagnostics := wanted.diagnostics(past.plan.deployments):
        raise InputError(diagnostics)
    ended = sum(story.records[each.key].state is State.ENDED for each in found)
    if ended == len(found):
        raise InputError(
            f"there is nothing to {order}: {'it has' if ended == 1 else f'all {ended:,} have'} ended already"
        )
    return f"{len(found) - ended:,} deployments" + (f"; {ended:,} more have ended already" if ended else "")
