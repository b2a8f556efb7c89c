"""What a write does when it is executed: checks in the service's order, a new revision, an entry in the ledger."""

import json
import re
from itertools import islice

import msgspec

from batch_deployer.model.api import PENDING, CreateRelease, DeleteRelease, Status, UpdateRelease, Write
from batch_deployer.model.deployment import Operation
from batch_deployer.model.helm_values import merge
from batch_deployer.simulator.faults.injection import FaultInjector, OperationOutcome
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.bodies import release_time
from batch_deployer.simulator.service.durations import duration
from batch_deployer.simulator.service.ledger import Ledger
from batch_deployer.simulator.service.operation import SHOWN_DELETED, OperationContext
from batch_deployer.simulator.service.release import NEVER, ReleaseRecord, Revision
from batch_deployer.simulator.service.responses import SimResponse
from batch_deployer.simulator.service.state import USABLE, HostedCluster, ServiceState
from batch_deployer.simulator.world.entities import SimChart

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LETTERS = str.maketrans("0123456789-", "ghijklmnopq")
_PENDING = {
    Operation.CREATE: Status.PENDING_INSTALL,
    Operation.UPGRADE: Status.PENDING_UPGRADE,
    Operation.ROLLBACK: Status.PENDING_ROLLBACK,
}


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a write, and what became of it when it took effect."""

    reply: SimResponse
    slot: ReleaseRecord | None = None
    outcome: OperationOutcome | None = None


class Helm:
    """Executes writes."""

    def __init__(self, seed: int | str, estate: ServiceState, chaos: FaultInjector, ledger: Ledger) -> None:
        """`seed` keys how long things take."""
        self._seed = seed
        self._estate = estate
        self._chaos = chaos
        self._ledger = ledger

    def execute(self, call: Write, hosted: HostedCluster, turn: OperationContext) -> Done:
        """Do it, or say why not. A cluster that cannot be used refuses."""
        phase = hosted.forced_phase or self._chaos.phase(hosted.cluster, turn.elapsed)
        if phase not in USABLE:
            return Done(reply=responses.phase_forbids(hosted.cluster.name, phase))
        if isinstance(call, CreateRelease):
            return self._create(call, hosted, turn)
        slot = hosted.slots.get((call.namespace, call.name))
        if slot is None or not slot.taken(turn.now):
            return Done(reply=responses.not_found(f"release {call.namespace}/{call.name}"))
        if isinstance(call, DeleteRelease):
            return self._delete(slot, turn)
        return self._update(call, slot, turn)

    def _create(self, call: CreateRelease, hosted: HostedCluster, turn: OperationContext) -> Done:
        if not _NAME.fullmatch(call.name):
            return Done(reply=responses.invalid(f"release name {call.name!r} is invalid"))
        if not _NAMESPACE.fullmatch(call.namespace):
            return Done(reply=responses.invalid(f"namespace {call.namespace!r} is invalid"))
        chart = self._estate.chart(call.chart_id)
        if chart is None:
            return Done(reply=responses.not_found(f"chart {call.chart_id}"))
        if not call.version or (chart.versions and call.version not in chart.versions):
            return Done(reply=responses.invalid(f"chart {chart.name} has no version {call.version!r}"))
        if call.name in hosted.cluster.occupied:
            return Done(reply=responses.resource_exists(call.name))
        name = _templated(call, turn) if hosted.cluster.names_by_template else call.name
        slot = hosted.slot(call.namespace, name)
        taken = slot.taken(turn.now)
        number = slot.revision + 1 if taken else 1
        outcome = self._chaos.outcome(turn.subject, turn.attempt, turn.elapsed, number)
        replaces = call.parameters.replace is True
        if taken and not (outcome.collide or replaces):
            if turn.origin == "client":
                self._ledger.write(turn.entry("create_refused", slot.key, slot.revision))
            return Done(reply=responses.exists(call.name))
        revision = self._revision(call, slot, chart=chart, number=number, outcome=outcome, turn=turn)
        if call.parameters.dry_run:
            return Done(reply=_shown(201, slot, revision, turn))
        self._lag(slot, outcome, turn)
        if not taken:
            slot.clear()
            slot.created_at = release_time(turn.now)
        slot.add(revision)
        self._ledger.write(turn.entry("create", slot.key, number, duplicate=taken and not replaces))
        return Done(reply=SimResponse(status=201, body=slot.truth(turn.now)), slot=slot, outcome=outcome)

    def _update(self, call: UpdateRelease, slot: ReleaseRecord, turn: OperationContext) -> Done:
        rollback = call.operation == Operation.ROLLBACK
        chart = self._estate.chart(call.chart_id)
        if chart is None:
            return Done(reply=responses.not_found(f"chart {call.chart_id}"))
        if _busy(slot, turn.now, unblocks=rollback):
            return Done(reply=responses.locked())
        number = slot.revision + 1
        outcome = self._chaos.outcome(turn.subject, turn.attempt, turn.elapsed, number)
        revision = self._revision(call, slot, chart=chart, number=number, outcome=outcome, turn=turn)
        if rollback:
            target = slot.find(call.parameters.release_version or 0, turn.now)
            if target is None:
                return Done(reply=responses.invalid(f"release has no {call.parameters.release_version or 0} version"))
            _restore(revision, target)
        if call.parameters.dry_run:
            return Done(reply=_shown(200, slot, revision, turn))
        self._lag(slot, outcome, turn)
        slot.add(revision)
        self._ledger.write(turn.entry(call.operation.value, slot.key, number))
        return Done(reply=SimResponse(status=200, body=slot.truth(turn.now)), slot=slot, outcome=outcome)

    def _delete(self, slot: ReleaseRecord, turn: OperationContext) -> Done:
        if _busy(slot, turn.now, unblocks=True):
            return Done(reply=responses.locked())
        newest = slot.revisions[-1]
        outcome = self._chaos.outcome(turn.subject, turn.attempt, turn.elapsed, newest.number)
        chart = self._estate.chart_named(newest.chart_name)
        takes = duration(self._seed, chart, Operation.DELETE, slot.key, newest.number)
        self._lag(slot, outcome, turn)
        slot.delete_ends = NEVER if outcome.stuck else turn.now + takes / turn.speed
        slot.delete_final = outcome.final or Status.DELETED
        gone = slot.delete_final == Status.DELETED
        slot.gone_at = slot.delete_ends + SHOWN_DELETED / turn.speed if gone else NEVER
        self._ledger.write(turn.entry("delete", slot.key, newest.number))
        return Done(reply=SimResponse(status=200, body=slot.truth(turn.now)), slot=slot, outcome=outcome)

    def _revision(
        self,
        call: CreateRelease | UpdateRelease,
        slot: ReleaseRecord,
        *,
        chart: SimChart,
        number: int,
        outcome: OperationOutcome,
        turn: OperationContext,
    ) -> Revision:
        takes = duration(self._seed, chart, call.operation, slot.key, number)
        values = call.values_json
        if isinstance(call, UpdateRelease) and call.parameters.replace and slot.revisions:
            values = json.dumps(merge(json.loads(slot.revisions[-1].values), json.loads(values)))
        version = call.version if isinstance(call, CreateRelease) else _last_version(chart, slot)
        return Revision(
            number=number,
            chart_name=chart.name,
            chart_version=version,
            chart_public=chart.public,
            values=values,
            parameters=json.dumps(call.parameters.as_body()) if call.parameters.as_body() else "",
            pending=_PENDING[call.operation],
            final=outcome.final or Status.DEPLOYED,
            ends=NEVER if outcome.stuck else turn.now + takes / turn.speed,
            updated_at=release_time(turn.now),
        )

    def _lag(self, slot: ReleaseRecord, outcome: OperationOutcome, turn: OperationContext) -> None:
        slot.lag(turn.now, turn.now + outcome.stale / turn.speed)


def _templated(call: CreateRelease, turn: OperationContext) -> str:
    """Name that a create's `name_template` gives: each `{{...}}` becomes some letters."""
    letters = iter(uuid_like(turn.now, turn.subject, turn.attempt).translate(_LETTERS))
    template = call.parameters.name_template or call.name
    return re.sub(r"\{\{.*?\}\}", lambda _: "".join(islice(letters, 5)), template)


def _busy(slot: ReleaseRecord, now: float, *, unblocks: bool) -> bool:
    """Whether another write holds the release. A stuck one lets rollback and delete through, never an upgrade."""
    status = slot.status(now)
    if status == Status.DELETING:
        return not (unblocks and slot.delete_ends == NEVER)
    return status in PENDING and not (unblocks and slot.stuck())


def _restore(revision: Revision, target: Revision) -> None:
    revision.chart_name, revision.chart_version = target.chart_name, target.chart_version
    revision.chart_public, revision.values = target.chart_public, target.values


def _last_version(chart: SimChart, slot: ReleaseRecord) -> str:
    """An upgrade names a chart id and no version."""
    return chart.versions[-1] if chart.versions else slot.revisions[-1].chart_version


def _shown(status: int, slot: ReleaseRecord, revision: Revision, turn: OperationContext) -> SimResponse:
    """What a dry run shows: the release as it would be."""
    trial = ReleaseRecord(
        key=slot.key,
        cluster_id=slot.cluster_id,
        cluster_name=slot.cluster_name,
        namespace=slot.namespace,
        name=slot.name,
        created_at=slot.created_at or release_time(turn.now),
        revisions=[revision],
    )
    return SimResponse(status=status, body=trial.truth(turn.now))
