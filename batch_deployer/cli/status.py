"""`status`: how a run stands, live or dead."""

from pathlib import Path

import click

from batch_deployer.cli.options import examples, state_dir_option
from batch_deployer.cli.session import Session


@click.command(
    "status",
    short_help="Show how a run stands, live or dead.",
    epilog=examples("status", "status nightly-observability"),
)
@click.argument("run", default="latest")
@state_dir_option
@click.pass_obj
def command(session: Session, run: str, state_dir: Path | None) -> int:
    """Show how a run stands, while it runs or after.

    RUN is a run's id, the beginning of one, a manifest's name (its latest run) or `latest`, the default.
    """
    from batch_deployer.cli.console import show, width
    from batch_deployer.compose.reading import read_run
    from batch_deployer.journal.runs import RunState
    from batch_deployer.report.format_text import to_text

    past = read_run(session.use_state(state_dir), run)
    show(to_text(past.story(), width()))
    if past.info.state in (RunState.KILLED, RunState.INTERRUPTED):
        click.echo(f"it can be resumed: batch-deployer resume {past.folder.id}", err=True)
    return 0
