"""`retry`: a new run of what an earlier one did not bring about."""

from dataclasses import replace
from functools import partial
from typing import Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.older_runs import force_older_option, left_meanwhile, left_to_later
from batch_deployer.cli.options import examples, permission_options
from batch_deployer.cli.run_options import RunOptions, run_options
from batch_deployer.errors import InputError


@click.command(
    "retry",
    short_help="Run again what failed, was not started or was deferred.",
    epilog=examples("retry latest --failed", "retry latest --failed --not-started", "retry latest --deferred"),
)
@click.argument("run")
@click.option("--failed", is_flag=True, help="Those that failed, timed out, were rejected, unreachable or rolled back.")
@click.option("--not-started", is_flag=True, help="Those that were never started.")
@click.option("--deferred", is_flag=True, help="Those whose cluster was not ready, or that an operator put aside.")
@click.option("--run-id", metavar="ID", help="Name of the new run. Default: time, manifest and a random part.")
@force_older_option
@run_options
@permission_options
@click.pass_obj
def command(
    session: Session,
    /,
    run: str,
    *,
    failed: bool,
    not_started: bool,
    deferred: bool,
    force_older: bool,
    **options: Any,
) -> int:
    """Start a new run of just those deployments of a run that failed, were not started or were deferred, from its plan.

    A deployment that a later run has written since is left as it is: the exit code is 1 then.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.launch import Launch, launch, new_id, open_store
    from batch_deployer.plan.retry import open_keys, plan_retry

    run_id = options.pop("run_id")
    manner = RunOptions.from_click(options)
    if not (failed or not_started or deferred):
        raise InputError("say what to retry: --failed, --not-started, --deferred, or several of them")
    state = session.use_state(manner.state_dir)
    past = read_run(state, run)
    if past.live:
        raise InputError(f"run {past.folder.id} is live; retry it when it has ended")
    if past.folder.meta.extra.get("simulated"):
        raise InputError(f"run {past.folder.id} was simulated, and its simulated clouds are gone; start a new run")
    under_way = open_keys(past.plan, past.events)
    if under_way:
        echo(f"warning: {len(under_way)} deployments may still be under way; `resume {past.folder.id}` is for them")
    chosen = partial(plan_retry, past.plan, past.events, failed=failed, not_started=not_started, deferred=deferred)
    plan = chosen()
    left, note = left_to_later(state, past, [each.key for each in plan.deployments], force=force_older)
    if note:
        echo(note)
        plan = chosen(without=left)
        plan = replace(plan, warnings=(*plan.warnings, note))
    incomplete = 1 if left else 0
    if not plan.deployments:
        echo(f"run {past.folder.id} has nothing to retry")
        return incomplete
    manner.wait_for_start()
    store = open_store(session)
    keys = [each.key for each in plan.deployments]
    what = Launch(
        plan=plan,
        run_id=run_id or new_id(plan.name),
        left=left_meanwhile(state, past, keys, force=force_older, told=note),
        extra={"retries": past.folder.id},
    )
    return launch(what, manner, session, store) or incomplete
