"""`runs`: every run of the state folder, one line each."""

from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import examples, state_dir_option


@click.command("runs", short_help="List all runs.", epilog=examples("runs"))
@state_dir_option
@click.pass_obj
def command(session: Session, state_dir: Path | None) -> int:
    """List all runs, oldest first, and how each stands."""
    from batch_deployer.cli.terminal import show, width
    from batch_deployer.report.formats.text import table
    from batch_deployer.state.state_dir import StateDir
    from batch_deployer.util.text import utc

    folder = session.use_state(state_dir)
    found = StateDir(folder, write=False).runs()
    if not found:
        click.echo(f"there is no run in {folder} yet", err=True)
        return 0
    rows = [("no.", "run", "manifest", "started", "state", "exit code")]
    rows += [
        (
            str(run.number),
            run.id,
            run.manifest,
            utc(run.started),
            run.state.value,
            "" if run.exit_code is None else str(run.exit_code),
        )
        for run in found
    ]
    show(table(rows, width(), frozenset({0, 5})))
    return 0
