"""Asking clouds for all that runs in them: one list per cluster, at the read limit."""

from collections.abc import Mapping, Sequence

from batch_deployer.app.cloud_apis import Patience, open_apis
from batch_deployer.app.discovery import CloudReader
from batch_deployer.app.secrets import SecretStore
from batch_deployer.clock.system import SystemClock
from batch_deployer.errors import AuthFailed, BatchDeployerError
from batch_deployer.manifest.export import Found
from batch_deployer.model.api import ChartState, ListCharts, ListReleases, ReleaseState
from batch_deployer.plan.plan import CloudSpec, Plan


async def read_cluster(clouds: Mapping[str, CloudSpec], store: SecretStore, patience: Patience) -> Sequence[Found]:
    """Everything in each cloud. Raises AuthFailed and CloudUnreachable; a cluster that cannot be listed is noted."""
    clock = SystemClock()
    asked = Plan(name="snapshot", clouds=clouds, deployments=())
    found = []
    async with open_apis(asked, store=store, clock=clock, patience=patience) as apis:
        for name, spec in clouds.items():
            reader = CloudReader(name, apis[name], clock, pause=1 / spec.limits.reads.per_second, patience=patience)
            found.append(await _one(spec, reader))
    return found


async def _one(spec: CloudSpec, reader: CloudReader) -> Found:
    clusters = [await reader.with_tags(cluster) for cluster in await reader.clusters()]
    charts = await reader.ask(ListCharts())
    releases: dict[str, Sequence[ReleaseState]] = {}
    unread: dict[str, str] = {}
    for cluster in clusters:
        try:
            body = await reader.ask(ListReleases(cluster_id=cluster.id))
        except AuthFailed:
            raise
        except BatchDeployerError as error:
            unread[cluster.id] = str(error)
            continue
        listed = body if isinstance(body, list) else []
        releases[cluster.id] = [state for state in listed if isinstance(state, ReleaseState)]
    known = [chart for chart in charts if isinstance(chart, ChartState)] if isinstance(charts, list) else []
    return Found(spec=spec, clusters=clusters, charts=known, releases=releases, unread=unread)
