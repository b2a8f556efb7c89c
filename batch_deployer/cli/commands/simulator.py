"""`simulator`: the simulated provider as a server, for a run in another shell."""

import secrets
from pathlib import Path

import click

from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.options import FILE, examples


@click.command(
    "simulator",
    short_help="Serve a simulated provider on loopback.",
    epilog=examples("simulator --port 8443 --speed 60", "simulator --manifest manifest.yaml"),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: any free one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is left to chance.")
@click.option("--faults", metavar="FILE", help="A fault file, or the name of a preset.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.01, max=10_000),
    default=1.0,
    show_default=True,
    help="How many times faster releases install; the gateway's limits keep real time.",
)
@click.option("--manifest", type=FILE, help="Hold the clusters and charts that this manifest names. Default: some.")
@click.option("--clouds", type=click.IntRange(1, 100), default=3, show_default=True, help="Clouds, without --manifest.")
@click.option(
    "--clusters", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Clusters, without --manifest."
)
@click.option("--ledger-file", type=FILE, help="Append what really happens to this file, one JSON line each.")
def command(
    *,
    host: str,
    port: int,
    seed: int,
    faults: str | None,
    speed: float,
    manifest: Path | None,
    clouds: int,
    clusters: int,
    ledger_file: Path | None,
) -> int:
    """Serve a simulated provider (identity service and CCE) over HTTP on loopback until stopped.

    Prints its URL on stdout once it serves, and on stderr how to log in: user, password and access key are new each time.
    """
    from batch_deployer.app.simulation import read_faults, serve_until_stopped, world_of
    from batch_deployer.simulator.http.admin import ADMIN_HEADER

    world = world_of(manifest, clouds=clouds, clusters=clusters, seed=seed)
    admin_token = secrets.token_urlsafe(16)
    echo(f"clouds: {', '.join(f'{cloud.name} (project {cloud.project_id})' for cloud in world.clouds)}")
    account = world.account
    echo(f"password login: user {account.user}, password {account.password}, domain {account.domain}")
    echo(f"access key {account.access_key}, secret key {account.secret_key}")
    echo(f"administration: header {ADMIN_HEADER}: {admin_token}")
    serve_until_stopped(
        world, admin_token=admin_token, host=host, port=port, seed=seed, speed=speed, faults=read_faults(faults), ledger_file=ledger_file,
        ready=click.echo,
    )  # fmt: skip
    return 0
