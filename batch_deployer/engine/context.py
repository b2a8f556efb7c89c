"""What all steps of a run share: the ports, the tracks, and the one way to make something a fact."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from batch_deployer.engine.catalogue import Catalogue
from batch_deployer.engine.cluster_work import ClusterWork
from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.scheduler import CloudScheduler
from batch_deployer.model import events as e
from batch_deployer.model.api import PENDING, ReleaseState
from batch_deployer.model.deployment import Action, ConfirmedState, Operation, Outcome, ReleaseSpec, Remembered
from batch_deployer.model.helm_values import Json, compact, load_values, plain_digest, render, render_values
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.ports import Api, Clock, Control, Fence, Journal, Listener, Secrets, SharedLimits
from batch_deployer.rules.decide import Decision, decide
from batch_deployer.rules.failure_budget import Halt
from batch_deployer.rules.lifecycle import UNDER_WAY
from batch_deployer.rules.observation import timestamp
from batch_deployer.rules.ownership import THEIRS
from batch_deployer.rules.poll_schedule import Durations, install_time_estimate, next_poll_interval
from batch_deployer.rules.unchanged import Comparison, compare, leaf_digests, whole_digest
from batch_deployer.rules.wall_clock import StepDetector, WindowOpening
from batch_deployer.util.text import span

MAX_YIELDS = 32
"""Crowded turns of the loop, of some milliseconds each, that a step lets pass at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside the engine."""

    apis: Mapping[str, Api]
    """By cloud name."""
    clock: Clock
    journal: Journal
    fence: Fence
    secrets: Secrets
    listener: Listener
    draw: Callable[[], float]
    """Uniform in [0, 1); seeded in tests and rehearsals."""
    control: Control | None = None
    opening: WindowOpening | None = None
    """The opening of the maintenance window in which writes may leave."""
    digest: Callable[[str], str] = plain_digest
    """Keyed digest of a text, by a key that all runs of one state folder share."""
    shared_limits: Mapping[str, SharedLimits] = field(default_factory=dict)
    """By scope; clouds of other scopes have limiters of their own."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Cloud to the scope that its provider throttles as one, as the login tells it; otherwise as the plan does."""
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    """What earlier runs sent, by key of the deployment."""


class RunContext:
    """The state of one run. Steps change it only through `emit` and the schedulers."""

    def __init__(self, plan: Plan, ports: Ports, learned: Mapping[str, Durations]) -> None:
        """The engine fills states and schedulers."""
        self.plan = plan
        self.ports = ports
        self.settings = plan.settings
        self.now = ports.clock.monotonic
        self._steps = StepDetector(ports.clock.wall(), ports.clock.monotonic())
        self.schedulers: dict[str, CloudScheduler] = {}
        self.states: dict[str, DeploymentState] = {}
        self.catalogues = {name: Catalogue() for name in plan.clouds}
        self.durations: dict[str, Durations] = dict(learned)
        self.new_durations: dict[str, list[float]] = {}
        """Seconds that installs took in this part of the run, by chart; for the history."""
        self.skipped: set[str] = set()  # keys to set aside as soon as nothing of them is under way
        self.halted: Halt | None = None
        self.denied = False
        """Whether a deployment ended because permission is missing."""
        self.on: dict[
            type[e.DeploymentEvent], Callable[[DeploymentState], None]
        ] = {}  # called after an event of the type
        self.on_outage: Callable[[CloudScheduler, str], None] = lambda _scheduler, _reason: None
        """Called with the reason when a whole cloud has not answered for too long."""
        self.on_room: Callable[[], object] = lambda: None
        """Called when it becomes known at which time the next call may leave; set by whoever has the pool."""
        self._values = lru_cache(maxsize=256)(self._load_values)
        self._digests = lru_cache(maxsize=256)(
            lambda values_json: leaf_digests(dict(self._values(values_json)), self.ports.digest)
        )
        self._whole = lru_cache(maxsize=256)(
            lambda values_json: whole_digest(self._values(values_json), self.ports.digest)
        )

    # -- facts ---------------------------------------------------------------------------------------------------------

    def emit(self, track: DeploymentState, event: e.DeploymentEvent) -> None:
        """Make something a fact: fold it, note it, tell the listeners. Durable with the next commit."""
        track.apply(event, self.now())
        if isinstance(event, e.Refused | e.Accepted):
            queue = self.locate(track)[1]
            queue.refused = 0 if isinstance(event, e.Accepted) else queue.refused + (event.wait > 0)
        self.ports.journal.note(event)
        self.ports.listener.on_event(event)
        if (follow := self.on.get(type(event))) is not None:
            follow(track)

    async def emit_durably(self, track: DeploymentState, event: e.Intended) -> None:
        """Make an intent a fact that would survive a crash, before anything leaves. Raises JournalError."""
        track.apply(event, self.now())
        await self.ports.journal.record(event)
        self.ports.listener.on_event(event)
        await self.yield_to_loop()

    async def yield_to_loop(self) -> None:
        """Wait for a turn of the loop that is not crowded: many calls may be answered, or intents committed, at once.

        Not for ever: whoever comes late in each turn of a busy loop would find all of them crowded.
        """
        for _ in range(MAX_YIELDS):
            if not self.ports.clock.should_yield():
                return
            await self.ports.clock.sleep(0.0)

    def announce(self, event: e.RunEvent) -> None:
        """Make a fact about the run as a whole."""
        self.ports.journal.note(event)
        self.ports.listener.on_event(event)

    def wall(self) -> float:
        """Seconds since the epoch. A wall clock that was set is announced, since its times no longer follow on."""
        wall = self.ports.clock.wall()
        if step := self._steps.step(wall, self.now()):
            way = "forward" if step > 0 else "back"
            message = f"the system clock was set {way} by {span(abs(step))}; durations do not count that"
            self.announce(e.Warned(at=wall, message=message, clock_step=step))
        return wall

    def closed(self) -> str:
        """Why the maintenance window lets nothing be written now, by the wall clock; empty when it does."""
        opening = self.ports.opening
        return opening.problem(self.wall()) if opening is not None else ""

    def seconds_left(self) -> float:
        """Seconds until the maintenance window closes; infinity without one."""
        opening = self.ports.opening
        return max(0.0, opening.closes - self.wall()) if opening is not None else math.inf

    def halt(self, scope: str, reason: str) -> None:
        """Start nothing more; what is under way goes on. The first reason stands."""
        if self.halted is None:
            self.halted = Halt(scope, reason)
            self.announce(e.Halted(at=self.wall(), scope=scope, reason=reason))
        for scheduler in self.schedulers.values():
            scheduler.holding = True

    def halt_unlocked(self, lost: str) -> None:
        """Halt because the lock is not held any more. `lost`: why, unless its file is gone."""
        gone = self.ports.fence.missing()
        if gone:
            self.halt(
                "state", f"the lock file {gone} is gone: the state folder was moved or removed; nothing more is written"
            )
        elif (trouble := self.ports.fence.trouble) and not self.ports.fence.overtaken():
            self.halt("state", f"the run lock could not be renewed, so nothing more is written: {trouble}")
        else:
            self.halt("fence", lost)

    def finish(
        self,
        track: DeploymentState,
        outcome: Outcome,
        reason: str,
        *,
        cause: str = "",
        last: ReleaseState | None = None,
    ) -> None:
        """End a deployment and take it out of its queue. `cause`: its failure's fingerprint; `last`: what was seen."""
        status, revision = (last.status, last.revision) if last else (track.status, track.revision)
        scheduler, queue = self.locate(track)
        queue.watching.pop(track.key, None)
        queue.waiting.pop(track.key, None)
        queue.aside.pop(track.key, None)
        queue.withdraw(track)
        queue.left -= 1
        was_under_way = track.phase in UNDER_WAY and not track.aside
        confirmed = track.confirmed if track.shown is None else self.confirmed_state(track.shown)
        self.emit(
            track,
            e.Finished(
                at=self.wall(), key=track.key, outcome=outcome, reason=reason, status=status,
                revision=revision, fingerprint=cause, confirmed=None if cause == THEIRS else confirmed,
            ),
        )  # fmt: skip
        if was_under_way:
            scheduler.end(queue)

    # -- lookups -------------------------------------------------------------------------------------------------------

    def locate(self, track: DeploymentState) -> tuple[CloudScheduler, ClusterWork]:
        """The scheduler of a deployment's cloud, and the work on its cluster."""
        cluster = track.deployment.cluster
        scheduler = self.schedulers[cluster.cloud]
        return scheduler, scheduler.queues[cluster.id]

    def scope(self, cloud: CloudSpec) -> str:
        """What the provider of a cloud throttles as one."""
        return self.ports.scopes.get(cloud.name, cloud.scope)

    def catalogue(self, track: DeploymentState) -> Catalogue:
        """The charts of a deployment's cloud."""
        return self.catalogues[track.deployment.cluster.cloud]

    def rendered(self, spec: ReleaseSpec) -> str:
        """Values as JSON text with secrets filled in. Raises InputError when a secret is gone."""
        return render(spec.values_json, self.ports.secrets)

    def values(self, spec: ReleaseSpec) -> Mapping[str, Json]:
        """Values as wanted, secrets filled in. Raises InputError when a secret is gone."""
        return self._values(spec.values_json)

    def _load_values(self, values_json: str) -> Mapping[str, Json]:
        return render_values(values_json, self.ports.secrets)

    def decide(self, track: DeploymentState, state: ReleaseState | None) -> Decision:
        """Decide what to do to a deployment, given a fresh observation."""
        spec = track.deployment.release
        catalogue = self.catalogue(track)
        problem = self.locate(track)[1].contradiction or catalogue.missing(spec)
        if track.deployment.undo is None and problem:
            return Decision(action=Action.BLOCKED, reason=problem)
        overdue = self._overdue(track, state)
        undo = track.deployment.undo
        now = self.confirmed_state(state) if undo is not None and state is not None else None
        decision = decide(
            track.deployment, state, differs=lambda shown: self.compare(track, spec, shown), overdue=overdue, now=now
        )
        if undo is None and (note := catalogue.note(spec, state)):
            return msgspec.structs.replace(decision, note=note)
        return decision

    def compare(self, track: DeploymentState, spec: ReleaseSpec, state: ReleaseState) -> Comparison:
        """How what runs differs from what is wanted, by all that is known of it."""
        remembered = self.ports.remembered.get(track.key)
        return compare(
            spec,
            self.catalogue(track).chart_name(spec),
            self.values(spec),
            state,
            exact=self.plan.exact_values,
            now=self.confirmed_state(state) if remembered is not None else None,
            remembered=remembered,
            digests=lambda: self.sent_digests(spec),
        )

    def sent_digest(self, spec: ReleaseSpec) -> str:
        """Keyed digest of all values that are sent for a release. Raises InputError when a secret is gone."""
        return self._whole(spec.values_json)

    def sent_digests(self, spec: ReleaseSpec) -> Mapping[str, str]:
        """Keyed digests of the values that are sent for a release, by path. Raises InputError when a secret is gone."""
        return self._digests(spec.values_json)

    def _overdue(self, track: DeploymentState, state: ReleaseState | None) -> bool:
        """Whether a release has been pending for longer than the deployment's timeout, by its times or by our waiting."""
        if state is None or state.status not in PENDING:
            return False
        now, unchanged = self.now(), (track.status, track.revision) == (state.status, state.revision)
        if track.action is Action.BLOCKED and unchanged and 0.0 < track.deadline <= now:
            return True
        changed, timeout = timestamp(state.updated_at), track.deployment.release.timeout
        by_cloud = self.locate(track)[0].cloud_time(now) or self.wall()
        return changed is not None and by_cloud - changed > timeout

    def confirmed_state(self, state: ReleaseState) -> ConfirmedState:
        """What a poll showed, in the form in which the journal keeps it."""
        shown = load_values(state.values_json)
        return ConfirmedState(
            revision=state.revision,
            created_at=state.created_at,
            chart_name=state.chart_name,
            chart_version=state.chart_version,
            values=self.ports.digest(compact(shown)) if shown else "",
        )

    def next_poll_interval(self, track: DeploymentState, scheduler: CloudScheduler) -> float:
        """Seconds until the next look at a deployment under way is worth its call."""
        return self.min_poll_interval((track,), scheduler, scheduler.queues[track.deployment.cluster.id])

    def min_poll_interval(
        self, states: Iterable[DeploymentState], scheduler: CloudScheduler, queue: ClusterWork
    ) -> float:
        """Seconds until the next look is worth its call to the first of these, all under way on one cluster."""
        now, settings, gap = self.now(), self.settings.poll, math.inf
        urgency, min_affordable, under_way = (
            scheduler.urgency(queue),
            scheduler.min_affordable_interval(),
            scheduler.under_way,
        )
        for track in states:
            elapsed = max(0.0, now - track.accepted_at)
            deleting = track.operation is Operation.DELETE
            learned = None if deleting else self.durations.get(track.deployment.release.chart.learned_as)
            own = next_poll_interval(
                elapsed, learned, settings, min_affordable=min_affordable, urgency=urgency, under_way=under_way
            )
            gap = min(gap, own, max(track.deadline - now, settings.min_interval))
        return gap

    def record_duration(self, track: DeploymentState, under_way_at: float) -> None:
        """Take in how long an install or upgrade took that is over, and was not at `under_way_at`."""
        accepted_at = track.accepted_at
        seconds = install_time_estimate(
            max(0.0, under_way_at - accepted_at), self.now() - accepted_at, self.settings.poll
        )
        chart = track.deployment.release.chart.learned_as
        self.durations.setdefault(chart, Durations()).add(seconds)
        self.new_durations.setdefault(chart, []).append(seconds)
