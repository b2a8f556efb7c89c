"""`report`: what a run did, in the chosen format, on stdout."""

from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import NamedOption, examples, state_dir_option


@click.command(
    "report",
    short_help="Print a run's report in any format.",
    epilog=examples("report latest", "report latest --format junit > junit.xml"),
)
@click.argument("run")
@click.option(
    "--format",
    "kind",
    cls=NamedOption,
    type=click.Choice(["text", "json", "junit", "csv", "markdown", "html"]),
    default="text",
    show_default=True,
    help="What the report is written as.",
)
@state_dir_option
@click.pass_obj
def command(session: Session, run: str, kind: str, state_dir: Path | None) -> int:
    """Print the report of a run, while it runs or after.

    RUN is a run's id, the beginning of one, a manifest's name (its latest run) or `latest`.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.terminal import show
    from batch_deployer.report.formats.registry import render

    show(render(kind, read_run(session.use_state(state_dir), run).story()))
    return 0
