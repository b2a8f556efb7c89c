"""`plan`: what `run` would do, and why; nothing is written."""

import json
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.options import (
    FILE,
    NamedOption,
    chosen_options,
    examples,
    manifest_argument,
    permission_options,
    state_dir_option,
    wait_option,
)


@click.command(
    "plan",
    short_help="Show what a run would do, and why.",
    epilog=examples("plan manifest.yaml", "plan manifest.yaml --out tonight.plan", title="Examples"),
)
@manifest_argument
@chosen_options
@click.option(
    "--format",
    "kind",
    cls=NamedOption,
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is told.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 8 for changes, 1 when a run would reject a deployment, 0 otherwise.",
)
@click.option(
    "--show-values",
    is_flag=True,
    help="Show changed values when stdout is not a terminal; values of keys that name secrets stay hidden.",
)
@click.option("--out", type=FILE, help="Save the plan, for `run --plan`.")
@wait_option
@state_dir_option
@permission_options
@click.pass_obj
def command(session: Session, /, manifest: Path, **options: Any) -> int:
    """Look at what the clouds run and show what a run would do to each deployment, and why."""
    from batch_deployer.app.learned import known_durations
    from batch_deployer.app.preview import basis, preview
    from batch_deployer.app.runtime import run_in_loop
    from batch_deployer.app.secrets import resolve_all
    from batch_deployer.cli.launch import open_store
    from batch_deployer.cli.plan_output import (
        as_data,
        as_text,
        blocked,
        changes,
        chosen_plan,
        for_preview,
        plan_key,
        show_warnings,
    )
    from batch_deployer.cli.plan_summary import (
        changes_text,
        extra_values_text,
        plan_summary,
        plan_summary_data,
        plan_summary_text,
        value_changes,
    )
    from batch_deployer.cli.terminal import show
    from batch_deployer.plan.serialization import dump_plan
    from batch_deployer.report.files import write_whole
    from batch_deployer.state.state_dir import StateDir

    store = open_store(session)
    patience = for_preview(options)
    plan = chosen_plan(manifest, options | {"saved": None}, store, patience)
    show_warnings(plan)
    resolve_all(plan, store)
    state = StateDir(session.use_state(options["state_dir"]), write=False)
    survey = run_in_loop(lambda: preview(plan, store, state, patience(plan.settings)))
    for warning in survey.warnings:
        echo(f"warning: {warning}")
    changed = value_changes(plan, survey, store, values=options["show_values"] or sys.stdout.isatty())
    cast = plan_summary(plan, survey, known_durations(state.path))
    if options["kind"] == "json":
        data = as_data(plan, survey, changed) | {"forecast": plan_summary_data(cast)}
        show([json.dumps(data, indent=2, ensure_ascii=False), "\n"])
    else:
        show(
            chain(
                as_text(plan, survey),
                changes_text(plan, changed),
                extra_values_text(plan, survey),
                plan_summary_text(cast),
            )
        )
    if survey.dead:
        for text in survey.dead:
            echo(store.redact(f"error: {text}"))
        echo("error: the plan is not complete" + (", and not saved" if options["out"] is not None else ""))
        return survey.exit_code or 1
    if options["out"] is not None:
        write_whole(options["out"], [dump_plan(replace(plan, expected=basis(survey)), plan_key())])
        echo(f"saved; run it with: batch-deployer run {manifest} --plan {options['out']}")
    if survey.exit_code or not options["detailed_exitcode"]:
        return survey.exit_code
    if number := blocked(survey):
        echo(f"{number:,} of {len(plan.deployments):,} deployments are blocked: a run would exit with 1")
        return 1
    return 8 if changes(survey) else 0
