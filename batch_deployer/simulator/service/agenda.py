"""What is going to happen by itself: writes that take effect late, and what others do."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from batch_deployer.model.api import Write
from batch_deployer.simulator.faults.injection import Subject
from batch_deployer.simulator.faults.rules import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class LateWrite:
    """A write that the gateway gave up, and that the service executes all the same."""

    subject: Subject
    call: Write
    attempt: int
    request_id: str


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What another actor installs, where it is not left to the simulator."""

    chart_id: str = ""
    values: dict[str, Any] | None = None
    revision: int = 1
    """That a release made anew has reached, by upgrades of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Somebody else does something to a release."""

    subject: Subject
    effect: Effect
    wish: Wish = Wish()


class Agenda:
    """Items by the time at which they are due."""

    def __init__(self) -> None:
        """Nothing is due."""
        self._heap: list[tuple[float, int, LateWrite | Incident]] = []
        self._count = 0

    def add(self, due: float, item: LateWrite | Incident) -> None:
        """Let it happen at `due` (epoch seconds)."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, item))

    def due(self, now: float) -> Iterator[tuple[float, LateWrite | Incident]]:
        """Take what is due, earliest first, with its own time; what is added meanwhile is taken too if it is due."""
        while self._heap and self._heap[0][0] <= now:
            due, _, item = heapq.heappop(self._heap)
            yield due, item
