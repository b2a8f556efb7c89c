"""`control`: steer a live run from another shell."""

from pathlib import Path

import click

from batch_deployer.cli.options import examples, state_dir_option
from batch_deployer.cli.session import Session
from batch_deployer.errors import BadInput


@click.command(
    "control",
    short_help="Pause, continue or halt a live run.",
    epilog=examples("control latest pause", "control latest continue"),
)
@click.argument("run")
@click.argument("order", metavar="pause|continue|halt", type=click.Choice(["pause", "continue", "halt"]))
@state_dir_option
@click.pass_obj
def command(session: Session, run: str, order: str, state_dir: Path | None) -> int:
    """Pause, continue or halt a live run.

    A paused run starts nothing new until it is told to continue; what is under way is watched to its end.
    A halted run starts nothing more, ends with exit code 4 and can be taken up again with `retry --not-started`.
    """
    from batch_deployer.journal.control import post
    from batch_deployer.journal.runs import RunState
    from batch_deployer.journal.state import StateDir
    from batch_deployer.ports import Command

    state = StateDir(session.use_state(state_dir), write=False)
    folder = state.open_run(run)
    standing = next(info for info in state.runs() if info.id == folder.id)
    if standing.state is not RunState.LIVE:
        raise BadInput(f"run {folder.id} is {standing.state}, not live; only a live run can be told to {order}")
    post(folder, Command(order))
    click.echo(f"run {folder.id} is told to {order}", err=True)
    return 0
