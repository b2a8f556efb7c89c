"""The preflight: logs in at every cloud of a manifest and reads what a run would need. Nothing is written."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from batch_deployer.app.cloud_apis import Patience, open_patiently
from batch_deployer.app.discovery import CloudReader
from batch_deployer.app.redacting_api import RedactingApi
from batch_deployer.app.secrets import SecretStore
from batch_deployer.clock.system import SystemClock
from batch_deployer.engine.catalogue import Catalogue
from batch_deployer.errors import AuthFailed, BatchDeployerError, InputError
from batch_deployer.manifest.model import Manifest
from batch_deployer.model.api import Answer, Call, ChartState, ClusterState, ListCharts, ListReleases
from batch_deployer.model.cloud import CloudSpec
from batch_deployer.model.deployment import Deployment
from batch_deployer.model.redact import Redactor
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Api
from batch_deployer.rules.cluster_identity import ListedClusters
from batch_deployer.rules.cluster_phase import Readiness, readiness
from batch_deployer.settings import Settings
from batch_deployer.transport.connect import OpenCloud, open_cloud
from batch_deployer.transport.tls import environment_bundle, proxy_for

MAX_SKEW_SECONDS = 60.0
"""More makes signatures and tokens fail."""
_UNREADABLE = "its releases cannot be listed"


@dataclass(kw_only=True)
class CloudCheck:
    """What was found out about one cloud."""

    cloud: str
    endpoint: str = ""
    auth_url: str = ""
    region: str = ""
    project: str = ""
    project_id: str = ""
    user: str = ""
    token_expires: str = ""
    """UTC, by this machine's clock; empty when nothing is known of an end."""
    clock_skew: float | None = None
    """Seconds by which this machine's clock is ahead of the cloud's."""
    config_files: Sequence[str] = ()
    """clouds.yaml and its companions, as far as they were read."""
    proxy: str = ""
    tls: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)
    readable: dict[str, bool] = field(default_factory=dict)
    """Whether clusters, charts and releases can be read; kinds that were not read are left out."""
    clusters: dict[str, str] = field(default_factory=dict)
    """Phase of each cluster of the plan, by name; `absent` for one that the project does not have."""
    charts: dict[str, bool] = field(default_factory=dict)
    """Whether each chart of the plan is in the cloud, by name and version, or id."""
    problems: list[str] = field(default_factory=list)
    exit_code: int = 0

    def problem(self, text: str, exit_code: int = 1) -> None:
        """Add what would keep a run from succeeding."""
        self.problems.append(text)
        self.exit_code = worst(self.exit_code, exit_code)


def worst(*codes: int) -> int:
    """The exit code of several: authentication, then bad input, then anything else."""
    return next((code for code in (5, 2, 1) if code in codes), 0)


class _TimedApi(RedactingApi):
    """Passes on what the server's clock said."""

    def __init__(self, api: Api, redactor: Redactor, note: Callable[[float], None]) -> None:
        super().__init__(api, redactor)
        self._note = note

    async def call(self, call: Call, on_sent: Callable[[], None] | None = None) -> Answer:
        answer = await super().call(call, on_sent)
        if answer.server_time is not None:
            self._note(answer.server_time)
        return answer


async def check_clouds(
    manifest: Manifest,
    plan_of: Callable[[Mapping[str, Sequence[ClusterState]]], Plan],
    store: SecretStore,
    patience: Patience,
) -> list[CloudCheck]:
    """Check every cloud of a manifest, all at once. What fails is a problem of its cloud, not an exception.

    `plan_of`: the plan, given the clusters of each cloud that `discover` asks; called only when all of them are known.
    """
    tagged = {question.cloud for question in manifest.discover if question.selector}
    checkers = [
        _Checker(cloud, manifest.settings, store, patience, with_tags=name in tagged)
        for name, cloud in manifest.clouds.items()
    ]
    try:
        async with anyio.create_task_group() as group:
            for each in checkers:
                group.start_soon(each.open)
        asked = {question.cloud for question in manifest.discover}
        shown = {each.name: each.shown for each in checkers if each.name in asked and each.shown is not None}
        deployments = plan_of(shown).deployments if len(shown) == len(asked) else ()
        async with anyio.create_task_group() as group:
            for each in checkers:
                group.start_soon(each.compare, [one for one in deployments if one.cluster.cloud == each.name])
    finally:
        with anyio.CancelScope(shield=True):
            for each in checkers:
                await each.close()
    return [each.found for each in checkers]


class _Checker:
    """Checks one cloud: logs in and lists its clusters, then compares it with the deployments of the plan."""

    def __init__(
        self, cloud: CloudSpec, settings: Settings, store: SecretStore, patience: Patience, *, with_tags: bool
    ) -> None:
        """`with_tags`: read the tags of every cluster too."""
        self.name = cloud.name
        self.shown: Sequence[ClusterState] | None = None
        """All clusters of the project; None: unknown."""
        self._cloud = cloud
        self._wire = settings.wire
        self._store = store
        self._patience = patience
        self._with_tags = with_tags
        self._clock = SystemClock()
        self._api: Api | None = None
        self._desk: CloudReader | None = None
        self._refused = False
        """Whether the credential was refused. It is not used again: repeated failures lock it."""
        self._unusable: set[str] = set()
        """Ids of clusters that cannot be deployed to."""
        self.found = CloudCheck(
            cloud=cloud.name,
            endpoint=cloud.endpoint,
            auth_url=cloud.auth.options.get("auth_url", ""),
            region=cloud.region,
            project=cloud.project,
            project_id=cloud.project_id,
            tls=_certificates(cloud.ca_file),
            limits={name: str(getattr(cloud.limits, name)) for name in ("writes", "reads", "in_flight", "per_cluster")},
        )

    async def open(self) -> None:
        """Log in and list the clusters."""
        found = self.found
        try:
            found.proxy = _without_password(proxy_for(found.auth_url or found.endpoint))
            opened = await open_patiently(self._log_in, self._clock, self._patience)
        except BatchDeployerError as error:
            found.problem(str(error), _code(error))
            return
        _identity(found, opened, self._clock.wall())
        self._api = api = _TimedApi(opened.api, self._store.redactor, self._note_time)
        self._desk = reader = CloudReader(
            self.name, api, self._clock, pause=1 / self._cloud.limits.reads.per_second, patience=self._patience
        )
        with self._reading("clusters"):
            clusters = await reader.clusters()
            self.shown = [await reader.with_tags(one) for one in clusters] if self._with_tags else clusters

    async def compare(self, deployments: Sequence[Deployment]) -> None:
        """Judge the clusters, and read charts and releases. Does nothing where the login failed."""
        if self.shown is not None:
            self._judge_clusters(deployments, ListedClusters(self.shown))
        for read in (self._read_charts, self._read_releases):
            if self._desk is not None and not self._refused:
                await read(self._desk, deployments)
        skew = self.found.clock_skew
        if skew is not None and abs(skew) > MAX_SKEW_SECONDS:
            direction = "ahead of" if skew > 0 else "behind"
            self.found.problem(f"this machine's clock is {abs(skew):.0f} s {direction} the cloud's; set it right")

    async def close(self) -> None:
        """Release connections."""
        if self._api is not None:
            await self._api.close()

    async def _log_in(self) -> OpenCloud:
        return await open_cloud(
            self._cloud,
            wire=self._wire,
            connections=self._cloud.limits.connections,
            secrets=self._store,
            clock=self._clock,
            on_secret=self._store.remember,
            tries=1,
            permissions=self._store.permissions,
        )

    def _note_time(self, server_time: float) -> None:
        if self.found.clock_skew is None:
            self.found.clock_skew = round(self._clock.wall() - server_time, 1)

    @contextlib.contextmanager
    def _reading(self, kind: str) -> Iterator[None]:
        try:
            yield
        except BatchDeployerError as error:
            self.found.readable[kind] = False
            self.found.problem(str(error), _code(error))
            self._refused = isinstance(error, AuthFailed) and error.of_credential
        else:
            self.found.readable.setdefault(kind, True)

    def _judge_clusters(self, deployments: Sequence[Deployment], identities: ListedClusters) -> None:
        found, states = self.found, {each.id: each for each in self.shown or ()}
        for cluster in {each.cluster.id: each.cluster for each in deployments}.values():
            state, name = states.get(cluster.id), cluster.name or cluster.id
            found.clusters[name] = state.phase if state is not None else "absent"
            if state is None or readiness(state.phase) is not Readiness.READY:
                self._unusable.add(cluster.id)
            if state is None:
                advice = f"; {text}" if (text := identities.successor(cluster)) else ""
                found.problem(f"cluster {name} ({cluster.id}) is not in the project{advice}")
            elif said := identities.contradiction(cluster):
                found.problem(said)
            elif readiness(state.phase) is Readiness.LATER:
                found.problem(f"cluster {name} is {state.phase}: a run defers it until it is Available")
            elif readiness(state.phase) is Readiness.NEVER:
                found.problem(f"cluster {name} is {state.phase}: it cannot be deployed to")

    async def _read_charts(self, reader: CloudReader, deployments: Sequence[Deployment]) -> None:
        catalogue = Catalogue()
        with self._reading("charts"):
            body = await replace(reader, wanted="its charts cannot be listed").ask(ListCharts())
            catalogue.fill([each for each in body if isinstance(each, ChartState)] if isinstance(body, list) else [])
        if not self.found.readable["charts"]:
            return
        for spec in dict.fromkeys(each.release for each in deployments):
            missing = catalogue.missing(spec)
            if not missing and spec.chart.id and not spec.chart.name and spec.chart.id.lower() not in catalogue.by_id:
                missing = f"chart {spec.chart.id} is not in the cloud"
            self.found.charts[f"{spec.chart.name} {spec.version}" if spec.chart.name else spec.chart.id] = not missing
            if missing:
                self.found.problem(f"release {spec.name}: {missing}")

    async def _read_releases(self, reader: CloudReader, deployments: Sequence[Deployment]) -> None:
        """Read the releases of every cluster of the plan that can be deployed to. Clusters that fail alike are one problem."""
        found = self.found
        failed: dict[str, tuple[BatchDeployerError, list[str]]] = {}
        for cluster in {each.cluster.id: each.cluster for each in deployments}.values():
            if cluster.id in self._unusable:
                continue
            try:
                await replace(reader, wanted=_UNREADABLE).ask(ListReleases(cluster_id=cluster.id))
            except BatchDeployerError as error:
                found.readable["releases"] = False
                reason = str(error).partition(" (request id")[0]
                failed.setdefault(reason, (error, []))[1].append(cluster.name or cluster.id)
                if isinstance(error, AuthFailed) and error.of_credential:
                    break
            else:
                found.readable.setdefault("releases", True)
        for first, names in failed.values():
            where = f"cluster {names[0]}" if len(names) == 1 else f"{len(names):,} clusters ({', '.join(names)})"
            text = str(first).replace(_UNREADABLE, f"the releases of {where} cannot be listed")
            found.problem(text, _code(first))


def _identity(found: CloudCheck, opened: OpenCloud, now: float) -> None:
    identity, token = opened.identity, opened.identity.token
    found.endpoint, found.auth_url, found.region = opened.endpoint, identity.auth_url, identity.region
    found.config_files = identity.files
    found.project_id, found.proxy = identity.project_id, _without_password(proxy_for(opened.endpoint))
    if opened.endpoint.startswith("http:"):
        found.tls = "none (loopback)"
    else:
        found.tls = _certificates(identity.ca_file)
    if token is not None:
        found.project, found.user = token.project, token.user
        if token.lifetime < 1e9:
            end = datetime.fromtimestamp(now + token.lifetime, UTC)
            found.token_expires = end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _certificates(ca_file: str) -> str:
    """The certificates that TLS is verified by, for people."""
    variable, path = environment_bundle()
    return ca_file or (f"{path} ({variable})" if path else "the system's certificates")


def _without_password(proxy: str) -> str:
    scheme, separator, rest = proxy.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _code(error: BatchDeployerError) -> int:
    return error.exit_code if isinstance(error, AuthFailed | InputError) else 1
