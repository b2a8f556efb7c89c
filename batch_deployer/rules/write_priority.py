"""Which cluster writes next: among those that may, the one whose work would take longest goes first."""

from typing import TypeAlias

Rank: TypeAlias = tuple[int, int, int, bool, int]
"""The least goes first."""


def batches_left(left: int, cap: int) -> int:
    """How often a cluster must be filled up for `left` deployments, of which `cap` may be under way at once."""
    return -(-left // cap)


def write_priority(wave: int, priority: int, *, batches_left: int, refused: int, begun: bool, arrived: int) -> Rank:
    """Rank a cluster by the most urgent deployment that it could start.

    Most rounds first: the longest chain decides when the last one ends. Then a cluster that has begun (has deployments
    under way): they share their looks, whole clusters become ready sooner, and what is wrong with a release shows before
    it has gone to many. Then in order of arrival. Each time in a row that the cluster was `refused` a write
    costs a round: it must not use up the writes of the others.
    """
    return (wave, -priority, refused - batches_left, not begun, arrived)
