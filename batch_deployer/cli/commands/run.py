"""`run`: bring about what a manifest says."""

import os
from pathlib import Path
from typing import Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import (
    FILE,
    NamedOption,
    chosen_options,
    examples,
    manifest_argument,
    permission_options,
)
from batch_deployer.cli.run_options import RunOptions, run_options
from batch_deployer.errors import InputError


@click.command(
    "run",
    short_help="Bring about what a manifest says.",
    epilog=examples(
        "run manifest.yaml",
        "run manifest.yaml --limit 'prod-eu-*' --deadline 2h --report reports/",
        "run manifest.yaml --simulate --speed 60 --faults rough",
        title="Examples",
    ),
)
@manifest_argument
@chosen_options
@click.option(
    "--plan",
    "saved",
    cls=NamedOption,
    type=FILE,
    help="Run this saved plan (`plan --out`), unless the clouds moved since.",
)
@click.option("--simulate", is_flag=True, help="Run against a simulated provider that this command starts itself.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --simulate: of all that is left to chance.")
@click.option("--faults", metavar="FILE", help="With --simulate: a fault file, or the name of a preset.")
@click.option(
    "--speed",
    type=click.FloatRange(min=1, max=10_000),
    default=1.0,
    show_default=True,
    help="With --simulate: how many times faster time passes; limits and looks follow.",
)
@click.option("--run-id", metavar="ID", help="Name of the run. Default: time, manifest and a random part.")
@click.option("--yes", is_flag=True, help="Skip the question that is asked where there is a terminal.")
@run_options
@permission_options
@click.pass_obj
def command(session: Session, /, manifest: Path, **options: Any) -> int:
    """Create, upgrade and watch what MANIFEST wants, within the limits, and report.

    Where there is a terminal, shows the plan there and asks, wherever output is redirected to; not with --yes or
    --simulate.
    """
    manner = RunOptions.from_click(options)
    if not options["simulate"] and (given := _given("seed", "faults", "speed")):
        raise InputError(f"--{given} only makes sense with --simulate")
    manner.wait_for_start()
    if options["simulate"]:
        return _simulated(session, manifest, manner, options)
    return _real(session, manifest, manner, options)


def _given(*names: str) -> str:
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    return next((name for name in names if context.get_parameter_source(name) is not default), "")


def _real(session: Session, manifest: Path, manner: RunOptions, options: dict[str, Any]) -> int:
    from batch_deployer.app.preview import check_unchanged, preview
    from batch_deployer.app.runtime import run_in_loop
    from batch_deployer.app.secrets import resolve_all
    from batch_deployer.cli.launch import Launch, launch, new_id, open_store
    from batch_deployer.cli.plan_output import chosen_plan, confirm, show_warnings, to_run
    from batch_deployer.cli.terminal import Terminal
    from batch_deployer.state.state_dir import StateDir

    terminal = None if options["yes"] else Terminal.find()
    store = open_store(session)
    plan = chosen_plan(manifest, options, store)
    show_warnings(plan)
    if terminal is not None or plan.expected:
        resolve_all(plan, store)
        state = StateDir(session.use_state(manner.state_dir), write=False)
        survey = run_in_loop(lambda: preview(plan, store, state, to_run(plan.settings)))
        check_unchanged(plan, survey)
        if terminal is not None:
            confirm(plan, survey, terminal)
    what = Launch(plan=plan, run_id=options["run_id"] or new_id(plan.name), extra=_extra(manifest))
    return launch(what, manner, session, store)


def _simulated(session: Session, manifest: Path, manner: RunOptions, options: dict[str, Any]) -> int:
    from batch_deployer.app.simulation import simulated
    from batch_deployer.cli.error_handler import echo
    from batch_deployer.cli.launch import Launch, launch, new_id, open_store
    from batch_deployer.cli.plan_output import chosen_plan, show_warnings

    store = open_store(session, placeholders=True)
    plan = chosen_plan(manifest, options, store, simulated=True)
    show_warnings(plan)
    seed = options["seed"]
    with simulated(plan, seed=seed, speed=options["speed"], faults=options["faults"]) as world:
        echo(
            f"simulating {len(plan.clouds)} clouds at {world.process.url}, {options['speed']:g} times as fast, seed {seed}"
        )
        what = Launch(
            plan=world.plan,
            run_id=options["run_id"] or new_id(plan.name),
            extra=_extra(manifest) | {"simulated": "yes"},
            seed=seed,
            simulated=True,
        )
        try:
            return launch(what, manner, session, store)
        finally:
            echo(world.proof())


def _extra(manifest: Path) -> dict[str, str]:
    # For people only. A path need not be Unicode, and what is kept must be.
    paths = {"manifest": str(manifest.absolute()), "folder": os.getcwd()}  # noqa: PTH109 - as text
    return {name: path.encode("utf-8", "backslashreplace").decode() for name, path in paths.items()}
