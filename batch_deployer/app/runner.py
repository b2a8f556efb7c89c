"""One run in this process: lock, folder, journal, clouds, engine; and an orderly end whatever happens."""

import asyncio
import random
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from batch_deployer.app.cloud_apis import Patience, open_apis
from batch_deployer.app.garbage import collect_rarely, spare_the_plan
from batch_deployer.app.learned import keep_learned, load_learned, scopes_of_clusters
from batch_deployer.app.listeners import BothListeners, EventListeners
from batch_deployer.app.preload import load_what_the_end_needs
from batch_deployer.app.release_memory import ReleaseMemory
from batch_deployer.app.resources import RUN_THREADS, check_memory, check_threads, fit_connections
from batch_deployer.app.run_record import failure_after_the_end, record_end, record_failure, record_left
from batch_deployer.app.shared_limits import scope_of, shared_limits
from batch_deployer.app.shortages import shortage_behind
from batch_deployer.app.signals import Stopper
from batch_deployer.app.task import Task, run_started
from batch_deployer.app.window_fence import WindowFence
from batch_deployer.clock.system import SystemClock
from batch_deployer.engine.context import Ports
from batch_deployer.engine.engine import Engine, PriorState
from batch_deployer.engine.result import RunResult
from batch_deployer.errors import BatchDeployerError, JournalError, OutOfResources
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Remembered
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.serialization import dump_plan
from batch_deployer.ports import Api, Fence
from batch_deployer.rules.shared_limit import USABLE_SECONDS
from batch_deployer.rules.wall_clock import WindowOpening
from batch_deployer.state.control import ControlInbox
from batch_deployer.state.journal.gaps import is_log_torn, lost_reads
from batch_deployer.state.journal.sqlite import SqliteJournal
from batch_deployer.state.lock.process import now, this_host
from batch_deployer.state.lock.run_lock import RunLock
from batch_deployer.state.run_dir import RunDir, RunMeta
from batch_deployer.state.shared_limits import StoredLimits
from batch_deployer.transport.connect import OpenCloud
from batch_deployer.util.text import span

LATE_PAUSE_SECONDS = USABLE_SECONDS + 2.0
"""After a login during the run, until its limits are shared with the runs of the project that it leads to."""


class Runner:
    """Runs a task once. `folder` is set as soon as this process has worked on the run, also when `run` raises.

    The logins come first: a run that no cloud lets in leaves no folder, and a resumed one stays as it was.
    """

    def __init__(self, task: Task, audience: EventListeners) -> None:
        """Nothing is touched yet."""
        self.folder: RunDir | None = None
        self._task = task
        self._audience = audience
        self.overtaken = False
        """Whether another process took the run over, so that journal and report are no longer this one's."""
        self._stopper: Stopper | None = None
        self._memory = ReleaseMemory(task.state, task.plan, task.store)
        self._last: e.RunStarted | e.RunFinished | None = None
        """Last start or end of this run before this process."""
        self._torn = False
        self._scopes = {name: cloud.scope for name, cloud in task.plan.clouds.items()}
        """What the provider of each cloud throttles as one, as far as the logins told."""
        self._shared: Mapping[str, StoredLimits] = {}
        self._plan = task.plan
        """The plan with as many connections as this process may open."""
        self._shortage = ""
        self._leaves_some = False
        """Whether a later run has written some of the deployments, so that the journal of a new run tells their outcome."""
        self._ending: RunResult | None = None

    async def run(self) -> RunResult:
        """Work to the end. What made an end impossible is raised, after the audience has heard of it."""
        task, settings = self._task, self._task.plan.settings
        collect_rarely()
        check_memory()
        check_threads(RUN_THREADS + len(task.plan.clouds))
        self._plan, self._shortage = fit_connections(task.plan)
        task.state.value_digest("")  # a key that cannot be used is told before anything is sent
        self._stopper = Stopper()
        lock = RunLock(task.state.locks_path, task.plan.name, task.run_id, settings.lease, settings.wire.write_timeout)
        with self._stopper.listening():
            try:
                async with lock.hold(wait=task.wait) as fence:
                    task.may_start()
                    opening = task.opening()
                    writes = fence if opening is None else WindowFence(fence, opening)
                    async with open_apis(
                        self._plan,
                        store=task.store,
                        clock=SystemClock(),
                        fence=writes,
                        patience=self._patience(),
                        on_login=self._take_scope,
                        late_pause=LATE_PAUSE_SECONDS,
                    ) as apis:
                        load_what_the_end_needs()
                        check_memory()
                        self.folder = task.folder or self._new_folder()
                        self._torn = is_log_torn(self.folder.journal_path)
                        with SqliteJournal(self.folder.journal_path) as journal:
                            return await self._journalled(self.folder, journal, fence, apis, opening)
            except asyncio.CancelledError:
                if not self._stopper.signal:
                    raise
                return self._interrupted()
            except JournalError as error:
                self._unwritten(error)
                raise
            except Exception as error:
                if self._ending is None:
                    raise
                # The journal holds the end, so that what fails afterwards must not tell of another one.
                self._audience.on_event(
                    e.Warned(at=time.time(), message=failure_after_the_end(error, task.store.redact))
                )
                return self._ending

    def _patience(self) -> Patience:
        """As long as any other question would be asked, and not beyond the deadline."""
        seconds = self._task.plan.settings.retry.give_up_after
        if self._task.deadline is not None:
            seconds = min(seconds, self._task.deadline)
        return Patience(
            seconds=seconds, tell=lambda text: self._audience.on_event(e.Warned(at=time.time(), message=text))
        )

    def _take_scope(self, name: str, found: OpenCloud) -> None:
        before = self._scopes[name]
        self._scopes[name] = scope_of(self._task.plan.clouds[name], found.endpoint, found.identity.project_id)
        if limits := self._shared.get(before):
            limits.move(self._scopes[name])

    def _new_folder(self) -> RunDir:
        task = self._task
        meta = RunMeta(manifest=task.plan.name, started=time.time(), extra=dict(task.extra))
        return task.state.create_run(
            task.run_id,
            dump_plan(task.plan),
            meta,
            scopes={} if task.simulated else scopes_of_clusters(task.plan, self._scopes),
        )

    async def _journalled(
        self,
        folder: RunDir,
        journal: SqliteJournal,
        fence: Fence,
        apis: Mapping[str, Api],
        opening: WindowOpening | None,
    ) -> RunResult:
        """With the journal open: whatever ends the run is written down, if it can be."""
        resumed = self._task.folder is not None and self._audience.restore(self._restored_events(journal))
        try:
            await self._begin(folder, journal, resumed=resumed)
            return await self._work(folder, journal, fence, apis, opening, resumed=resumed)
        except asyncio.CancelledError:
            await record_end(journal, self._audience, self._interrupted())
            raise
        except JournalError:
            raise
        except BatchDeployerError as error:
            await record_failure(journal, self._audience, error, self._task.store.redact)
            raise
        except Exception as error:
            if self._ending is not None or not (why := shortage_behind(error)):
                raise
            failure = OutOfResources(why)
            await record_failure(journal, self._audience, failure, self._task.store.redact)
            raise failure from error

    def _restored_events(self, journal: SqliteJournal) -> Iterator[e.Event]:
        for event in journal.stream():
            self._memory.on_event(event)
            if isinstance(event, e.RunStarted | e.RunFinished):
                self._last = event
            yield event

    async def _begin(self, folder: RunDir, journal: SqliteJournal, *, resumed: bool) -> None:
        task = self._task
        started = run_started(task, resumed=resumed)
        await journal.record(started)
        self._audience.on_event(started)
        for name in folder.changed_secrets(task.store.resolved()) if resumed else ():
            self._warn(journal, f"the secret {name} is not what it was when the run began")
        folder.remember_secrets(task.store.resolved())
        if self._shortage:
            self._warn(journal, self._shortage)
        left, note = task.left()
        if note:
            self._warn(journal, note)
        await record_left(journal, self._audience, left)
        self._leaves_some = bool(left)

    async def _work(
        self,
        folder: RunDir,
        journal: SqliteJournal,
        fence: Fence,
        apis: Mapping[str, Api],
        opening: WindowOpening | None,
        *,
        resumed: bool,
    ) -> RunResult:
        task, clock = self._task, SystemClock()
        # Read when the engine asks for it, one event at a time: a long journal would outweigh all else in memory.
        history = journal.stream() if resumed or self._leaves_some else ()
        # The frozen plan keeps the manifest's own deadline: the one of this process ends with it.
        plan = replace(self._plan, settings=replace(task.plan.settings, deadline=task.deadline))
        scopes = dict(self._scopes)  # the engine keeps the scope of the manifest for a cloud that is logged in to later
        async with shared_limits(
            task.state,
            {} if task.simulated else plan.clouds,
            task.run_id,
            scopes=scopes,
            clock=clock,
            warn=lambda text: self._warn(journal, text),
        ) as shared:
            self._shared = shared
            sharing = {scope for scope, limits in shared.items() if limits.joined.sharing}
            past, remembered = self._known(journal, plan, history, scopes=scopes, sharing=sharing)
            engine = Engine(
                plan,
                Ports(
                    apis=apis,
                    clock=clock,
                    journal=journal,
                    fence=fence,
                    secrets=task.store,
                    listener=BothListeners(self._audience, self._memory),
                    draw=random.Random(task.seed).random,  # noqa: S311 - spreads retries in time
                    control=ControlInbox(folder),
                    opening=opening,
                    digest=task.state.value_digest,
                    shared_limits=shared,
                    scopes=scopes,
                    remembered=remembered,
                ),
                past,
            )
            return await self._drive(engine, journal, fence, scopes)

    async def _drive(
        self, engine: Engine, journal: SqliteJournal, fence: Fence, scopes: Mapping[str, str]
    ) -> RunResult:
        """Run the engine, and keep what it has learned."""
        task = self._task
        assert self._stopper is not None  # noqa: S101 - set by run
        self._stopper.serve(engine)
        spare_the_plan()
        try:
            self._ending = await engine.run()
        finally:
            self.overtaken = fence.overtaken() and task.state.last_holder(task.plan.name) == task.run_id
            for trouble in () if task.simulated else keep_learned(task.state, scopes, engine, self._memory):
                self._warn(journal, trouble)
        return self._ending

    def _known(
        self,
        journal: SqliteJournal,
        plan: Plan,
        history: Iterable[e.Event],
        *,
        scopes: Mapping[str, str],
        sharing: Collection[str],
    ) -> tuple[PriorState, Mapping[str, Remembered]]:
        """What earlier runs have left. Read once this run shares its limits: until then others may write without it."""
        past = PriorState(history=history)
        remembered: Mapping[str, Remembered] = {}
        if not self._task.simulated:
            past, unlearned = load_learned(
                self._task.state, plan, history, scopes=scopes, sharing=sharing, now=time.time()
            )
            remembered, unknown = self._memory.load()
            for trouble in filter(None, (unlearned, unknown)):
                self._warn(journal, trouble)
        return replace(past, lost_reads=self._lost_reads(journal)), remembered

    def _lost_reads(self, journal: SqliteJournal) -> float:
        """Seconds for which nothing may be written because the journal may lack writes that reads do not show yet."""
        staleness = self._task.plan.settings.reconcile.absence_grace
        seconds, why = lost_reads(self._last, this_host(), now(), torn=self._torn, staleness=staleness)
        if seconds:
            self._warn(
                journal,
                f"the journal may lack its last events ({why}); "
                f"nothing is written for {span(seconds)}, until reads show all earlier writes",
            )
        return seconds

    def _unwritten(self, error: JournalError) -> None:
        """The journal cannot say how it ended, so at least the report does."""
        if self.folder is None:
            return
        if not self._audience.story.parts:
            self._audience.on_event(run_started(self._task, resumed=self._task.folder is not None))
        self._audience.on_event(e.RunFinished(at=time.time(), exit_code=error.exit_code, reason=str(error)))

    def _interrupted(self) -> RunResult:
        assert self._stopper is not None  # noqa: S101 - set by run
        number = self._stopper.signal or signal.SIGINT
        return RunResult(128 + number, f"stopped by {signal.Signals(number).name} before anything was sent")

    def _warn(self, journal: SqliteJournal, message: str) -> None:
        warned = e.Warned(at=time.time(), message=message)
        journal.note(warned)
        self._audience.on_event(warned)
