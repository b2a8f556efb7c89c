"""The manifest's shape as pydantic models. Descriptions become the published JSON Schema; docs/manifest.md says more."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from batch_deployer.manifest.schema_types import (
    ClusterId,
    Duration,
    Endpoint,
    Name,
    Namespace,
    OneOrMore,
    Percent,
    PositiveDuration,
    PositiveShare,
    RateText,
    ReleaseName,
    SelectorMap,
    ShareText,
    Text,
    Values,
    Word,
)

Priority: TypeAlias = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
Texts: TypeAlias = list[Text]


class SchemaModel(BaseModel):
    """Base of all: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class AuthModel(SchemaModel):
    """How to log in. Secrets are named (`${secret:env:NAME}`), never written."""

    method: Literal["token", "password", "agency", "aksk", "environment"] | None = Field(
        default=None, description="Guessed from the other keys when left out."
    )
    auth_url: Endpoint | None = Field(default=None, description="IAM URL, ending in /v3.")
    token: Text | None = None
    username: Text | None = None
    password: Text | None = None
    domain: Text | None = Field(default=None, description="Domain of the user.")
    domain_id: Text | None = None
    project: Text | None = None
    project_id: Text | None = None
    project_domain: Text | None = Field(default=None, description="Domain of the project; else the user's.")
    project_domain_id: Text | None = None
    agency: Text | None = Field(default=None, description="Agency to assume.")
    agency_domain: Text | None = None
    agency_domain_id: Text | None = None
    access_key: Text | None = None
    secret_key: Text | None = None
    security_token: Text | None = None
    form: Literal["access", "legacy"] | None = Field(default=None, description="Form of the AK/SK signature.")


class LimitsModel(SchemaModel):
    """What one cloud may be asked to do."""

    writes: RateText | None = None
    reads: RateText | None = None
    in_flight: PositiveShare | None = None
    per_cluster: PositiveShare | None = None
    connections: Annotated[int, Field(ge=1, le=1000)] | None = None


class CloudModel(SchemaModel):
    """One (endpoint, region, project, credential)."""

    cloud: Text | None = Field(default=None, description="An entry of clouds.yaml.")
    endpoint: Endpoint | None = None
    region: Word | None = None
    project: Text | None = None
    project_id: Word | None = None
    ca_file: Text | None = None
    auth: AuthModel | None = None
    limits: LimitsModel | None = None


class DiscoverModel(SchemaModel):
    """Asks a cloud for its clusters."""

    cloud: Text | None = None
    tags: SelectorMap | None = None
    name: OneOrMore | None = Field(default=None, description="Glob, or list of globs.")
    phase: OneOrMore | None = None


class ClusterModel(SchemaModel):
    """A cluster (`id`), a file of clusters (`from`), or a question to a cloud (`discover`)."""

    id: ClusterId | None = None
    name: Text | None = None
    from_: Text | None = Field(default=None, alias="from")
    discover: DiscoverModel | None = None
    cloud: Text | None = None
    tags: dict[str, str] | None = None
    priority: Priority | None = None
    values: Values | None = None


class ChartModel(SchemaModel):
    """Which chart: by id, or by name and version, looked up once per cloud."""

    id: Word | None = None
    name: Word | None = None
    version: Word | None = None


class ParametersModel(SchemaModel):
    """`parameters` of the API."""

    dry_run: bool | None = None
    name_template: str | None = None
    no_hooks: bool | None = None
    replace: bool | None = None
    recreate: bool | None = None
    reset_values: bool | None = None
    include_hooks: bool | None = None


class PolicyModel(SchemaModel):
    """What may be set for a release anywhere."""

    timeout: PositiveDuration | None = None
    on_existing: Literal["upgrade", "skip", "fail", "replace"] | None = None
    on_failure: Literal["leave", "rollback"] | None = None
    allow_destructive: bool | None = None
    priority: Priority | None = None


class OverrideModel(PolicyModel):
    """What a deployment may set over its release."""

    version: Word | None = None
    description: str | None = None
    values: Values | None = None
    parameters: ParametersModel | None = None


class DefaultReleaseModel(OverrideModel):
    """What every release starts from."""

    namespace: Namespace | None = None
    values_files: Texts | None = None
    allow_system: bool | None = Field(default=None, description="Permit kube-system and cceaddon-*.")


class DefaultsModel(SchemaModel):
    """Starting values."""

    release: DefaultReleaseModel | None = None


class ReleaseModel(DefaultReleaseModel):
    """A chart release to install."""

    name: ReleaseName
    alias: Name | None = Field(default=None, description="Name inside this manifest, where one name is used twice.")
    chart: ChartModel
    targets: SelectorMap | None = None
    needs: Texts | None = None
    max_failures: ShareText | None = None


class DeploymentModel(OverrideModel):
    """An explicit pair, or a file of pairs (`from`)."""

    cluster: Text | None = None
    release: Text | None = None
    from_: Text | None = Field(default=None, alias="from")


class WaveModel(SchemaModel):
    """An ordered group of deployments with a gate after it."""

    name: Name
    clusters: SelectorMap | None = None
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    percent: Percent | None = None
    spread: Text | None = Field(default=None, description="A tag whose equal values are kept apart.")
    parts: Annotated[int, Field(ge=1, le=1000)] | None = None
    max_failures: ShareText | None = None
    max_unreachable: ShareText | None = None
    soak: Duration | None = None


class RolloutModel(SchemaModel):
    """Order and failure budgets."""

    max_failures: ShareText | None = None
    max_unreachable: ShareText | None = Field(
        default=None, description="Unreachable deployments; left out: they count as failures."
    )
    max_deferred: ShareText | None = Field(default=None, description="Deployments that may be deferred at the end.")
    defer_for: Duration | None = Field(
        default=None, description="How long each deferred deployment is waited for once everything else is done."
    )
    systemic: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    waves: list[WaveModel] | None = None


class RetryModel(SchemaModel):
    """How long and how fast to try again."""

    base: PositiveDuration | None = None
    cap: PositiveDuration | None = None
    give_up_after: PositiveDuration | None = None
    max_writes: Annotated[int, Field(ge=1, le=100)] | None = None
    budget: Annotated[float, Field(ge=0)] | None = None
    budget_ratio: Annotated[float, Field(ge=0, le=10)] | None = None
    locked: PositiveDuration | None = None
    throttle: PositiveDuration | None = None


class PollModel(SchemaModel):
    """When to look at a cluster."""

    initial_delay: Duration | None = None
    min_interval: PositiveDuration | None = None
    max_interval: PositiveDuration | None = None
    growth_factor: Annotated[float, Field(gt=0, le=10)] | None = None
    read_share: Annotated[float, Field(gt=0, le=1)] | None = None


class ReconcileModel(SchemaModel):
    """How to read back a write whose fate is unknown."""

    absence_grace: Duration | None = None
    confirmations: Annotated[int, Field(ge=1, le=100)] | None = None
    clock_skew: Duration | None = None
    max_staleness: PositiveDuration | None = None


class ReleasePolicyModel(PolicyModel):
    """What a profile may change of a release."""

    max_failures: ShareText | None = None


class ProfileModel(SchemaModel):
    """An overlay chosen by `--profile`."""

    limits: LimitsModel | None = None
    clouds: dict[str, CloudModel] | None = None
    defaults: DefaultsModel | None = None
    releases: dict[str, ReleasePolicyModel] | None = Field(default=None, description="By name or glob.")
    rollout: RolloutModel | None = None
    retry: RetryModel | None = None
    poll: PollModel | None = None
    reconcile: ReconcileModel | None = None
    deadline: PositiveDuration | None = None


class ManifestModel(SchemaModel):
    """Which releases go to which clusters, how fast, and when to stop."""

    name: Name = Field(description="Also the name of the run lock.")
    clouds: dict[str, CloudModel] = Field(json_schema_extra={"minProperties": 1})
    limits: LimitsModel | None = None
    defaults: DefaultsModel | None = None
    clusters: list[ClusterModel] = Field(json_schema_extra={"minItems": 1})
    releases: list[ReleaseModel] = Field(json_schema_extra={"minItems": 1})
    deployments: list[DeploymentModel] | None = None
    rollout: RolloutModel | None = None
    retry: RetryModel | None = None
    poll: PollModel | None = None
    reconcile: ReconcileModel | None = None
    deadline: PositiveDuration | None = Field(default=None, description="Of the whole run.")
    profiles: dict[str, ProfileModel] | None = None


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a manifest before interpolation."""
    schema = ManifestModel.model_json_schema(by_alias=True)
    for name, definition in schema["$defs"].items():
        definition["title"] = name.removesuffix("Model")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batch-deployer manifest",
        **{key: value for key, value in schema.items() if key != "title"},
    }
