"""What really happened, told by the server: the judge of every claim about duplicates, losses and limits."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One write that took effect, or a create that was refused because the name exists."""

    at: float
    cloud: str
    key: str
    """cluster_id/namespace/name."""
    operation: str
    """`create`, `upgrade`, `rollback`, `delete`, `vanish`, or `create_refused`."""
    revision: int = 0
    origin: str = "client"
    """`client`, `late` (a client's write that the gateway had given up), or `other` (another actor)."""
    duplicate: bool = False
    """A create that was applied although the release existed: what must never be."""
    request_id: str = ""


class Ledger:
    """Entries in the order of their effect, and counters of everything that was asked."""

    def __init__(self, listener: Callable[[Entry], None] | None = None) -> None:
        """`listener` hears each entry, for example to append it to a file."""
        self.entries: list[Entry] = []
        self.calls: dict[str, Counter[str]] = {}
        """Cloud to `kind status` to number; the status of a call without an answer is 0."""
        self.connections = 0
        self.open_connections = 0
        self.peak_connections = 0
        self.listener = listener

    def write(self, entry: Entry) -> None:
        """Append."""
        self.entries.append(entry)
        if self.listener is not None:
            self.listener(entry)

    def count(self, cloud: str, kind: str, status: int) -> None:
        """One request was answered (or cut)."""
        self.calls.setdefault(cloud, Counter())[f"{kind} {status}"] += 1

    def connected(self) -> None:
        """A connection was accepted."""
        self.connections += 1
        self.open_connections += 1
        self.peak_connections = max(self.peak_connections, self.open_connections)

    def disconnected(self) -> None:
        """A connection ended."""
        self.open_connections -= 1

    @property
    def creates(self) -> Counter[str]:
        """Key to how many creates were applied, by whomever they were sent."""
        return Counter(entry.key for entry in self.entries if entry.operation == "create")

    @property
    def refused_creates(self) -> Counter[str]:
        """Key to how many creates were refused because the name exists."""
        return Counter(entry.key for entry in self.entries if entry.operation == "create_refused")

    @property
    def duplicates(self) -> list[str]:
        """Keys for which a create took effect although the release existed, once per time."""
        return [entry.key for entry in self.entries if entry.duplicate]

    def revisions(self, operation: str, *, origin: str = "") -> dict[str, list[int]]:
        """Key to the revisions that this operation made (for a delete: ended), in order."""
        found: dict[str, list[int]] = {}
        for entry in self.entries:
            if entry.operation == operation and (not origin or entry.origin == origin):
                found.setdefault(entry.key, []).append(entry.revision)
        return found

    def kinds(self) -> dict[str, dict[str, dict[str, int]]]:
        """Cloud to kind of call to status to number."""
        nested: dict[str, dict[str, dict[str, int]]] = {}
        for cloud, counter in self.calls.items():
            for name, number in sorted(counter.items()):
                kind, status = name.rsplit(" ", 1)
                nested.setdefault(cloud, {}).setdefault(kind, {})[status] = number
        return nested

    def summary(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return {
            "creates": dict(self.creates),
            "refused_creates": dict(self.refused_creates),
            "duplicates": self.duplicates,
            "upgrades": self.revisions("upgrade"),
            "rollbacks": self.revisions("rollback"),
            "deletes": self.revisions("delete"),
            "by_others": [entry.key for entry in self.entries if entry.origin == "other"],
            "late": [entry.key for entry in self.entries if entry.origin == "late"],
            "calls": self.kinds(),
            "connections": {
                "opened": self.connections,
                "open": self.open_connections,
                "peak": self.peak_connections,
            },
        }
