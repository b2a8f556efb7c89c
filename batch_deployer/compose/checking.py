"""The preflight: logs in at every cloud of a plan and reads what a run would need. Nothing is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from batch_deployer.clock.system import SystemClock
from batch_deployer.compose.clouds import Patience, open_patiently
from batch_deployer.compose.discovery import Desk
from batch_deployer.compose.redacting_api import RedactingApi
from batch_deployer.compose.secrets import SecretStore
from batch_deployer.errors import AuthFailed, BadInput, BatchDeployerError
from batch_deployer.execution.catalogue import Catalogue
from batch_deployer.manifest.cloud import CloudSpec
from batch_deployer.model.api import Answer, Call, ChartState, ListCharts, ListReleases
from batch_deployer.model.deployment import Deployment
from batch_deployer.plan.frozen import Plan
from batch_deployer.ports import Api, unheard
from batch_deployer.rules.cluster_identity import ListedClusters
from batch_deployer.rules.phases import Readiness, readiness
from batch_deployer.transport.address import proxy_for
from batch_deployer.transport.connect import OpenCloud, open_cloud

MAX_SKEW_SECONDS = 60.0
"""More makes signatures and tokens fail."""


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
    """Whether clusters, charts and releases can be read."""
    clusters: dict[str, str] = field(default_factory=dict)
    """Phase of each cluster of the plan, by name."""
    problems: list[str] = field(default_factory=list)
    exit_code: int = 0

    def problem(self, text: str, exit_code: int = 1) -> None:
        """Note what would keep a run from succeeding."""
        self.problems.append(text)
        self.exit_code = worst(self.exit_code, exit_code)


def worst(*codes: int) -> int:
    """The exit code of several: authentication, then bad input, then anything else."""
    return next((code for code in (5, 2, 1) if code in codes), 0)


class _Timed:
    """An Api that notes what the server's clock said."""

    def __init__(self, api: Api, note: Callable[[float], None]) -> None:
        self._api = api
        self._note = note

    async def call(self, call: Call, leaving: Callable[[], None] = unheard) -> Answer:
        answer = await self._api.call(call, leaving)
        if answer.server_time is not None:
            self._note(answer.server_time)
        return answer

    async def renew(self, credential: int) -> None:
        await self._api.renew(credential)

    async def close(self) -> None:
        await self._api.close()


async def check_clouds(plan: Plan, store: SecretStore, patience: Patience) -> list[CloudCheck]:
    """Check every cloud, all at once. What fails is a problem of its cloud, not an exception."""
    found = {name: CloudCheck(cloud=name) for name in plan.clouds}
    async with anyio.create_task_group() as group:
        for name, cloud in plan.clouds.items():
            group.start_soon(_check, plan, cloud, store, found[name], patience)
    return list(found.values())


async def _check(plan: Plan, cloud: CloudSpec, store: SecretStore, found: CloudCheck, patience: Patience) -> None:
    clock = SystemClock()
    limits = cloud.limits
    found.limits = {name: str(getattr(limits, name)) for name in ("writes", "reads", "in_flight", "per_cluster")}
    found.endpoint, found.region, found.project = cloud.endpoint, cloud.region, cloud.project
    found.project_id, found.tls = cloud.project_id, cloud.ca_file or "the system's certificates"
    try:
        opened = await open_patiently(
            lambda: open_cloud(
                cloud,
                wire=plan.settings.wire,
                connections=limits.connections,
                secrets=store,
                clock=clock,
                on_secret=store.remember,
                tries=1,
                permissions=store.permissions,
            ),
            clock,
            patience,
        )
    except BatchDeployerError as error:
        found.problem(str(error), _code(error))
        return
    _identity(found, opened, clock.wall())

    def note(server_time: float) -> None:
        if found.clock_skew is None:
            found.clock_skew = round(clock.wall() - server_time, 1)

    api = _Timed(RedactingApi(opened.api, store.redactor), note)
    desk = Desk(cloud.name, api, clock, pause=1 / limits.reads.per_second, patience=patience)
    deployments = [each for each in plan.deployments if each.cluster.cloud == cloud.name]
    try:
        await _clusters(found, desk, deployments)
        await _charts(found, desk, deployments)
        await _releases(found, desk, deployments)
    finally:
        await opened.api.close()
    if found.clock_skew is not None and abs(found.clock_skew) > MAX_SKEW_SECONDS:
        found.problem(f"this machine's clock differs by {found.clock_skew:.0f} s from the cloud's; set it right")


def _identity(found: CloudCheck, opened: OpenCloud, now: float) -> None:
    identity, token = opened.identity, opened.identity.token
    found.endpoint, found.auth_url, found.region = opened.endpoint, identity.auth_url, identity.region
    found.config_files = identity.files
    found.project_id, found.proxy = identity.project_id, _without_password(proxy_for(opened.endpoint))
    if opened.endpoint.startswith("http:"):
        found.tls = "none (loopback)"
    elif identity.ca_file:
        found.tls = identity.ca_file
    if token is not None:
        found.project, found.user = token.project, token.user
        if token.lifetime < 1e9:
            end = datetime.fromtimestamp(now + token.lifetime, UTC)
            found.token_expires = end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_password(proxy: str) -> str:
    scheme, separator, rest = proxy.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


async def _clusters(found: CloudCheck, desk: Desk, deployments: list[Deployment]) -> None:
    wanted = {each.cluster.id: each.cluster for each in deployments}
    try:
        shown = {each.id: each for each in await desk.clusters()}
    except BatchDeployerError as error:
        found.readable["clusters"] = False
        found.problem(str(error), _code(error))
        return
    found.readable["clusters"] = True
    identities = ListedClusters(shown.values())
    for cluster_id, cluster in wanted.items():
        state, name = shown.get(cluster_id), cluster.name or cluster_id
        found.clusters[name] = state.phase if state is not None else "absent"
        if state is None:
            advice = identities.successor(cluster)
            found.problem(f"cluster {name} ({cluster_id}) is not in the project" + (f"; {advice}" if advice else ""))
        elif said := identities.contradiction(cluster):
            found.problem(said)
        elif readiness(state.phase) is not Readiness.READY:
            found.problem(f"cluster {name} is {state.phase}: it cannot be deployed to")


async def _charts(found: CloudCheck, desk: Desk, deployments: list[Deployment]) -> None:
    try:
        body = await replace(desk, wanted="its charts cannot be listed").ask(ListCharts())
    except BatchDeployerError as error:
        found.readable["charts"] = False
        found.problem(str(error), _code(error))
        return
    found.readable["charts"] = True
    catalogue = Catalogue()
    catalogue.fill([each for each in body if isinstance(each, ChartState)] if isinstance(body, list) else [])
    for spec in dict.fromkeys(each.release for each in deployments):
        missing = catalogue.missing(spec)
        if not missing and spec.chart.id and not spec.chart.name and spec.chart.id.lower() not in catalogue.by_id:
            missing = f"chart {spec.chart.id} is not in the cloud"
        if missing:
            found.problem(f"release {spec.name}: {missing}")


async def _releases(found: CloudCheck, desk: Desk, deployments: list[Deployment]) -> None:
    """Read the releases of every cluster of the plan that can be deployed to."""
    present = {name for name, phase in found.clusters.items() if readiness(phase) is Readiness.READY}
    clusters = {each.cluster.id: each.cluster.name or each.cluster.id for each in deployments}
    for cluster_id, name in clusters.items():
        if found.clusters and name not in present:
            continue
        try:
            asking = replace(desk, wanted=f"the releases of cluster {name} cannot be listed")
            await asking.ask(ListReleases(cluster_id=cluster_id))
        except BatchDeployerError as error:
            found.readable["releases"] = False
            found.problem(str(error), _code(error))
            if isinstance(error, AuthFailed):
                return
        else:
            found.readable.setdefault("releases", True)


def _code(error: BatchDeployerError) -> int:
    return error.exit_code if isinstance(error, AuthFailed | BadInput) else 1
