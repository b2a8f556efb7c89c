"""What was written, with the place of every node, so that any later fault can point at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from batch_deployer.errors import Diagnostic
from batch_deployer.model.helm_values import Json

Scalar: TypeAlias = "bool | int | float | str | None"


class SourceLocation(NamedTuple):
    """Where something stands; line and column count from 1."""

    file: str = ""
    line: int = 0
    column: int = 0

    def diagnostic(self, message: str) -> Diagnostic:
        """A fault at this place."""
        return Diagnostic(message, self.file, self.line, self.column)


@dataclass(slots=True, eq=False)
class Node:
    """A mapping, list or scalar."""

    value: dict[str, Node] | list[Node] | Scalar
    location: SourceLocation
    raw: str = ""
    """Source text of a plain scalar (`1.10`), empty otherwise."""
    keys: dict[str, SourceLocation] = field(default_factory=dict)
    """Places of a mapping's keys."""
    size: int = 1
    """Nodes in this subtree, aliases written out."""
    characters: int = 0
    """Of all texts and keys in this subtree, aliases written out."""
    height: int = 0
    """Levels below."""

    @property
    def mapping(self) -> dict[str, Node]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    def plain(self) -> Json:
        """The same as plain JSON values."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, *path: str | int) -> Node:
        """The node at a path, or the deepest one on the way that exists."""
        node = self
        for step in path:
            below = node.mapping.get(step) if isinstance(step, str) else None
            if isinstance(step, int) and 0 <= step < len(node.items):
                below = node.items[step]
            if below is None:
                break
            node = below
        return node


def overlay(base: Node, over: Node) -> Node:
    """`over` laid onto `base` as Helm merges: maps merge, lists and scalars replace, null deletes the key."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for name, node in over.value.items():
        if node.value is None:
            merged.pop(name, None)
        elif name in merged:
            merged[name] = overlay(merged[name], node)
        else:
            merged[name] = node
    return Node(merged, base.location, keys=base.keys | over.keys)
