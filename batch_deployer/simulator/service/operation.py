"""The circumstances of one write."""

import msgspec

from batch_deployer.simulator.faults.injection import Subject
from batch_deployer.simulator.service.ledger import Entry

SHOWN_DELETED = 1.0
"""Simulated seconds for which a deleted release is still shown, as DELETED."""


class OperationContext(msgspec.Struct, frozen=True, kw_only=True):
    """When, by whom, at which attempt."""

    now: float
    elapsed: float
    """Simulated seconds since the start."""
    speed: float
    """Simulated seconds a real second."""
    subject: Subject
    attempt: int = 1
    origin: str = "client"
    request_id: str = ""

    def entry(self, operation: str, key: str, revision: int, *, duplicate: bool = False) -> Entry:
        """What the ledger is to say about it."""
        return Entry(
            at=self.now,
            cloud=self.subject.cloud,
            key=key,
            operation=operation,
            revision=revision,
            origin=self.origin,
            duplicate=duplicate,
            request_id=self.request_id,
        )
