"""`explain`: the whole story of one deployment of a run."""

import time
from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import examples, state_dir_option


@click.command(
    "explain",
    short_help="Tell one deployment's whole story.",
    epilog=examples("explain latest prod-eu-1/monitoring/node-exporter"),
)
@click.argument("run")
@click.argument("key")
@state_dir_option
@click.pass_obj
def command(session: Session, run: str, key: str, state_dir: Path | None) -> int:
    """Say what a deployment waits for, why, since when and until when, and all that happened to it.

    KEY is cluster-id/namespace/name or cluster-name/namespace/name.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.terminal import show
    from batch_deployer.report.explain import explain
    from batch_deployer.rules.wall_clock import steady

    past = read_run(session.use_state(state_dir), run)
    show([explain(past.plan, list(steady(past.events)), key, time.time(), alive=past.live)])
    return 0
