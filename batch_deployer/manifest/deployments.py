"""The `deployments:` of a manifest: explicit pairs, inline or from tables of 100,000 rows and more."""

from collections.abc import Mapping
from sys import intern
from typing import Any

from batch_deployer.errors import InputError
from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.model import Override, Pair
from batch_deployer.manifest.nodes import Node, SourceLocation
from batch_deployer.manifest.schema import DeploymentModel, OverrideModel
from batch_deployer.manifest.validation import ValidatedManifest, check_part
from batch_deployer.model.deployment import OnExisting, OnFailure
from batch_deployer.util.suggest import unknown

_COLUMNS = (
    "cluster",
    "release",
    "version",
    "description",
    "timeout",
    "on_existing",
    "on_failure",
    "allow_destructive",
    "priority",
)
_MAPS = ("values", "parameters")


class Pairs:
    """Collects pairs. Equal overrides become one object, so that deployments can share their release spec."""

    def __init__(self, checked: ValidatedManifest, context: LoadContext) -> None:
        """Read the whole section."""
        self.found: list[Pair] = []
        self._context = context
        self._releases = checked.refs()
        self._overrides: dict[str, Override] = {}
        for shape, node in zip(checked.model.deployments or (), checked.locations("deployments"), strict=True):
            self._entry(shape, node)

    def _entry(self, shape: DeploymentModel, node: Node) -> None:
        if shape.from_:
            strange = [key for key in node.keys if key != "from"]
            if strange:
                self._context.report(
                    node.keys[strange[0]], f"`{strange[0]}` cannot stand beside `from`; make it a column of the file"
                )
            location = node.at("from").location
            self._context.table(shape.from_, _COLUMNS, _MAPS, self._row, before=len(self.found), location=location)
            return
        missing = [key for key in ("cluster", "release") if key not in node.mapping]
        if missing:
            self._context.report(node.location, f"a deployment needs the key `{missing[0]}`, or `from`")
            return
        self._add(
            str(shape.cluster), str(shape.release), self._override(shape), node.at("release").location, node.location
        )

    def _row(self, row: dict[str, Any], location: SourceLocation) -> None:
        cluster, release = row.pop("cluster", None), row.pop("release", None)
        if not isinstance(cluster, str) or not isinstance(release, str):
            missing = "release" if isinstance(cluster, str) else "cluster"
            self._context.report(location, f"a pair needs `{missing}`, as text")
            return
        override = None
        if row:
            try:
                override = self._row_override(row, location)
            except InputError as error:
                self._context.diagnostics.extend(error.diagnostics)
                return
        self._add(cluster, release, override, location, location)

    def _row_override(self, row: Mapping[str, Any], location: SourceLocation) -> Override | None:
        same = repr(row)
        if same not in self._overrides:
            shape = check_part(OverrideModel, self._context.values(row, location), location)
            override = self._override(shape)
            if override is None:
                return None
            self._overrides[same] = override
        return self._overrides[same]

    def _override(self, shape: OverrideModel) -> Override | None:
        given = shape.model_dump(exclude_none=True, exclude={"cluster", "release", "from_"})
        if not given:
            return None
        if "on_existing" in given:
            given["on_existing"] = OnExisting(given["on_existing"])
        if "on_failure" in given:
            given["on_failure"] = OnFailure(given["on_failure"])
        return Override(**given)

    def _add(
        self, cluster: str, release: str, override: Override | None, spot: SourceLocation, location: SourceLocation
    ) -> None:
        if release not in self._releases:
            self._context.report(spot, unknown("release", release, self._releases))
            return
        self.found.append(Pair(intern(cluster), intern(release), override, location))
