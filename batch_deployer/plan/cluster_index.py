"""The clusters of a plan: those the manifest names, those a cloud showed, and replacements for lost ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from batch_deployer.errors import Diagnostic
from batch_deployer.manifest.identifiers import cluster_id
from batch_deployer.manifest.model import DiscoverSpec, Manifest, Values
from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.model.api import ClusterState
from batch_deployer.model.deployment import Cluster
from batch_deployer.model.selector_rules import matches
from batch_deployer.util.suggest import unknown

MAX_NAMED = 20
"""Clusters that one warning names."""
MAX_HINTS = 10
"""Names for which a near one is looked for; among thousands of clusters that takes its time."""


class Member(NamedTuple):
    """A cluster of the plan."""

    cluster: Cluster
    values: Values | None
    location: SourceLocation


class ClusterIndex:
    """All clusters in manifest order, to be looked up by id or name."""

    def __init__(self, manifest: Manifest, discovered: Mapping[str, Sequence[ClusterState]]) -> None:
        """`discovered`: all clusters of each cloud that the manifest's `discover` asks."""
        self.diagnostics: list[Diagnostic] = []
        self.warnings: list[str] = []
        self._hints = 0
        self._discovered = {cloud: self._usable(cloud, states) for cloud, states in discovered.items()}
        members = {entry.cluster.id: Member(*entry) for entry in manifest.clusters}
        self._left_out: dict[str, Cluster] = {}
        for question in manifest.discover:
            self._ask(question, members)
        self.left_out = [cluster for cluster in self._left_out.values() if cluster.id not in members]
        """Clusters that a `discover` asks for in everything but its `phase`."""
        self._left_out_names = {name for cluster in self.left_out for name in (cluster.id, cluster.name)}
        self._warn_of_left_out()
        self.members = list(members.values())
        """Those in `gone` were taken over by another."""
        self.gone: set[int] = set()
        self._index()

    def _usable(self, cloud: str, states: Sequence[ClusterState]) -> Sequence[ClusterState]:
        """Without clusters whose id is none: it would become part of an address."""
        good = [state for state in states if _is_id(state.id)]
        for state in states:
            if not _is_id(state.id) and len(self.warnings) < MAX_HINTS:
                self.warnings.append(
                    f"cloud {cloud} shows a cluster with the id {state.id!r}, which is no UUID; it is left out"
                )
        return good

    def _index(self) -> None:
        here = [(index, member) for index, member in enumerate(self.members) if index not in self.gone]
        self._by_id = {member.cluster.id: index for index, member in here}
        self._by_name: dict[str, int] = {}
        self._twice: set[str] = set()
        for index, member in here:
            if self._by_name.setdefault(member.cluster.name, index) != index:
                self._twice.add(member.cluster.name)

    def _ask(self, question: DiscoverSpec, members: dict[str, Member]) -> None:
        if question.cloud not in self._discovered:
            message = f'the clusters of cloud "{question.cloud}" must be discovered before this can be planned'
            self.diagnostics.append(question.location.diagnostic(message))
            return
        fitting = [state for state in self._discovered[question.cloud] if _fits(question, state)]
        if not fitting:
            total = len(self._discovered[question.cloud])
            message = f'none of the {total} clusters of cloud "{question.cloud}" fits this discover'
            self.diagnostics.append(question.location.diagnostic(message))
        for state in fitting:
            known = members.get(state.id)
            cluster = Cluster(
                id=state.id,
                name=state.name or state.id,
                cloud=question.cloud,
                tags={**state.tags, **question.tags},
                priority=question.priority,
                phase=state.phase,
            )
            if question.phases and state.phase not in question.phases:
                self._left_out[cluster.id] = cluster
                continue
            if known is None:
                members[state.id] = Member(cluster, question.values, question.location)
            else:  # what the manifest says of a cluster wins over what is discovered
                tags = {**cluster.tags, **known.cluster.tags}
                members[state.id] = known._replace(cluster=replace(known.cluster, tags=tags, phase=state.phase))

    def _warn_of_left_out(self) -> None:
        clouds: dict[str, list[Cluster]] = {}
        for cluster in self.left_out:
            clouds.setdefault(cluster.cloud, []).append(cluster)
        for cloud, clusters in clouds.items():
            named = ", ".join(f"{each.name} ({each.phase or 'no phase'})" for each in clusters[:MAX_NAMED])
            more = f" and {len(clusters) - MAX_NAMED:,} more" if len(clusters) > MAX_NAMED else ""
            count = "1 cluster is" if len(clusters) == 1 else f"{len(clusters):,} clusters are"
            self.warnings.append(
                f"cloud {cloud}: {count} left out by the phase that `discover` asks for: {named}{more}"
            )

    def __contains__(self, name: str) -> bool:
        """Whether a cluster of the plan has this name or id."""
        return name in self._by_name or name in self._by_id or name.lower() in self._by_id

    def is_left_out(self, name: str) -> bool:
        """Whether a name or id is that of a cluster that only its phase keeps out of the plan."""
        return name in self._left_out_names or name.lower() in self._left_out_names

    def find(self, name: str, location: SourceLocation) -> int | None:
        """Index of the cluster with this id or name; None, and a fault, when there is not exactly one."""
        index = self._by_id.get(name)
        if index is None and name not in self._twice:
            index = self._by_name.get(name)
        if index is None:
            index = self._by_id.get(name.lower())
        if index is None:
            self.diagnostics.append(location.diagnostic(self._problem(name)))
        return index

    def _problem(self, name: str) -> str:
        if name in self._twice:
            return f'several clusters are called "{name}"; use the id'
        self._hints += 1
        return unknown("cluster", name, self._by_name) if self._hints <= MAX_HINTS else f'unknown cluster "{name}"'

    def renew(self, cluster_map: Mapping[str, str]) -> None:
        """Put replacement clusters in the place of lost ones: they take over tags, values, priority and pairs."""
        if not cluster_map:
            return
        before = list(self.members)
        roles: dict[str, int] = {}
        for old, new in cluster_map.items():
            index, identity = self.find(old, SourceLocation()), self._identity(new, before)
            if index is None or identity is None:
                continue
            if identity.id in roles:
                self.diagnostics.append(Diagnostic(f'two clusters cannot both be mapped to "{new}"'))
                continue
            roles[identity.id] = index
            cloud = identity.cloud or before[index].cluster.cloud
            kept = before[index].cluster
            cluster = replace(kept, id=identity.id, name=identity.name, cloud=cloud, phase=identity.phase)
            self.members[index] = before[index]._replace(cluster=cluster)
        self.gone = {index for index, each in enumerate(self.members) if roles.get(each.cluster.id, index) != index}
        names, ids = self._by_name, self._by_id
        self._index()
        # Pairs go on naming clusters as the manifest does; whoever was taken over answers by its successor.
        for known, former in ((self._by_name, names), (self._by_id, ids)):
            for name, index in former.items():
                known[name] = roles[before[index].cluster.id] if index in self.gone else index

    def _identity(self, new: str, members: Sequence[Member]) -> Cluster | None:
        """Who replaces: a cluster of the manifest, one that a cloud showed, or just an id."""
        index = self._by_id.get(new.lower(), self._by_name.get(new) if new not in self._twice else None)
        if index is not None:
            return members[index].cluster
        for cloud, states in self._discovered.items():
            for state in states:
                if new in (state.id, state.name):
                    return Cluster(id=state.id, name=state.name or state.id, cloud=cloud, phase=state.phase)
        try:
            identity = cluster_id(new)
        except ValueError:
            self.diagnostics.append(Diagnostic(f"{self._problem(new)} to map to; give its id"))
            return None
        return Cluster(id=identity, name=identity, cloud="")


def _fits(question: DiscoverSpec, state: ClusterState) -> bool:
    """Whether a cluster is what a `discover` asks for, its phase left aside."""
    named = not question.names or any(
        fnmatchcase(name, glob) for glob in question.names for name in (state.name, state.alias) if name
    )
    return named and matches(question.selector, {**state.tags, **question.tags})


def _is_id(text: str) -> bool:
    try:
        cluster_id(text)
    except ValueError:
        return False
    return True
