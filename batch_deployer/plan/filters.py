"""`--limit` and `--exclude`: globs over the names of a deployment."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase, translate

from batch_deployer.errors import Diagnostic
from batch_deployer.model.deployment import Cluster, Deployment, ReleaseSpec
from batch_deployer.util.suggest import nearest


class Globs:
    """Globs over key, cluster id, cluster name, release name or alias, and `cluster name/namespace/release name`.

    A text that equals a name matches it, whatever characters it holds. Cluster ids are compared without regard to case.
    """

    def __init__(self, option: str, globs: Sequence[str]) -> None:
        """`option`: the name of the option that the globs were given with."""
        self._option = option
        self._globs = [
            (glob, re.compile(translate(glob)), re.compile(translate(glob), re.IGNORECASE)) for glob in globs
        ]
        self._used: set[str] = set()

    def fit(self, cluster: Cluster, release: ReleaseSpec) -> bool:
        """Whether one of the globs matches the deployment."""
        places = {f"/{release.namespace}/{release.name}", f"/{release.namespace}/{release.label}"}
        names = {cluster.name, release.name, release.label, *(cluster.name + location for location in places)}
        ids = {cluster.id, *(cluster.id + location for location in places)}
        found = False
        for glob, pattern, any_case in self._globs:
            if glob in names or any(map(pattern.match, names)) or any(map(any_case.match, ids)):
                self._used.add(glob)
                found = True
        return found

    def expect(self, clusters: Iterable[Cluster]) -> None:
        """Let globs match clusters that have no deployment: what begins with their name or id is no fault."""
        for cluster in clusters:
            for glob, _, _ in self._globs:
                start = glob.partition("/")[0]
                named = fnmatchcase(cluster.name, start) or fnmatchcase(cluster.id, start.lower())
                if named and start.strip("*?"):
                    self._used.add(glob)

    def diagnostics(self, deployments: Iterable[Deployment]) -> list[Diagnostic]:
        """One fault for each glob that matched none of the deployments given to `fit`; these are all of them."""
        unused = [glob for glob, _, _ in self._globs if glob not in self._used]
        known = list(deployments) if unused else []
        return [Diagnostic(self._problem(glob, known)) for glob in dict.fromkeys(unused)]

    def _problem(self, glob: str, known: Sequence[Deployment]) -> str:
        if not glob.strip():
            return f'{self._option} "{glob}" is empty; name a cluster, a release, or cluster/namespace/release'
        problem = f'{self._option} "{glob}" matches no deployment of the manifest'
        parts = [part.strip() for part in re.split(r"[,\s]+", glob) if part.strip()]
        if len(parts) > 1 and all(Globs("", [part]).match_any(known) for part in parts):
            return f"{problem}; repeat the option for each: " + " ".join(f"{self._option} {part}" for part in parts)
        near = _near_path(glob, known) if "/" in glob else _near_name(glob, known)
        return f'{problem}; did you mean "{near}"?' if near else problem

    def match_any(self, deployments: Iterable[Deployment]) -> bool:
        """Whether one of the globs matches one of the deployments."""
        return any(self.fit(each.cluster, each.release) for each in deployments)


def _near_name(word: str, known: Iterable[Deployment]) -> str:
    names = {name for each in known for name in (each.cluster.name, each.release.name, each.release.label)}
    return nearest(word.strip(), names)


def _near_path(word: str, known: Sequence[Deployment]) -> str:
    """The `cluster/namespace/release` that is nearly `word`: the cluster first, then what is deployed there."""
    cluster, _, rest = word.strip().partition("/")
    near = nearest(cluster, {name for each in known for name in (each.cluster.name, each.cluster.id)})
    places = [each.release.qualified_name for each in known if near in (each.cluster.name, each.cluster.id)]
    same_name = (location for location in places if location.endswith(f"/{rest}"))
    location = next(same_name, "") or nearest(rest, places)
    return f"{near}/{location}" if near and location else near
