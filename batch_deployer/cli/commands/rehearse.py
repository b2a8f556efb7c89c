"""`rehearse`: how long would it take? The real engine against a simulated fleet, in virtual time."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import (
    DURATION,
    examples,
    manifest_argument,
    profile_option,
    secrets_option,
    state_dir_option,
)
from batch_deployer.util.text import span

if TYPE_CHECKING:
    from batch_deployer.app.rehearsal import RehearsalResult

MANY = 5000
"""Deployments from which fewer rehearsals are played unless asked for."""


@click.command(
    "rehearse",
    short_help="Say how long a rollout would take.",
    epilog=examples(
        "rehearse manifest.yaml --rto 30m", "rehearse manifest.yaml --clusters 500 --faults rough --runs 20"
    ),
)
@manifest_argument
@profile_option
@click.option(
    "--clusters", type=click.IntRange(1, 100_000), help="Rehearse for this many clusters, like the manifest's."
)
@click.option("--faults", type=str, help="Fault file, or one of calm, rough, storm, outage.")
@click.option("--rto", type=DURATION, help="Recovery time objective; exit 1 when 95% of the rehearsals do not keep it.")
@click.option("--runs", type=click.IntRange(1, 1000), help=f"Rehearsals. Default: 20, or 4 from {MANY} deployments on.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the first rehearsal.")
@state_dir_option
@secrets_option
@click.pass_obj
def command(  # noqa: PLR0917 - click hands each option over
    session: Session,
    manifest: Path,
    profile: str | None,
    clusters: int | None,
    faults: str | None,
    rto: float | None,
    runs: int | None,
    seed: int,
    state_dir: Path | None,
) -> int:
    """Say how long a rollout would take, how many calls, and what limits it. No cloud is called.

    Clusters that a manifest would ask a cloud for are made up, as many as --clusters says.

    Install times come from past runs in the state folder where there are enough of them, else they are guesses.
    """
    from batch_deployer.app.learned import known_durations
    from batch_deployer.app.load_plan import Choice, load_plan
    from batch_deployer.app.rehearsal import rehearse, scaled
    from batch_deployer.app.secrets import SecretStore
    from batch_deployer.app.simulation import read_faults

    store = SecretStore(os.environ, manifest.parent, session.permissions)
    session.redact = store.redact
    plan = load_plan(manifest, Choice(profile=profile), store, os.environ, simulated=True, clusters=clusters or 0)
    plan = scaled(plan, clusters) if clusters else plan
    number = runs or (4 if len(plan.deployments) >= MANY else 20)
    done = rehearse(
        plan,
        seeds=range(seed, seed + number),
        faults=read_faults(faults),
        durations=known_durations(session.use_state(state_dir)),
    )
    for line in _as_text(done, rto):
        click.echo(line)
    return 1 if rto is not None and done.recovered > rto else 0


def _as_text(done: "RehearsalResult", rto: float | None) -> Iterator[str]:
    """What a person wants to know, line by line."""
    yield f"{done.deployments} deployments on {done.clusters} clusters, rehearsed {len(done.trials)} times"
    yield f"duration     median {span(done.median)}, p95 {span(done.p95)}"
    yield f"limited by   {done.bottleneck or 'nothing'}"
    calls = ", ".join(f"{number} {kind}" for kind, number in done.calls.items())
    yield f"API calls    {sum(done.calls.values())} ({calls})"
    source = ", ".join(done.from_history)
    yield f"install time {f'from past runs for {source}, else guessed' if source else 'guessed: no past run to learn from'}"
    bad = [trial for trial in done.trials if trial.exit_code]
    if bad:
        yield f"not clean    {len(bad)} of {len(done.trials)}; seed {bad[0].seed}: {bad[0].reason}"
    waiting = [trial for trial in done.trials if trial.outcomes.get("deferred")]
    if waiting:
        most = max(waiting, key=lambda trial: trial.outcomes["deferred"])
        yield (
            f"deferred     in {len(waiting)} of {len(done.trials)}, up to {most.outcomes['deferred']} deployments "
            f"(seed {most.seed}): their clusters were not ready, so they are in none of these times"
        )
    if rto is not None:
        if done.recovered < math.inf:
            told = f"95% were whole within {span(done.recovered)}"
        else:
            told = "too many rehearsals did not bring everything about"
        yield f"RTO          {span(rto)}: {'kept' if done.recovered <= rto else 'missed'} ({told})"
