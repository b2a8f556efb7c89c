"""What run, resume, retry and rollback have in common: start, show, and leave a report whatever happens."""

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from batch_deployer.app.listeners import EventListeners, OutputOptions
from batch_deployer.app.runner import Runner
from batch_deployer.app.runtime import run_in_loop
from batch_deployer.app.secrets import PlaceholderStore, SecretStore, resolve_all, secrets_of_url
from batch_deployer.app.signals import undisturbed
from batch_deployer.app.task import Task
from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import echo, judged
from batch_deployer.cli.options import same_state
from batch_deployer.cli.run_options import RunOptions
from batch_deployer.cli.terminal import is_live, show, width
from batch_deployer.engine.result import RunResult
from batch_deployer.errors import BatchDeployerError, InputError, LockHeld
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Outcome
from batch_deployer.plan.plan import Plan
from batch_deployer.report.files import check_folder, write_reports
from batch_deployer.report.formats.text import to_text
from batch_deployer.report.run_history import RunHistory
from batch_deployer.report.summary import summarise
from batch_deployer.state.group_access import group_id
from batch_deployer.state.run_dir import RunDir, new_run_id
from batch_deployer.state.state_dir import StateDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One thing to run."""

    plan: Plan
    run_id: str
    folder: RunDir | None = None
    """Set when a run is taken up again."""
    left: Callable[[], tuple[Mapping[str, str], str]] = lambda: ({}, "")
    """Deployments that a run taken up again leaves to later runs (see `Task`)."""
    extra: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    simulated: bool = False


def open_store(session: Session, *, placeholders: bool = False) -> SecretStore:
    """A store of secrets whose texts also stay out of crash files. Relative files start where we do.

    `placeholders`: read no secret; each is its name.
    """
    permissions = session.permissions
    if placeholders:  # a simulated cloud belongs to nobody, and --speed multiplies its limits
        permissions = replace(permissions, max_writes="", max_reads="")
    store = (PlaceholderStore if placeholders else SecretStore)(os.environ, Path.cwd(), permissions)
    session.redact = store.redact
    return store


def new_id(name: str) -> str:
    """An id for a new run of a manifest."""
    return new_run_id(name, time.time(), random.SystemRandom().random())


def launch(what: Launch, manner: RunOptions, session: Session, store: SecretStore) -> int:
    """Run it to its end, print the summary on stdout, and return the exit code."""
    session.output_is_extra = True
    resolve_all(what.plan, store)
    folder = session.use_state(manner.state_dir)
    if os.environ.get("CI") and not what.simulated and not any(folder.glob("runs/*")):
        echo(
            f"warning: the state folder {folder} is new, so no other run's lock, journal or learned rate is known here; "
            "see docs/runners.md"
        )
    group = None if manner.state_group is None else group_id(manner.state_group)
    state = StateDir(folder, group=group)
    made = manner.report is not None and not manner.report.exists()
    if manner.report is not None:
        check_folder(manner.report)
    plan = what.plan
    telling = OutputOptions(
        log_format=manner.log_format,
        live=is_live(sys.stderr),
        quiet=manner.quiet,
        ping=manner.ping_url(),
        metrics_file=manner.metrics_file,
        notify=manner.notify_urls(),
    )
    for url in filter(None, (telling.ping, *telling.notify)):
        for text in secrets_of_url(url):
            store.remember(text)
    audience = EventListeners(plan, telling, store, lambda text: echo(store.redact(f"warning: {text}")))
    task = Task(
        plan=plan,
        run_id=what.run_id,
        state=state,
        store=store,
        folder=what.folder,
        left=what.left,
        extra=what.extra,
        wait=manner.overlap == "wait",
        seed=what.seed,
        simulated=what.simulated,
        deadline=manner.deadline if manner.deadline is not None else plan.settings.deadline,
        opening=lambda: manner.opening(time.time()),
        may_start=lambda: manner.check_start(time.time()),
    )
    runner = Runner(task, audience)
    try:
        with audience:
            ending = _work(runner, audience, store.redact)
    except LockHeld as error:
        if manner.overlap != "skip":
            raise
        echo(f"skipped: {error}")
        return 0
    finally:
        with undisturbed():
            is_told = _leave(runner, audience, manner, made=made)
    if ending.reason:
        echo(store.redact(ending.reason))
    if audience.tally.outcomes[Outcome.DEFERRED] and runner.folder is not None and not what.simulated:
        echo(f"what is deferred is taken up by: batch-deployer retry {runner.folder.id} --deferred{same_state()}")
    if ending.exit_code in (129, 130, 131, 143) and runner.folder is not None:
        echo(f"resume it with: batch-deployer resume {runner.folder.id}{same_state()}")
    return ending.exit_code or (0 if is_told else BatchDeployerError.exit_code)


def _leave(runner: Runner, audience: EventListeners, manner: RunOptions, *, made: bool) -> bool:
    """Leave a report, or no trace. Whether all was written that should be. `made`: whether the folder of --report is this run's own."""
    if runner.overtaken:
        echo("another process has taken this run over; its journal and its report are left to that process")
    elif runner.folder is not None:
        unchanged = audience.tally.writes == 0 and audience.tally.exit_code == 0
        return leave_report(audience.story, runner.folder, manner, unchanged=unchanged)
    elif made and manner.report is not None:
        with contextlib.suppress(OSError):
            manner.report.rmdir()
    return True


def _work(runner: Runner, audience: EventListeners, redact: Callable[[str], str]) -> RunResult:
    try:
        return run_in_loop(runner.run)
    except BatchDeployerError as error:
        if audience.story.end is None:
            audience.failed(str(error))
        raise
    except BaseException as error:
        # The journal is left without a last word, so that the run can be resumed; its report has one.
        code, reason = judged(error)
        if audience.story.parts:
            audience.on_event(e.RunFinished(at=time.time(), exit_code=code, reason=redact(reason)))
        else:
            audience.failed(redact(reason))
        raise


def leave_report(story: RunHistory, folder: RunDir, manner: RunOptions, *, unchanged: bool = False) -> bool:
    """Files first, then the summary; what cannot be written as a file is at least said. Whether all was written."""
    folders = [folder.report_path] if manner.report is None else [folder.report_path, manner.report]
    summary = summarise(story)
    written = write_reports(story, folders, summary)
    try:
        folder.share_report()
    except (OSError, InputError) as error:
        echo(f"warning: the group of the state folder cannot read the report: {error}")
    for fault in written.problems:
        echo(f"warning: {fault}")
    if manner.quiet and unchanged and not written.problems:
        return True
    show(to_text(story, width(), summary))
    if written.files:
        echo(f"reports: {written.files[-1].parent}")
    return not written.problems
