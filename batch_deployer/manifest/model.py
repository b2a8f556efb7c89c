"""A manifest as values: everything checked that can be checked without asking a cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.model.cloud import CloudSpec
from batch_deployer.model.deployment import ChartRef, Cluster, OnExisting, OnFailure, Parameters
from batch_deployer.model.selectors import Selector, WaveRule
from batch_deployer.settings import GateSettings, IntOrPercent, Settings

Values = Mapping[str, Any]
"""Helm values as JSON; texts may hold `${cluster...}`, `${release...}`, `${secret:...}` and the escape `$${`."""


class ClusterEntry(NamedTuple):
    """A cluster that the manifest names itself."""

    cluster: Cluster
    values: Values | None
    """Merged over every release on this cluster. The same object where it is the same text."""
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverSpec:
    """Clusters to ask a cloud for. All conditions must hold; an empty one always does."""

    cloud: str
    selector: Selector = ()
    names: tuple[str, ...] = ()
    """Globs on name or alias; one must match."""
    phases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    """Added to the tags that the cloud shows."""
    priority: int = 0
    values: Values | None = None
    location: SourceLocation = SourceLocation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a deployment sets over its release; None means not set."""

    version: str | None = None
    description: str | None = None
    values: Values | None = None
    parameters: Mapping[str, Any] | None = None
    timeout: float | None = None
    on_existing: OnExisting | None = None
    on_failure: OnFailure | None = None
    allow_destructive: bool | None = None
    priority: int | None = None


class Pair(NamedTuple):
    """An explicit deployment, names not yet looked up."""

    cluster: str
    """Name or id."""
    release: str
    """Alias or name."""
    override: Override | None
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of the manifest: defaults, values files and its own settings merged."""

    ref: str
    """Its name within the manifest: alias, or name."""
    name: str
    namespace: str
    chart: ChartRef
    version: str
    description: str = ""
    values: Values = field(default_factory=dict)
    parameters: Parameters = Parameters()
    timeout: float = 900.0
    on_existing: OnExisting = OnExisting.UPGRADE
    on_failure: OnFailure = OnFailure.LEAVE
    allow_destructive: bool = False
    allow_system: bool = False
    priority: int = 0
    needs: tuple[str, ...] = ()
    """Refs of other releases."""
    targets: Selector | None = None
    """None: only explicit pairs."""
    max_failures: IntOrPercent | None = None
    location: SourceLocation = SourceLocation()
    targets_place: SourceLocation = SourceLocation()
    needs_places: tuple[SourceLocation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSpec:
    """A wave with its gate."""

    rule: WaveRule
    max_failures: IntOrPercent | None = None
    max_unreachable: IntOrPercent | None = None
    soak: float = 0.0
    location: SourceLocation = SourceLocation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `load` gives; what `plan.build` turns into a plan."""

    name: str
    file: str
    """As the user typed it."""
    clouds: Mapping[str, CloudSpec]
    clusters: Sequence[ClusterEntry] = ()
    discover: Sequence[DiscoverSpec] = ()
    """What must be asked of the clouds before the manifest can be planned."""
    releases: Sequence[Release] = ()
    pairs: Sequence[Pair] = ()
    waves: Sequence[WaveSpec] = ()
    seed: int = 0
    gates: GateSettings = GateSettings()
    settings: Settings = Settings()
    warnings: Sequence[str] = ()
    profile: str = ""
    """The profile that was applied."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the manifest (`""`) and of each table and values file, by path below the manifest's folder."""
