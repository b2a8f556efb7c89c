"""The values of a frozen plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.model.deployment import Deployment
from batch_deployer.settings import GateSettings, Limits, Settings, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """An ordered group of deployments with a gate after it."""

    name: str
    max_failures: Share | None = None
    """None: only the run's budget applies."""
    soak: float = 0.0
    """Seconds to wait after the wave's last deployment ended before the gate is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSpec:
    """Where a cloud's credential comes from. Secrets are named here, never held.

    method: `token` | `clouds` (clouds.yaml entry) | `environment` (OS_*) | `password` | `agency` | `aksk`.
    options: the other keys of `auth:` in the manifest, as text (`username`, `domain`, `project`, `auth_url`,
    `access_key`, `form`, ...); values may be `${secret:...}` markers, resolved only by the adapter that logs in.
    """

    method: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSpec:
    """One (endpoint, region, project, credential)."""

    name: str
    endpoint: str = ""
    """CCE base URL without a trailing slash; empty: taken from the service catalogue of the clouds.yaml entry."""
    region: str = ""
    project_id: str = ""
    auth: AuthSpec = AuthSpec(method="environment")
    ca_file: str = ""
    """PEM bundle for TLS; empty: the system's."""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run is to bring about."""

    name: str
    """The manifest's name; also the name of the run lock."""
    clouds: Mapping[str, CloudSpec]
    deployments: Sequence[Deployment]
    """In plan order: manifest order, unique keys."""
    waves: Sequence[Wave] = (Wave(name="all"),)
    gates: GateSettings = GateSettings()
    release_budgets: Mapping[str, Share] = field(default_factory=dict)
    """Release name to its own max_failures."""
    settings: Settings = Settings()
    expected: Mapping[str, str] = field(default_factory=dict)
    """Key to `action revision updated_at` as a saved plan observed it; empty for a plan that was not saved."""
