"""The whole simulated provider as one pure object: a request and the time go in, an answer comes out.

Nothing here sleeps, ticks or draws from a stream of chance. Releases end when their time has come because a reader
asks later; chance is keyed by what it is about, so two requests may change places and neither fares differently.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from batch_deployer.model.api import (
    Call,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ShowChart,
    UpdateRelease,
)
from batch_deployer.settings import Rate
from batch_deployer.simulator.fault_responses import bad_answer
from batch_deployer.simulator.faults.injection import FaultInjector, Subject
from batch_deployer.simulator.faults.rules import Acts, Effect, FaultRule
from batch_deployer.simulator.identity.tokens import Tokens
from batch_deployer.simulator.keyed_random import hexadecimal
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.agenda import Agenda, Incident, LateWrite, Wish
from batch_deployer.simulator.service.bodies import ReleaseBody
from batch_deployer.simulator.service.incidents import OtherActors
from batch_deployer.simulator.service.ledger import Ledger
from batch_deployer.simulator.service.operation import OperationContext
from batch_deployer.simulator.service.rate_limit import Throttle
from batch_deployer.simulator.service.reads import Views
from batch_deployer.simulator.service.responses import SimResponse
from batch_deployer.simulator.service.seeding import seed_releases
from batch_deployer.simulator.service.state import HostedCluster, ServiceState
from batch_deployer.simulator.service.writes import Done, Helm
from batch_deployer.simulator.world.world import World

NO_WISH = Wish()


class SimulatedProvider:
    """Clouds, clusters, charts and releases behind `handle`. Times are epoch seconds and never go back."""

    def __init__(self, world: World, *, seed: int | str = 0, faults: Sequence[FaultRule] = ()) -> None:
        """The same world, seed and faults tell the same story, whoever asks in which order."""
        self.world = world
        self.seed = seed
        self.speed = 1.0
        self.ledger = Ledger()
        self.estate = ServiceState(world)
        self.chaos = FaultInjector(seed, faults)
        self.tokens = Tokens(seed, world.account, world.token_lifetime)
        self.throttles = {
            (cloud.name, bucket): Throttle(Rate.parse(rate), tolerance=cloud.tolerance)
            for cloud in world.clouds
            for bucket, rate in (("writes", cloud.writes), ("reads", cloud.reads))
        }
        self._helm = Helm(seed, self.estate, self.chaos, self.ledger)
        self._others = OtherActors(seed, self.estate, self.ledger)
        self._views = Views(self.estate, self.phase)
        self._agenda = Agenda()
        self._attempts: Counter[str] = Counter()
        self._requests = 0
        self._started: float | None = None
        self._latest = 0.0

    def start(self, now: float, *, speed: float = 1.0) -> None:
        """Second 0 is now; later calls change nothing.

        `speed`: simulated seconds a real second, for all but the gateway's limits and the lifetime of tokens.
        """
        if self._started is None:
            self._started = self._latest = now
            self._views.since = now
            self.speed = speed
            seed_releases(self.world, self.estate, now)

    def set_faults(self, faults: Sequence[FaultRule]) -> None:
        """Replace the rules from now on."""
        self.chaos = FaultInjector(self.seed, faults)
        self._helm = Helm(self.seed, self.estate, self.chaos, self.ledger)

    def set_phase(self, cluster_id: str, phase: str) -> bool:
        """Put a cluster into a phase by hand (empty: as the rules say). False when there is no such cluster."""
        hosted = self.estate.find(cluster_id)
        if hosted is not None:
            hosted.forced_phase = phase
        return hosted is not None

    def interfere(self, key: str, effect: Effect, now: float, wish: Wish = NO_WISH) -> bool:
        """Let another actor do something to a release now, or once it is no longer busy. False when nothing is known of it."""
        now = self.advance(now)
        cluster_id, _, place = key.partition("/")
        namespace, _, name = place.partition("/")
        hosted = self.estate.find(cluster_id)
        if hosted is None or (namespace, name) not in hosted.slots:
            return False
        cloud = hosted.cluster.cloud
        subject = Subject(cloud=cloud, kind="incident", cluster_id=cluster_id, namespace=namespace, release=name)
        self._happen(now, Incident(subject=subject, effect=effect, wish=wish))
        return True

    def phase(self, hosted: HostedCluster) -> str:
        """The phase that a cluster is in."""
        return hosted.forced_phase or self.chaos.phase(hosted.cluster, self._elapsed(self._latest))

    def issue_token(self, cloud: str, now: float) -> str:
        """Log in without a password: what the in-process transport does."""
        self.world.cloud(cloud)
        return self.tokens.issue(cloud, now)[0]

    def releases(self, now: float) -> dict[str, ReleaseBody]:
        """The truth: every release there is, by key."""
        now = self.advance(now)
        slots = (slot for hosted in self.estate.all_clusters() for slot in hosted.slots.values())
        shown = ((slot.key, slot.truth(now)) for slot in slots)
        return {key: body for key, body in shown if body is not None}

    def summary(self) -> dict[str, Any]:
        """The ledger, and the most calls in any window of each limit as the gateway saw them."""
        peaks: dict[str, dict[str, Any]] = {}
        for (cloud, bucket), throttle in self.throttles.items():
            seen = {"limit": str(throttle.rate), "peak": throttle.peak, "refused": throttle.refused}
            peaks.setdefault(cloud, {})[bucket] = seen
        return self.ledger.summary() | {"peaks": peaks}

    def handle(self, cloud: str, call: Call, now: float, *, token: str = "") -> SimResponse:
        """Answer one request that has arrived at the gateway of a cloud, and let it take effect if it does.

        `token` is what the caller showed; empty: signed with an access key, which cannot expire.
        """
        now = self.advance(now)
        if token and not self.tokens.valid(token, now):
            return self._answered(cloud, call.kind, responses.token_expired())
        refusal = self._throttle(cloud, writes=call.writes, now=now)
        if refusal is not None:
            return self._answered(cloud, call.kind, refusal)
        subject = self._subject(cloud, call)
        self._attempts[subject.identity] += 1
        attempt = self._attempts[subject.identity]
        rule = self.chaos.answer(subject, attempt, self._elapsed(now))
        turn = self._turn(now, subject, attempt=attempt)
        reply = self._execute(call, turn) if rule is None else self._spoil(rule, call, turn, token)
        return self._answered(cloud, call.kind, msgspec.structs.replace(reply, request_id=turn.request_id))

    def refuse(self, cloud: str, kind: str, reply: SimResponse, now: float, *, writes: bool) -> SimResponse:
        """Count a request that the server could not even read; the gateway's limits apply to it all the same."""
        refusal = self._throttle(cloud, writes=writes, now=self.advance(now))
        return self._answered(cloud, kind, refusal or reply)

    def advance(self, now: float) -> float:
        """Let everything happen that was due before now; returns the time, which never goes back."""
        self.start(now)
        self._latest = max(self._latest, now)
        for due, item in self._agenda.due(self._latest):
            self._happen(due, item)
        return self._latest

    def _happen(self, due: float, item: LateWrite | Incident) -> None:
        subject = item.subject
        hosted = self.estate.find(subject.cluster_id)
        if hosted is None:
            return
        if isinstance(item, LateWrite):
            turn = self._turn(due, subject, attempt=item.attempt, origin="late", request_id=item.request_id)
            self._follow(self._helm.execute(item.call, hosted, turn), turn)
            return
        turn = self._turn(due, subject, origin="other")
        again = self._others.act(item.effect, hosted.slot(subject.namespace, subject.release), turn, item.wish)
        if again:
            self._agenda.add(again, item)

    def _execute(self, call: Call, turn: OperationContext) -> SimResponse:
        """What a healthy service does."""
        cluster_id = turn.subject.cluster_id
        hosted = self.estate.cluster_named(turn.subject.cloud, cluster_id) if cluster_id else None
        if not isinstance(call, CreateRelease | UpdateRelease | DeleteRelease):
            return self._views.read(turn.subject.cloud, call, hosted, turn.now)
        if hosted is None:
            return responses.not_found(f"cluster {cluster_id}")
        return self._follow(self._helm.execute(call, hosted, turn), turn)

    def _spoil(self, rule: FaultRule, call: Call, turn: OperationContext, token: str) -> SimResponse:
        """The bad answer of a rule, with or without the effect that the call asked for."""
        if rule.effect == Effect.EXPIRE_TOKEN:
            if not token:
                return self._execute(call, turn)
            self.tokens.revoke(token)
        delay = rule.duration / self.speed
        bucket = "writes" if call.writes else "reads"
        bad = bad_answer(rule, turn.subject, self.throttles[turn.subject.cloud, bucket].rate)
        if bad is None:
            return self._execute(call, turn).after(delay)
        if rule.acts == Acts.AT_ONCE:
            self._execute(call, turn)
        elif rule.acts == Acts.LATE and isinstance(call, CreateRelease | UpdateRelease | DeleteRelease):
            item = LateWrite(subject=turn.subject, call=call, attempt=turn.attempt, request_id=turn.request_id)
            self._agenda.add(turn.now + rule.late / self.speed, item)
        return bad.after(delay)

    def _follow(self, done: Done, turn: OperationContext) -> SimResponse:
        """Put what will happen to the release on the agenda."""
        if done.outcome is not None:
            for effect, seconds in done.outcome.later:
                self._agenda.add(turn.now + seconds / self.speed, Incident(subject=turn.subject, effect=effect))
        return done.reply

    def _throttle(self, cloud: str, *, writes: bool, now: float) -> SimResponse | None:
        """The 429 of a call that is over the limit."""
        throttle = self.throttles[cloud, "writes" if writes else "reads"]
        if throttle.admit(now):
            return None
        said = throttle.wait(now) if self.world.retry_after != "none" else None
        return responses.throttled(throttle.rate, said)

    def _subject(self, cloud: str, call: Call) -> Subject:
        """What the call is about, with the names that rules may match."""
        if isinstance(call, ListCharts | ListClusters):
            return Subject(cloud=cloud, kind=call.kind)
        if isinstance(call, ShowChart):
            return Subject(cloud=cloud, kind=call.kind, chart_id=call.chart_id)
        hosted = self.estate.cluster_named(cloud, call.cluster_id)
        name = hosted.cluster.name if hosted is not None else ""
        chart = self.estate.chart(call.chart_id) if isinstance(call, CreateRelease | UpdateRelease) else None
        return Subject(
            cloud=cloud,
            kind=call.kind,
            cluster_id=call.cluster_id,
            cluster_name=name,
            namespace=getattr(call, "namespace", "") if not isinstance(call, ListReleases) else "",
            release=getattr(call, "name", ""),
            chart_id=chart.id if chart is not None else "",
            chart_name=chart.name if chart is not None else "",
        )

    def _turn(
        self, now: float, subject: Subject, *, attempt: int = 1, origin: str = "client", request_id: str = ""
    ) -> OperationContext:
        if not request_id:
            self._requests += 1
            request_id = hexadecimal(32, self.seed, "request", self._requests)
        return OperationContext(
            now=now,
            elapsed=self._elapsed(now),
            speed=self.speed,
            subject=subject,
            attempt=attempt,
            origin=origin,
            request_id=request_id,
        )

    def _elapsed(self, now: float) -> float:
        return 0.0 if self._started is None else (now - self._started) * self.speed

    def _answered(self, cloud: str, kind: str, reply: SimResponse) -> SimResponse:
        self.ledger.count(cloud, kind, reply.status)
        return reply
