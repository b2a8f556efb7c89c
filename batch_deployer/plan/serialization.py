"""A plan as text and back. Clusters and release specs are written once each; a checksum guards against damage.

Text: `{"format": 2, "check": sha256 of the plan's bytes, "mac": HMAC-SHA-256 of them or "", "plan": {...}}`.
A plan names secrets and never holds them.
"""

import hashlib
import hmac

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.model.deployment import Cluster, Deployment, ReleaseSpec, RollbackStep, key_of
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import GateSettings, IntOrPercent, Settings

FORMAT = 2


class _Cell(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A deployment: indices of its cluster, release and wave."""

    cluster: int
    release: int
    wave: int
    undo: RollbackStep | None = None


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: str
    clouds: dict[str, CloudSpec]
    clusters: list[Cluster]
    releases: list[ReleaseSpec]
    deployments: list[_Cell]
    waves: tuple[Wave, ...]
    gates: GateSettings
    release_budgets: dict[str, IntOrPercent]
    settings: Settings
    expected: dict[str, str]
    warnings: tuple[str, ...] = ()
    totals: dict[str, int] = {}
    exact_values: bool = False
    profile: str = ""
    sources: dict[str, str] = {}


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    format: int
    check: str
    plan: msgspec.Raw
    mac: str = ""


_DECODE_ENVELOPE = msgspec.json.Decoder(_Envelope)
_DECODE_PLAN = msgspec.json.Decoder(_Frozen)
_ENCODER = msgspec.json.Encoder()


class _Numbers:
    """Numbers things in order of first use; equal release specs get one number."""

    def __init__(self) -> None:
        self.clusters: list[Cluster] = []
        self.releases: list[ReleaseSpec] = []
        self._clusters: dict[int, int] = {}
        self._releases: dict[int, int] = {}
        self._by_id: dict[str, list[int]] = {}
        self._by_spec: dict[ReleaseSpec, int] = {}

    def cluster(self, cluster: Cluster) -> int:
        number = self._clusters.get(id(cluster))
        if number is None:
            alike = self._by_id.setdefault(cluster.id, [])
            number = next((each for each in alike if self.clusters[each] == cluster), None)
            if number is None:
                number = len(self.clusters)
                self.clusters.append(cluster)
                alike.append(number)
            self._clusters[id(cluster)] = number
        return number

    def release(self, spec: ReleaseSpec) -> int:
        number = self._releases.get(id(spec))
        if number is None:
            number = self._by_spec.setdefault(spec, len(self.releases))
            if number == len(self.releases):
                self.releases.append(spec)
            self._releases[id(spec)] = number
        return number


def dump_plan(plan: Plan, key: str = "") -> str:
    """The plan as JSON text. `key`: signs it, for `parse_plan` with the same key."""
    numbers = _Numbers()
    cells = [
        _Cell(numbers.cluster(each.cluster), numbers.release(each.release), each.wave, each.undo)
        for each in plan.deployments
    ]
    frozen = _Frozen(
        name=plan.name,
        clouds=dict(plan.clouds),
        clusters=numbers.clusters,
        releases=numbers.releases,
        deployments=[],
        waves=tuple(plan.waves),
        gates=plan.gates,
        release_budgets=dict(plan.release_budgets),
        settings=plan.settings,
        expected={},
        warnings=tuple(plan.warnings),
        totals=dict(plan.totals),
        exact_values=plan.exact_values,
        profile=plan.profile,
        sources=dict(plan.sources),
    )
    # Once back and forth, so that a whole number in a float field is always written alike: equal plans, equal texts.
    frozen = msgspec.structs.replace(
        _DECODE_PLAN.decode(_ENCODER.encode(frozen)), deployments=cells, expected=dict(plan.expected)
    )
    body = _ENCODER.encode(frozen)
    envelope = _Envelope(FORMAT, hashlib.sha256(body).hexdigest(), msgspec.Raw(body), _mac(body, key))
    return _ENCODER.encode(envelope).decode() + "\n"


def parse_plan(text: str, key: str = "") -> Plan:
    """The plan of a text that `dump_plan` made. InputError when it is damaged or from a newer program, or not signed with `key`."""
    try:
        envelope = _DECODE_ENVELOPE.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InputError("this is not a saved plan, or it is damaged; make it again with `plan --out`") from None
    if envelope.format != FORMAT:
        raise InputError(
            f"the saved plan has format {envelope.format}, and this program reads format {FORMAT}; "
            "make it again, or use the version of batch-deployer that wrote it"
        )
    if hashlib.sha256(envelope.plan).hexdigest() != envelope.check:
        raise InputError("the saved plan was changed or is damaged; make it again with `plan --out`")
    if key and not hmac.compare_digest(_mac(bytes(envelope.plan), key), envelope.mac):
        raise InputError(
            "the saved plan was not signed with this BATCH_DEPLOYER_PLAN_KEY; make it again with `plan --out` and this key"
        )
    try:
        frozen = _DECODE_PLAN.decode(envelope.plan)
        deployments = tuple(_deployment(cell, frozen) for cell in frozen.deployments)
    except (msgspec.DecodeError, IndexError, RecursionError) as error:
        raise InputError(f"the saved plan cannot be used: {error}") from None
    return Plan(
        name=frozen.name,
        clouds=frozen.clouds,
        deployments=deployments,
        waves=frozen.waves,
        gates=frozen.gates,
        release_budgets=frozen.release_budgets,
        settings=frozen.settings,
        expected=frozen.expected,
        warnings=frozen.warnings,
        totals=frozen.totals,
        exact_values=frozen.exact_values,
        profile=frozen.profile,
        sources=frozen.sources,
    )


def _mac(body: bytes, key: str) -> str:
    return hmac.new(key.encode("utf-8", "surrogateescape"), body, hashlib.sha256).hexdigest() if key else ""


def _deployment(cell: _Cell, frozen: _Frozen) -> Deployment:
    if min(cell.cluster, cell.release, cell.wave) < 0 or cell.wave >= len(frozen.waves):
        raise IndexError("a deployment refers to something that is not there")
    cluster, release = frozen.clusters[cell.cluster], frozen.releases[cell.release]
    key = key_of(cluster.id, release.namespace, release.name)
    return Deployment(key=key, cluster=cluster, release=release, wave=cell.wave, undo=cell.undo)


def digest(text: str) -> str:
    """What identifies a saved plan: SHA-256 in hex of its text."""
    return hashlib.sha256(text.encode()).hexdigest()
