"""Clusters made up for a rehearsal, where a manifest would ask a cloud for them."""

import re
from collections.abc import Mapping, Sequence

from batch_deployer.manifest.model import DiscoverSpec, Manifest
from batch_deployer.model.api import ClusterState
from batch_deployer.model.selectors import Operator
from batch_deployer.simulator.keyed_random import uuid_like


def made_up(manifest: Manifest, clusters: int) -> Mapping[str, Sequence[ClusterState]]:
    """By cloud, clusters that fit what the manifest asks: with those it names itself as many as wanted, shared equally.

    Each question gets at least one. Tags that no question asks for are not made up.
    """
    wanted = max(clusters - len(manifest.clusters), len(manifest.discover))
    found: dict[str, list[ClusterState]] = {}
    for ordinal, question in enumerate(manifest.discover):
        share = range(ordinal, wanted, len(manifest.discover))
        found.setdefault(question.cloud, []).extend(_cluster(question, number) for number in share)
    return found


def _cluster(question: DiscoverSpec, number: int) -> ClusterState:
    tags = {}
    for requirement in question.selector:
        if requirement.operator is Operator.IN:
            tags[requirement.tag] = requirement.values[number % len(requirement.values)]
        elif requirement.operator is Operator.EXISTS:
            tags[requirement.tag] = "yes"
    return ClusterState(
        id=uuid_like("made up", question.cloud, number),
        name=_fitting(question.names[0] if question.names else "cluster-*", f"{number:04}"),
        phase=question.phases[0] if question.phases else "Available",
        tags=tags,
    )


def _fitting(glob: str, text: str) -> str:
    """A name that fits the glob: the text for its first star, the first choice for a set."""
    name = glob.replace("*", text, 1).replace("*", "").replace("?", "0")
    return re.sub(r"\[([^!\]])[^\]]*\]", r"\1", name)
