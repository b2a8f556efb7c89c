"""What others do to a release while we look away: upgrade it, delete it, let it vanish."""

import json

from batch_deployer.model.api import PENDING, Status
from batch_deployer.model.deployment import Operation
from batch_deployer.model.values import merge
from batch_deployer.simulator.bodies import release_time
from batch_deployer.simulator.durations import duration
from batch_deployer.simulator.estate import Estate
from batch_deployer.simulator.fault_rules import Effect
from batch_deployer.simulator.ledger import Ledger
from batch_deployer.simulator.releases import NEVER, Revision, Slot
from batch_deployer.simulator.turn import SHOWN_DELETED, Turn


class Others:
    """Actors beside us. They meet no limits, no faults and no permissions."""

    def __init__(self, seed: int | str, estate: Estate, ledger: Ledger) -> None:
        """`seed` keys how long their operations take."""
        self._seed = seed
        self._estate = estate
        self._ledger = ledger

    def act(self, effect: Effect, slot: Slot, turn: Turn) -> float:
        """Do it, and return 0; or the time (epoch seconds) at which to try again, because the release is busy.

        A release that is gone by then is left alone.
        """
        status = slot.status(turn.now)
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
            self._upgrade(slot, turn)
        return 0.0

    def _upgrade(self, slot: Slot, turn: Turn) -> None:
        """The same chart, with values of their own."""
        newest = slot.revisions[-1]
        number = newest.number + 1
        chart = self._estate.chart_named(newest.chart_name)
        takes = duration(self._seed, chart, Operation.UPGRADE, slot.key, number)
        slot.add(
            Revision(
                number=number,
                chart_name=newest.chart_name,
                chart_version=newest.chart_version,
                chart_public=newest.chart_public,
                values=json.dumps(merge(json.loads(newest.values), {"changedBy": "another actor"})),
                parameters=newest.parameters,
                pending=Status.PENDING_UPGRADE,
                final=Status.DEPLOYED,
                ends=turn.now + takes / turn.speed,
                updated_at=release_time(turn.now),
            )
        )
        self._ledger.write(turn.entry("upgrade", slot.key, number))

    def _delete(self, slot: Slot, turn: Turn) -> None:
        """Whatever the release is doing."""
        chart = self._estate.chart_named(slot.revisions[-1].chart_name)
        takes = duration(self._seed, chart, Operation.DELETE, slot.key, slot.revision)
        slot.delete_ends = turn.now + takes / turn.speed
        slot.delete_final = Status.DELETED
        slot.gone_at = slot.delete_ends + SHOWN_DELETED / turn.speed
        self._ledger.write(turn.entry("delete", slot.key, slot.revision))
