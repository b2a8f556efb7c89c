"""The life of one release name on one cluster. Nothing ticks: the status follows from when things began and end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from batch_deployer.model.api import Status
from batch_deployer.simulator.service.bodies import ReleaseBody

NEVER = float("inf")
HISTORY = 10
"""Revisions that are kept."""


@dataclass(slots=True, kw_only=True)
class Revision:
    """One revision: what was asked for, how long it takes and how it ends."""

    number: int
    chart_name: str
    chart_version: str
    chart_public: bool
    values: str
    parameters: str
    pending: Status
    final: Status
    ends: float
    """Epoch seconds; NEVER: stuck."""
    updated_at: str

    def status(self, now: float) -> Status:
        """Pending until it ends."""
        return self.pending if now < self.ends else self.final


_TEXTS = {
    Status.PENDING_INSTALL: ("Initial install underway", "Initial install underway"),
    Status.PENDING_UPGRADE: ("Preparing upgrade", "Preparing upgrade"),
    Status.PENDING_ROLLBACK: ("Rollback underway", "Rollback underway"),
    Status.DEPLOYED: ("Install complete", "Upgrade complete"),
    Status.FAILED: (
        "Release failed: timed out waiting for the condition",
        "Upgrade failed: timed out waiting for the condition",
    ),
    Status.DELETING: ("Deletion in progress (or silently failed)",) * 2,
    Status.DELETED: ("Uninstallation complete",) * 2,
    Status.UNKNOWN: ("The status of the release is unknown",) * 2,
    Status.SUPERSEDED: ("Superseded by a newer revision",) * 2,
}


@dataclass(slots=True, kw_only=True)
class ReleaseRecord:
    """A release name: what is there, what was there, and what readers that lag behind still see."""

    key: str
    cluster_id: str
    cluster_name: str
    namespace: str
    name: str
    created_at: str = ""
    revisions: list[Revision] = field(default_factory=list)
    delete_ends: float | None = None
    delete_final: Status = Status.DELETED
    gone_at: float = NEVER
    """When the shown DELETED turns into a 404."""
    stale_until: float = 0.0
    stale_view: ReleaseBody | None = None
    stale_history: tuple[ReleaseBody, ...] = ()
    _shown: tuple[Revision, Status, ReleaseBody] | None = None
    """The last truth told: most looks see no change."""

    def status(self, now: float) -> Status | None:
        """The true status; None when there is no release of that name."""
        if not self.revisions or now >= self.gone_at:
            return None
        if self.delete_ends is not None:
            return Status.DELETING if now < self.delete_ends else self.delete_final
        return self.revisions[-1].status(now)

    def taken(self, now: float) -> bool:
        """Whether the name is in use."""
        return self.status(now) not in (None, Status.DELETED)

    @property
    def revision(self) -> int:
        """The newest revision; 0 when there is none."""
        return self.revisions[-1].number if self.revisions else 0

    def stuck(self) -> bool:
        """Whether the newest revision will never leave its pending status by itself."""
        return bool(self.revisions) and self.revisions[-1].ends == NEVER

    def add(self, revision: Revision) -> None:
        """A new revision follows; a delete that failed before is forgotten."""
        self.revisions.append(revision)
        del self.revisions[:-HISTORY]
        self.delete_ends, self.gone_at = None, NEVER

    def clear(self) -> None:
        """Forget everything but what lagging readers see."""
        self.revisions.clear()
        self.delete_ends, self.gone_at = None, NEVER

    def lag(self, now: float, until: float) -> None:
        """Call before a write: until then readers go on seeing what they see now."""
        if until > now:
            self.stale_view, self.stale_history = self.view(now), self.history(now)
            self.stale_until = max(self.stale_until, until)

    def view(self, now: float) -> ReleaseBody | None:
        """What a reader sees."""
        if now < self.stale_until:
            return self.stale_view
        return self.truth(now)

    def truth(self, now: float) -> ReleaseBody | None:
        """What there is."""
        status = self.status(now)
        if status is None:
            return None
        newest, shown = self.revisions[-1], self._shown
        if shown is not None and shown[0] is newest and shown[1] is status:
            return shown[2]
        body = self._body(newest, status)
        self._shown = (newest, status, body)
        return body

    def history(self, now: float) -> tuple[ReleaseBody, ...]:
        """What a reader sees of the last revisions, oldest first."""
        if now < self.stale_until:
            return self.stale_history
        status = self.status(now)
        return () if status is None else tuple(self._bodies(now, status))

    def find(self, number: int, now: float) -> Revision | None:
        """A revision to roll back to; 0 means the one before the newest."""
        if self.status(now) is None:
            return None
        if number == 0:
            return self.revisions[-2] if len(self.revisions) > 1 else None
        return next((revision for revision in self.revisions if revision.number == number), None)

    def _bodies(self, now: float, status: Status) -> Iterator[ReleaseBody]:
        deployed = [revision.number for revision in self.revisions if revision.status(now) == Status.DEPLOYED]
        newest = self.revisions[-1]
        for revision in self.revisions:
            shown = status if revision is newest else revision.status(now)
            old = revision is not newest and shown == Status.DEPLOYED and revision.number != deployed[-1]
            yield self._body(revision, Status.SUPERSEDED if old else shown)

    def _body(self, revision: Revision, status: Status) -> ReleaseBody:
        text = _TEXTS[status][revision.number > 1]
        return ReleaseBody(
            name=self.name,
            namespace=self.namespace,
            cluster_id=self.cluster_id,
            cluster_name=self.cluster_name,
            chart_name=revision.chart_name,
            chart_version=revision.chart_version,
            chart_public=revision.chart_public,
            version=revision.number,
            status=status.value,
            status_description=text,
            description=text,
            values=revision.values,
            parameters=revision.parameters,
            resources="",
            create_at=self.created_at,
            update_at=revision.updated_at,
        )
