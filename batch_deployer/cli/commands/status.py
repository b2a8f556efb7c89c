"""`status`: how a run stands, live or dead."""

from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import examples, state_dir_option


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
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.terminal import show, width
    from batch_deployer.report.formats.text import to_text
    from batch_deployer.state.run_dir import RunState

    past = read_run(session.use_state(state_dir), run)
    show(to_text(past.story(), width()))
    if past.info.state in (RunState.KILLED, RunState.INTERRUPTED):
        click.echo(f"it can be resumed: batch-deployer resume {past.folder.id}", err=True)
    return 0
