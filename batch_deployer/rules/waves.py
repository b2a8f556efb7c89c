"""Cuts clusters into waves. The same clusters land in the same waves whatever order the manifest names them in.

Order within a pick comes from a hash of (seed, wave, cluster id), never from position, so adding or moving lines
of a manifest does not reshuffle who goes first.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_deployer.model.selector_rules import matches
from batch_deployer.model.selectors import Selector, WaveRule

REST = "rest"
"""Name of the wave that is added for clusters which no rule takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A cluster as far as waves care."""

    id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Waves in order, and the one wave of every cluster."""

    names: tuple[str, ...]
    """A rule that is cut into parts gives `name-1`, `name-2`, ..."""
    rules: tuple[int, ...]
    """For each wave, the index of the rule it came from; -1 for the added rest."""
    wave_of: Mapping[str, int]
    """Cluster id to index into `names`."""


def assign(rules: Sequence[WaveRule], members: Sequence[Member], seed: int = 0) -> Assignment:
    """Give every member exactly one wave: each rule takes from what the rules before it left.

    Waves may come out empty; members that no rule takes form a last wave named `rest`.
    """
    names: list[str] = []
    origins: list[int] = []
    wave_of: dict[str, int] = {}
    left = list(members)
    for index, rule in enumerate(rules):
        for name, taken in _parts(rule, _fitting(rule.selector, left), _fitting(rule.selector, members), seed):
            wave_of.update(dict.fromkeys(taken, len(names)))
            names.append(name)
            origins.append(index)
        left = [member for member in left if member.id not in wave_of]
    if left or not names:
        wave_of.update({member.id: len(names) for member in left})
        names.append(REST if REST not in names else f"{REST}-{len(names) + 1}")
        origins.append(-1)
    return Assignment(names=tuple(names), rules=tuple(origins), wave_of=wave_of)


def _fitting(selector: Selector, members: Sequence[Member]) -> list[Member]:
    return [member for member in members if matches(selector, member.tags)] if selector else list(members)


def _parts(
    rule: WaveRule, left: Sequence[Member], matching: Sequence[Member], seed: int
) -> list[tuple[str, Sequence[str]]]:
    """Names and cluster ids of the waves that one rule makes."""
    size = _size(rule, len(matching))
    if size is not None:
        order = _mixed(rule, left, seed) if rule.spread else _shuffled(rule, left, seed)
        return [(rule.name, [member.id for member in order[:size]])]
    if not rule.spread:
        return [(rule.name, [member.id for member in left])]
    groups = _groups(rule, left, seed)
    parts = rule.parts or max(map(len, groups), default=1)
    cut = _spread(groups, parts)
    if parts == 1:
        return [(rule.name, cut[0])]
    return [(f"{rule.name}-{number}", ids) for number, ids in enumerate(cut, 1)]


def _size(rule: WaveRule, total: int) -> int | None:
    """How many to pick. A share of something is at least one: a canary of 5% of 10 clusters is one cluster."""
    if rule.percent is not None:
        return max(int(total * rule.percent / 100 + 1e-9), 1)
    return rule.count


def _rank(rule: WaveRule, what: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{rule.name}\0{what}".encode(), digest_size=16).digest()


def _shuffled(rule: WaveRule, members: Sequence[Member], seed: int) -> list[Member]:
    return sorted(members, key=lambda member: _rank(rule, member.id, seed))


def _groups(rule: WaveRule, members: Sequence[Member], seed: int) -> list[list[Member]]:
    """Members by their value of the spread tag, largest group first; those without the tag are each on their own."""
    groups: dict[tuple[str, str], list[Member]] = defaultdict(list)
    for member in _shuffled(rule, members, seed):
        value = member.tags.get(rule.spread)
        groups[("", member.id) if value is None else ("=", value)].append(member)
    return [groups[key] for key in sorted(groups, key=lambda key: (-len(groups[key]), _rank(rule, key[1], seed)))]


def _mixed(rule: WaveRule, members: Sequence[Member], seed: int) -> list[Member]:
    """One of every group, then a second of every group, and so on; which group leads is chance, not size."""
    ranked = sorted(
        (place, _rank(rule, "group " + group[0].tags.get(rule.spread, group[0].id), seed), member.id, member)
        for group in _groups(rule, members, seed)
        for place, member in enumerate(group)
    )
    return [entry[-1] for entry in ranked]


def _spread(groups: Sequence[Sequence[Member]], parts: int) -> list[list[str]]:
    """Deal the groups out over `parts` waves: two of one group share a wave only if the group is larger than `parts`.

    Each group starts where the last one stopped, so sizes differ by at most one.
    """
    cut: list[list[str]] = [[] for _ in range(parts)]
    dealt = 0
    for group in groups:
        for member in group:
            cut[dealt % parts].append(member.id)
            dealt += 1
    return cut
