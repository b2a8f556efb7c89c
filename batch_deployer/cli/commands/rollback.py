"""`rollback`: return what a run changed to what it was before."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.older_runs import force_older_option, left_meanwhile, left_to_later
from batch_deployer.cli.options import examples, permission_options, same_state
from batch_deployer.cli.run_options import RunOptions, run_options
from batch_deployer.errors import InputError
from batch_deployer.util.text import clean

if TYPE_CHECKING:
    from batch_deployer.plan.rollback import RollbackPlan

_MOST = 20


@click.command(
    "rollback",
    short_help="Take back what a run changed.",
    epilog=examples("rollback latest", "rollback latest --delete-created --yes"),
)
@click.argument("run")
@click.option("--delete-created", is_flag=True, help="Also delete the releases that the run created.")
@click.option("--run-id", metavar="ID", help="Name of the new run. Default: time, manifest and a random part.")
@click.option("--yes", is_flag=True, help="Skip the question that is asked where there is a terminal.")
@force_older_option
@run_options
@permission_options
@click.pass_obj
def command(
    session: Session, /, run: str, *, delete_created: bool, yes: bool, force_older: bool, **options: Any
) -> int:
    """Return what a run changed to its earlier revision: waves in reverse, same limits, same safety.

    A release that somebody else or a later run has changed since is left alone and reported, and so is one whose write has
    an unknown fate: the exit code is 1 then.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.launch import Launch, launch, new_id, open_store
    from batch_deployer.cli.terminal import Terminal
    from batch_deployer.plan.rollback import plan_rollback

    run_id = options.pop("run_id")
    manner = RunOptions.from_click(options)
    terminal = None if yes else Terminal.find()
    state = session.use_state(manner.state_dir)
    past = read_run(state, run)
    if past.live:
        halt = f"batch-deployer control {past.folder.id} halt{same_state()}"
        raise InputError(f"run {past.folder.id} is live; halt it first: {halt}")
    if past.folder.meta.extra.get("simulated"):
        raise InputError(f"run {past.folder.id} was simulated, and its simulated clouds are gone")
    undoing = plan_rollback(past.plan, past.events, delete_created=delete_created)
    later, note = left_to_later(state, past, [each.key for each in undoing.plan.deployments], force=force_older)
    if note:
        echo(note)
        undoing = undoing.without(later, note)
    left = list(_left_as_it_is(undoing))
    for line in left:
        echo(line)
    incomplete = 0 if undoing.is_complete else 1
    if not undoing.plan.deployments:
        echo(f"there is nothing to take back of run {past.folder.id}")
        return incomplete
    if terminal is not None:
        shown = () if sys.stderr.isatty() else (f"{line}\n" for line in left)
        terminal.ask(f"Take {len(undoing.plan.deployments):,} deployments back?", shown)
    manner.wait_for_start()
    store = open_store(session)
    keys = [each.key for each in undoing.plan.deployments]
    what = Launch(
        plan=undoing.plan,
        run_id=run_id or new_id(past.plan.name),
        left=left_meanwhile(state, past, keys, force=force_older, told=note),
        extra={"undoes": past.folder.id},
    )
    return launch(what, manner, session, store) or incomplete


def _left_as_it_is(undoing: "RollbackPlan") -> Iterator[str]:
    """The deployments that are not rolled back, with the reason, one line each."""
    for key, why in list(undoing.left.items())[:_MOST]:
        yield f"left as it is: {clean(key)}: {clean(why)}"
    if len(undoing.left) > _MOST:
        yield f"and {len(undoing.left) - _MOST:,} more are left as they are"
