"""Where a cloud is and how to log in to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batch_deployer.settings import Limits

NEEDED_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "token": ("token",),
    "password": ("username", "password"),
    "agency": ("username", "password", "agency"),
    "aksk": ("access_key", "secret_key"),
    "environment": (),
}
"""The options of `auth` that each method cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSpec:
    """Where a cloud's credential comes from. Secrets are named here, never held.

    method: `token` | `clouds` (clouds.yaml entry) | `environment` (OS_*) | `password` | `agency` | `aksk`.
    options: the other keys of `auth:` in the manifest, as text (`username`, `domain`, `project`, `auth_url`,
    `access_key`, `form`, ...); values may be `${secret:...}` markers, resolved only by the adapter that logs in.
    """

    method: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSpec:
    """One (endpoint, region, project, credential)."""

    name: str
    endpoint: str = ""
    """CCE base URL without a trailing slash; empty: taken from the service catalogue of the clouds.yaml entry."""
    region: str = ""
    project_id: str = ""
    project: str = ""
    """Name of the project; empty: as the credential has it, or by `project_id`."""
    auth: AuthSpec = AuthSpec(method="environment")
    ca_file: str = ""
    """PEM bundle for TLS; empty: the system's."""
    limits: Limits = Limits()

    @property
    def scope(self) -> str:
        """What the provider throttles as one: the place and project behind a cloud, however a manifest calls it."""
        options = self.auth.options
        place = self.endpoint or options.get("auth_url") or options.get("cloud") or self.name
        project = self.project_id or options.get("project_id") or options.get("project") or self.project
        return f"{place}|{self.region}|{project}"
