"""The shape of `report.json`, version 1. The published schema (docs/report.schema.json) is generated from these types.

Within version 1 keys are only added; docs/report.md says what each means. Durations are seconds, `times` RFC 3339 in UTC,
`epochs` the same moments as seconds since 1970. A key that is not known is null, never left out.
"""

from typing import Any

import msgspec

VERSION = 1


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What ran, when, and how it ended."""

    id: str
    manifest: str
    state: str
    """`running`, `killed`, `interrupted`, `halted` or `finished`."""
    exit_code: int | None
    reason: str
    program_version: str
    started: str | None
    ended: str | None
    duration: float
    """Wall time from the first start to the last event, pauses between parts included."""
    active: float
    """The parts' durations added up."""
    parts: int
    """1 + how often it was resumed."""
    halts: list[str]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over all deployments."""

    deployments: int
    good: int
    """Deployed or unchanged. `deferred` counts neither here nor among the failures."""
    outcomes: dict[str, int]
    """Every outcome and `in_flight`, zeros included; adds up to `deployments`."""
    actions: dict[str, int]
    """Empty key: never planned."""
    writes: int
    """Writes intended."""
    refusals: int
    uncertain: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over one wave, cloud or release."""

    name: str
    deployments: int
    good: int
    outcomes: dict[str, int]
    """Only those that occur."""
    started: str | None
    """First write, or for a wave its start."""
    ended: str | None
    """Last end of a deployment that was started or needed nothing."""
    duration: float | None
    passed: str | None = None
    """Waves: when the gate let the next one follow."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Failures with the same cause."""

    fingerprint: str
    outcome: str
    count: int
    reason: str
    """The first one's."""
    example: str
    """The first one's key."""
    clusters: list[str]
    """Names, at most 20."""
    cluster_count: int
    first: str | None
    last: str | None


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that is set aside."""

    key: str
    cluster_name: str
    name: str
    cause: str
    """`cluster`, `operator` or `needs`."""
    phase: str
    """Phase of the cluster; empty where that is not the cause."""
    since: str | None
    reason: str


class NotStartedReason(msgspec.Struct, frozen=True, kw_only=True):
    """Deployments not started, by reason."""

    reason: str
    count: int


class SlowDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """One of the slowest deployments."""

    key: str
    cluster_name: str
    name: str
    outcome: str
    duration: float


class TimeToSuccess(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the fleet got good: seconds since the run's first start."""

    p50: float | None
    p90: float | None
    p100: float | None
    """When half, 90% and all deployments that are not deferred were good; null: never."""
    points: list[tuple[float, int]]
    """(seconds, good so far), at most 200."""


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP calls attempted."""

    by_kind: dict[str, int]
    by_verdict: dict[str, int]


class ApiCalls(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP calls attempted, all parts added up."""

    total: int
    by_kind: dict[str, int]
    by_verdict: dict[str, int]
    clouds: dict[str, Calls]
    complete: bool
    """False: a part was killed, and what it called after its last count is missing."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one cloud, as configured and as kept."""

    configured: str
    most: int
    """The configured number; a percentage is taken of the cloud's deployments, or of its biggest cluster's."""
    period: float | None
    """Window of a rate."""
    observed_peak: int
    within: bool
    measured_peak: int | None
    """As the engine counted."""
    intended_peak: int | None
    """As the journal's write intents show (writes only)."""
    learned_rate: float | None
    """Calls a second at the end."""
    throttles: int
    throttled: float
    """Seconds the bucket was paused by 429s."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of one deployment, RFC 3339 in UTC."""

    planned: str | None
    started: str | None
    """First write intended."""
    accepted: str | None
    """Last write accepted or confirmed."""
    finished: str | None


class Epochs(msgspec.Struct, frozen=True, kw_only=True):
    """The same moments as seconds since 1970."""

    planned: float | None
    started: float | None
    accepted: float | None
    finished: float | None


class DeploymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment."""

    key: str
    cluster_id: str
    cluster_name: str
    cloud: str
    namespace: str
    name: str
    chart: str
    """Chart name, or its id when only that was given."""
    version: str
    """Chart version."""
    wave: str
    action: str
    outcome: str
    """An outcome; `in_flight` only when the run was killed or still goes on."""
    state: str
    """`ended`, or where it was left."""
    status: str
    phase: str
    """Phase of the cluster, where that defers the deployment."""
    deferred_since: str | None
    """Since when it is set aside; null: it is not."""
    revision: int
    attempts: int
    refusals: int
    uncertain: int
    times: Times
    epochs: Epochs
    duration: float | None
    install_duration: float | None
    reason: str
    fingerprint: str
    request_ids: list[str]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of `report.json` but its deployments."""

    version: int
    run: RunInfo
    totals: Totals
    waves: list[Group]
    clouds: list[Group]
    releases: list[Group]
    failures: list[Failure]
    """Most frequent first."""
    deferred: list[Deferred]
    """In plan order, at most 1,000; each row has it too."""
    not_started: list[NotStartedReason]
    slowest: list[SlowDeployment]
    curve: TimeToSuccess
    api_calls: ApiCalls
    limits: dict[str, dict[str, Limit]]
    """By cloud and bucket."""
    shared_with: dict[str, list[str]]
    """By cloud: ids of the runs that shared its limits for some time. Peaks are those of this run alone."""
    warnings: list[str]


class Document(Summary, frozen=True, kw_only=True):
    """`report.json`."""

    deployments: list[DeploymentRow]
    """Every deployment of the plan exactly once, in plan order."""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `report.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batch-deployer report, version 1",
        **msgspec.json.schema(Document),
    }
