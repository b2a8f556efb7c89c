"""`--limit` and `--exclude`: globs over what a deployment is called."""

import re
from collections.abc import Sequence
from fnmatch import translate

from batch_deployer.model.deployment import Cluster, ReleaseSpec


class Globs:
    """Globs over key, cluster id, cluster name, release name or alias, and `cluster name/namespace/release name`."""

    def __init__(self, globs: Sequence[str]) -> None:
        """A list of globs; any may fit."""
        self._globs = [(glob, re.compile(translate(glob))) for glob in globs]
        self._used: set[str] = set()

    def fit(self, cluster: Cluster, release: ReleaseSpec) -> bool:
        """Whether one of the globs fits the deployment."""
        place = f"/{release.namespace}/{release.name}"
        words = (cluster.id + place, cluster.id, cluster.name, release.name, release.label, cluster.name + place)
        found = False
        for glob, pattern in self._globs:
            if any(map(pattern.match, words)):
                self._used.add(glob)
                found = True
        return found

    def unused(self) -> list[str]:
        """Globs that fitted nothing so far, in the order given."""
        return [glob for glob, _ in self._globs if glob not in self._used]
