"""`resume`: take up a run whose process is gone."""

import collections
from collections.abc import Mapping
from typing import Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.older_runs import force_older_option, left_to_later
from batch_deployer.cli.options import examples, permission_options
from batch_deployer.cli.run_options import RunOptions, run_options
from batch_deployer.errors import InputError


@click.command("resume", short_help="Go on with an interrupted or killed run.", epilog=examples("resume latest"))
@click.argument("run")
@force_older_option
@run_options
@permission_options
@click.pass_obj
def command(session: Session, /, run: str, *, force_older: bool, **options: Any) -> int:
    """Go on with a run that was interrupted or killed, from where its journal ends.

    Needs the run's own plan and journal only; the manifest may have changed or be gone.
    Whatever may have been sent without an answer is looked for in the cloud before anything is sent again.
    A deployment that a later run has written since is left as it is: the exit code is 1 then.
    A run that was killed after its end, while it wrote its report, gets that report.
    """
    from batch_deployer.app.past_runs import read_run
    from batch_deployer.cli.error_handler import echo
    from batch_deployer.cli.launch import Launch, launch, leave_report, open_store
    from batch_deployer.plan.retry import open_keys, unfinished
    from batch_deployer.report.files import is_written
    from batch_deployer.state.run_dir import RunState
    from batch_deployer.state.state_dir import StateDir

    manner = RunOptions.from_click(options)
    state = session.use_state(manner.state_dir)
    past = read_run(state, run)
    held = past.live and StateDir(state, write=False).is_held(past.plan.name)
    if past.live and not held:
        echo(f"the process of run {past.folder.id} is hung or gone, and its lease has run out; taking the run over")
    if held and manner.overlap == "fail":
        raise InputError(
            f"run {past.folder.id} is live; `control` steers it, `status` shows it, --overlap wait waits for its end"
        )
    if not past.live and past.info.state is RunState.FINISHED and not open_keys(past.plan, past.events):
        if not is_written(story := past.story(), past.folder.report_path):
            echo(f"run {past.folder.id} has ended, but not told all of it; here is its report")
            leave_report(story, past.folder, manner)
            return past.info.exit_code or 0
        raise InputError(
            f"run {past.folder.id} has ended (exit code {past.info.exit_code}); "
            f"`retry {past.folder.id} --failed --not-started` starts a new run of what did not succeed, "
            "and `--deferred` of what was set aside"
        )
    if past.folder.meta.extra.get("simulated"):
        raise InputError(f"run {past.folder.id} was simulated, and its simulated clouds are gone; start a new run")
    if not past.live:
        collections.deque(past.events, maxlen=0)  # a journal that cannot be read is told before anybody is logged in
    manner.wait_for_start()
    store = open_store(session)

    def left() -> tuple[Mapping[str, str], str]:
        return left_to_later(state, past, unfinished(past.plan, past.events), force=force_older)

    what = Launch(plan=past.plan, run_id=past.folder.id, folder=past.folder, left=left)
    return launch(what, manner, session, store)
