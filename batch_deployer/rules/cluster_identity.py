"""Whether the id and the name of a cluster, as the manifest gives them, mean one cluster of the cloud."""

from collections.abc import Iterable

from batch_deployer.model.api import ClusterState
from batch_deployer.model.deployment import Cluster


class ListedClusters:
    """The clusters of one cloud, indexed by id and by name."""

    def __init__(self, states: Iterable[ClusterState]) -> None:
        self._by_id: dict[str, ClusterState] = {}
        self._ids_by_name: dict[str, list[str]] = {}
        for state in states:
            self._by_id[state.id] = state
            for name in {state.name, state.alias} - {""}:
                self._ids_by_name.setdefault(name, []).append(state.id)

    def contradiction(self, cluster: Cluster) -> str:
        """How the id and the name mean two clusters of the cloud; empty when they do not.

        A name that the cloud does not know is a label of the manifest's own and contradicts nothing.
        """
        owner, ids = self._by_id.get(cluster.id), self._ids_by_name.get(cluster.name, [])
        if owner is None or not ids or cluster.id in ids:
            return ""
        return (
            f'the manifest calls {cluster.id} "{cluster.name}", but in cloud {cluster.cloud} that id is cluster '
            f'"{owner.name}", and "{cluster.name}" has the id {" or ".join(ids)}; correct the id or the name'
        )

    def successor(self, cluster: Cluster) -> str:
        """Advice when the id is gone and another cluster has its name; empty when that is not so."""
        ids = self._ids_by_name.get(cluster.name, [])
        if cluster.id in self._by_id or not ids:
            return ""
        return (
            f'cloud {cluster.cloud} has a cluster "{cluster.name}" with the id {" or ".join(ids)}, as if it was created '
            f"again; correct the id in the manifest, or use --map {cluster.id}={ids[0]}"
        )
