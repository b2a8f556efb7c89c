"""`validate`: every fault of a manifest, nothing sent."""

import os
from pathlib import Path

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import examples, manifest_argument, profile_option, secrets_option


@click.command(
    "validate",
    short_help="Check a manifest; nothing is sent.",
    epilog=examples("validate manifest.yaml", "validate manifest.yaml --profile dr"),
)
@manifest_argument
@profile_option
@secrets_option
@click.pass_obj
def command(session: Session, manifest: Path, profile: str | None) -> int:
    """Check a manifest and every file it names. Nothing is sent; every fault is told at once, as file:line:column."""
    from batch_deployer.cli.plan_output import show_warnings
    from batch_deployer.manifest.loader import load
    from batch_deployer.plan.builder import build_plan

    found = load(manifest, os.environ, profile=profile, permissions=session.permissions)
    if found.discover:
        asked = ", ".join(sorted({question.cloud for question in found.discover}))
        click.echo(f"{manifest} is fine; how much it deploys depends on the clusters that {asked} has (see `plan`)")
        return 0
    plan = build_plan(found)
    show_warnings(plan)
    clusters = len({each.cluster.id for each in plan.deployments})
    releases = len({each.release.label for each in plan.deployments})
    click.echo(
        f"{manifest} is fine: {_count(len(plan.deployments), 'deployment')} of {_count(releases, 'release')} "
        f"on {_count(clusters, 'cluster')} in {_count(len(plan.clouds), 'cloud')}, {_count(len(plan.waves), 'wave')}"
    )
    return 0


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
