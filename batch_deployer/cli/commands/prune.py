"""`prune`: remove old runs from the state folder."""

import time
from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import DURATION, examples, state_dir_option


@click.command("prune", short_help="Remove old runs.", epilog=examples("prune --older-than 90d"))
@click.option(
    "--older-than", type=DURATION, required=True, metavar="DURATION", help="Age since a run's start, for example 90d."
)
@state_dir_option
@click.pass_obj
def command(session: Session, older_than: float, state_dir: Path | None) -> int:
    """Remove old runs that finished: plans, journals and reports.

    The newest run of a manifest stays, and so does every run that did not finish, since it may be resumed; to give one up,
    remove its folder.
    """
    from batch_deployer.cli.terminal import show
    from batch_deployer.state.state_dir import StateDir

    gone = StateDir(session.use_state(state_dir)).prune(older_than, now=time.time())
    show(f"{run.id}\n" for run in gone)
    click.echo(f"removed {len(gone)} run{'' if len(gone) == 1 else 's'}", err=True)
    return 0
