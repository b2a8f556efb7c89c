"""The `clusters:` of a manifest: named one by one, read from tables, or to be asked of a cloud."""

import json
from collections.abc import Mapping
from sys import intern
from typing import Any

from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.identifiers import cluster_id
from batch_deployer.manifest.model import ClusterEntry, DiscoverSpec, Values
from batch_deployer.manifest.nodes import Node, SourceLocation
from batch_deployer.manifest.schema import ClusterModel
from batch_deployer.manifest.validation import ValidatedManifest
from batch_deployer.model.cloud import CloudSpec
from batch_deployer.model.deployment import Cluster
from batch_deployer.model.helm_values import merge
from batch_deployer.util.suggest import unknown

_COLUMNS = ("id", "name", "cloud", "priority")
_MAPS = ("tags", "values")


class Clusters:
    """Collects clusters and notices those that are named twice."""

    def __init__(self, checked: ValidatedManifest, clouds: Mapping[str, CloudSpec], context: LoadContext) -> None:
        """Read the whole section."""
        self.entries: list[ClusterEntry] = []
        self.discover: list[DiscoverSpec] = []
        self._clouds = clouds
        self._known_clouds = checked.names("clouds")
        self._context = context
        self._first: dict[str, SourceLocation] = {}
        self._tags: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self._values: dict[str, Values] = {}
        if not checked.model.clusters and not checked.broken:
            context.report(checked.tree.at("clusters").location, "`clusters` must not be empty")
        for shape, node in zip(checked.model.clusters, checked.locations("clusters"), strict=True):
            self._entry(shape, node)

    def _entry(self, shape: ClusterModel, node: Node) -> None:
        kinds = [word for word in ("id", "from", "discover") if word in node.mapping]
        if len(kinds) != 1:
            said = f"both `{kinds[0]}` and `{kinds[1]}`" if kinds else "none"
            self._context.report(node.location, f"a cluster needs one of `id`, `from` and `discover`; this has {said}")
        elif shape.from_:
            self._table(shape, node)
        elif shape.discover:
            self._question(shape, node)
        elif shape.id:
            cluster = Cluster(
                id=shape.id,
                name=shape.name or shape.id,
                cloud=self._cloud(shape.cloud, node.at("cloud").location),
                tags=self._same(shape.tags or {}),
                priority=shape.priority or 0,
            )
            self._add(cluster, shape.values, node.location)

    def _question(self, shape: ClusterModel, node: Node) -> None:
        asked, location = shape.discover, node.at("discover").location
        assert asked is not None  # noqa: S101 - the caller looked
        if shape.name:
            self._context.report(node.keys["name"], "`name` belongs inside `discover`, as a glob on cluster names")
        cloud = self._cloud(asked.cloud or shape.cloud, node.at("discover", "cloud").location)
        self.discover.append(
            DiscoverSpec(
                cloud=cloud,
                selector=asked.tags or (),
                names=asked.name or (),
                phases=asked.phase or (),
                tags=shape.tags or {},
                priority=shape.priority or 0,
                values=shape.values,
                location=location,
            )
        )

    def _table(self, shape: ClusterModel, node: Node) -> None:
        name, location = str(shape.from_), node.at("from").location
        if shape.name:
            self._context.report(node.keys["name"], "`name` cannot be given for all clusters of a file")
        self._context.table(
            name,
            _COLUMNS,
            _MAPS,
            lambda row, where: self._row(row, shape, where),
            before=len(self.entries),
            location=location,
        )

    def _row(self, row: Mapping[str, Any], shape: ClusterModel, location: SourceLocation) -> None:
        try:
            identity = cluster_id(_text(row, "id"))
            name = _text(row, "name") if "name" in row else identity
            cloud = _text(row, "cloud") if "cloud" in row else shape.cloud
            priority = _priority(row.get("priority", shape.priority or 0))
            tags = self._same({**(shape.tags or {}), **_tags(row.get("tags", {}))})
        except ValueError as error:
            self._context.report(location, str(error))
            return
        values = (
            merge(shape.values or {}, self._context.values(row["values"], location))
            if "values" in row
            else shape.values
        )
        cluster = Cluster(id=identity, name=name, cloud=self._cloud(cloud, location), tags=tags, priority=priority)
        self._add(cluster, values, location)

    def _cloud(self, name: str | None, location: SourceLocation) -> str:
        if name is None:
            if len(self._known_clouds) > 1:
                names = ", ".join(sorted(self._known_clouds))
                self._context.report(location, f"a cluster needs `cloud`, as there are several: {names}")
            return next(iter(self._clouds), "")
        if name not in self._clouds and name not in self._known_clouds:
            self._context.report(location, unknown("cloud", name, self._known_clouds))
        return intern(name)

    def _add(self, cluster: Cluster, values: Values | None, location: SourceLocation) -> None:
        first = self._first.setdefault(cluster.id, location)
        if first is not location:
            where = f"line {first.line}" if first.file == location.file else f"{first.file}:{first.line}"
            self._context.report(location, f"cluster {cluster.id} is given twice, first on {where}")
            return
        shared = self._values.setdefault(json.dumps(values, sort_keys=True), values) if values else None
        self.entries.append(ClusterEntry(cluster, shared, location))

    def _same(self, tags: dict[str, str]) -> dict[str, str]:
        """One object for equal tags: inventories repeat them."""
        return self._tags.setdefault(tuple(sorted(tags.items())), tags)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` must be text" if name in row else f"a cluster needs `{name}`")
    return value


def _priority(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("`priority` must be a whole number")
    return value


def _tags(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("`tags` must be a mapping of texts")
    return value
