"""The world that a plan needs: its clouds with their limits, its clusters, its charts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from batch_deployer.model.deployment import Cluster, ReleaseSpec
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.simulator.keyed_random import hexadecimal, uuid_like
from batch_deployer.simulator.world.entities import SimChart, SimCloud, SimCluster, timed_chart


@dataclass(slots=True)
class WorldBuilder:
    """What the plans name, gathered in order."""

    clouds: dict[str, SimCloud] = field(default_factory=dict)
    clusters: dict[str, SimCluster] = field(default_factory=dict)
    charts: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        """Note everything that a plan needs."""
        for name, spec in plan.clouds.items():
            self.cloud(name, spec)
        releases: dict[int, ReleaseSpec] = {}
        for deployment in plan.deployments:
            self.cluster(deployment.cluster)
            releases[id(deployment.release)] = deployment.release
        for release in releases.values():
            self.chart(release)

    def cloud(self, name: str, spec: CloudSpec) -> None:
        """Add a cloud; a project id serves one cloud only, since a token's project says which cloud is meant."""
        if name in self.clouds:
            return
        taken = {cloud.project_id for cloud in self.clouds.values()}
        projects = {cloud.project for cloud in self.clouds.values()}
        given = spec.project_id.lower()
        self.clouds[name] = SimCloud(
            name=name,
            project_id=given if given and given not in taken else hexadecimal(32, "project", name),
            project=spec.region if spec.region and spec.region not in projects else name,
            writes=str(spec.limits.writes),
            reads=str(spec.limits.reads),
        )

    def cluster(self, cluster: Cluster) -> None:
        """Add a cluster, deployable unless the plan knows better."""
        if cluster.id not in self.clusters:
            self.clusters[cluster.id] = SimCluster(
                id=cluster.id,
                name=cluster.name,
                cloud=cluster.cloud,
                phase=cluster.phase or "Available",
                tags=dict(cluster.tags),
            )

    def chart(self, release: ReleaseSpec) -> None:
        """A chart named by id is called as the release is: the plan knows no better name."""
        name = release.chart.name or release.name
        chart_id = release.chart.id or uuid_like("chart", name, release.version)
        versions = self.charts.setdefault((chart_id, name), [])
        if release.version not in versions:
            versions.append(release.version)

    def made_charts(self) -> Iterable[SimChart]:
        """One chart per id; releases of one chart under several names share the first of them."""
        merged: dict[str, tuple[str, list[str]]] = {}
        for (chart_id, name), versions in self.charts.items():
            known = merged.setdefault(chart_id, (name, []))[1]
            known.extend(version for version in versions if version not in known)
        return (timed_chart(chart_id, name, versions) for chart_id, (name, versions) in merged.items())
