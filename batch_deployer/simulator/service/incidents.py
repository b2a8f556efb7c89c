"""What others do to a release while we look away: upgrade it, delete it, create it anew, let it vanish."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from batch_deployer.model.api import PENDING, Status
from batch_deployer.model.deployment import Operation
from batch_deployer.simulator.faults.rules import Effect
from batch_deployer.simulator.service.agenda import Wish
from batch_deployer.simulator.service.bodies import release_time
from batch_deployer.simulator.service.durations import duration
from batch_deployer.simulator.service.ledger import Ledger
from batch_deployer.simulator.service.operation import SHOWN_DELETED, OperationContext
from batch_deployer.simulator.service.release import NEVER, ReleaseRecord, Revision
from batch_deployer.simulator.service.state import ServiceState


class OtherActors:
    """Actors beside us. They meet no limits, no faults and no permissions."""

    def __init__(self, seed: int | str, estate: ServiceState, ledger: Ledger) -> None:
        """`seed` keys how long their operations take."""
        self._seed = seed
        self._estate = estate
        self._ledger = ledger

    def act(self, effect: Effect, slot: ReleaseRecord, turn: OperationContext, wish: Wish) -> float:
        """Do it, and return 0; or the time (epoch seconds) at which to try again, because the release is busy.

        A release that is gone by then is left alone, unless it is to be created anew.
        """
        status = slot.status(turn.now)
        if effect == Effect.OTHER_RECREATE:
            return self._recreate(slot, turn, wish)
        if status in (None, Status.DELETED):
            return 0.0
        if effect == Effect.VANISH:
            self._ledger.write(turn.entry("vanish", slot.key, slot.revision))
            slot.clear()
        elif effect == Effect.OTHER_DELETE:
            self._delete(slot, turn)
        elif status in PENDING:
            ends = slot.revisions[-1].ends
            return 0.0 if ends == NEVER else ends
        elif status != Status.DELETING:
            newest = slot.revisions[-1]
            self._install(slot, turn, newest, wish, number=newest.number + 1, pending=Status.PENDING_UPGRADE)
            self._ledger.write(turn.entry("upgrade", slot.key, slot.revision))
        return 0.0

    def _recreate(self, slot: ReleaseRecord, turn: OperationContext, wish: Wish) -> float:
        """Delete what is there and install another chart at once; the same one where there is no other."""
        if slot.status(turn.now) == Status.DELETING:
            return 0.0 if slot.gone_at == NEVER else slot.gone_at
        if not slot.revisions:
            return 0.0
        newest = slot.revisions[-1]
        if slot.taken(turn.now):
            self._ledger.write(turn.entry("delete", slot.key, newest.number))
        chart_id = wish.chart_id or self._another_chart(newest)
        slot.clear()
        slot.created_at = release_time(turn.now)
        wish = msgspec.structs.replace(wish, chart_id=chart_id)
        self._install(slot, turn, newest, wish, number=wish.revision, pending=Status.PENDING_INSTALL)
        self._ledger.write(turn.entry("create", slot.key, slot.revision))
        return 0.0

    def _another_chart(self, newest: Revision) -> str:
        runs = (newest.chart_name, newest.chart_version)
        others = (chart for chart in self._estate.charts.values() if (chart.name, *chart.versions[-1:]) != runs)
        return next((chart.id for chart in others), "")

    def _install(
        self, slot: ReleaseRecord, turn: OperationContext, newest: Revision, wish: Wish, *, number: int, pending: Status
    ) -> None:
        """Their values, and their chart if they have one."""
        chart = self._estate.chart(wish.chart_id) if wish.chart_id else None
        named = chart or self._estate.chart_named(newest.chart_name)
        takes = duration(self._seed, named, Operation.UPGRADE, slot.key, number)
        values = _their_values(json.loads(newest.values)) if wish.values is None else wish.values
        slot.add(
            Revision(
                number=number,
                chart_name=named.name,
                chart_version=chart.versions[-1] if chart and chart.versions else newest.chart_version,
                chart_public=newest.chart_public,
                values=json.dumps(values),
                parameters=newest.parameters,
                pending=pending,
                final=Status.DEPLOYED,
                ends=turn.now + takes / turn.speed,
                updated_at=release_time(turn.now),
            )
        )

    def _delete(self, slot: ReleaseRecord, turn: OperationContext) -> None:
        """Whatever the release is doing."""
        chart = self._estate.chart_named(slot.revisions[-1].chart_name)
        takes = duration(self._seed, chart, Operation.DELETE, slot.key, slot.revision)
        slot.delete_ends = turn.now + takes / turn.speed
        slot.delete_final = Status.DELETED
        slot.gone_at = slot.delete_ends + SHOWN_DELETED / turn.speed
        self._ledger.write(turn.entry("delete", slot.key, slot.revision))


def _their_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Ours with other numbers, and a mark."""
    changed = {name: value + 96 for name, value in values.items() if isinstance(value, int | float)}
    return {**values, **changed, "changedBy": "another actor"}
