"""`diff`: what changed from one run to another."""

from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import NamedOption, examples, state_dir_option


@click.command(
    "diff", short_help="Show what changed between two runs.", epilog=examples("diff 20260101T220000Z 20260102T220000Z")
)
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@click.option(
    "--format",
    "kind",
    cls=NamedOption,
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is told.",
)
@state_dir_option
@click.pass_obj
def command(session: Session, before: str, after: str, kind: str, state_dir: Path | None) -> int:
    """Show what changed between two runs: outcomes, versions, values, durations, what is new and what is gone."""
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.terminal import show, width
    from batch_deployer.report.diff import compare, to_json, to_text

    folder = session.use_state(state_dir)
    difference = compare(read_run(folder, before).story(), read_run(folder, after).story())
    show([to_json(difference)] if kind == "json" else to_text(difference, width()))
    return 0
