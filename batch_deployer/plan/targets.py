"""Which release goes to which cluster: targets and explicit pairs, expanded and checked."""

from collections.abc import Iterable

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_COMPARISONS, MAX_DEPLOYMENTS
from batch_deployer.manifest.model import Manifest, Override, Release
from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.model.selector_rules import matches
from batch_deployer.model.selectors import Operator, Selector
from batch_deployer.plan.cluster_index import ClusterIndex
from batch_deployer.util.suggest import nearest

TargetMap = dict[tuple[int, int], tuple[Override | None, SourceLocation]]
"""(index of the cluster, index of the release) to what an explicit pair overrides, and where that stands."""


def expand(manifest: Manifest, fleet: ClusterIndex, diagnostics: list[Diagnostic]) -> TargetMap:
    """All wanted pairs, in order of clusters, then releases."""
    wants: TargetMap = {}
    targeted = sum(release.targets is not None for release in manifest.releases)
    if targeted * len(fleet.members) > MAX_COMPARISONS:
        raise InputError(
            f"{targeted:,} releases with targets on {len(fleet.members):,} clusters are more than a run can be planned "
            "for; split the manifest"
        )
    for index, release in enumerate(manifest.releases):
        if release.targets is not None:
            chosen = _targeted(release.targets, fleet)
            if not chosen and not any(matches(release.targets, each.tags) for each in fleet.left_out):
                hint = _why_none(release.targets, fleet)
                message = f'no cluster matches the targets of release "{release.ref}"{hint}'
                diagnostics.append(release.targets_place.diagnostic(message))
            for cluster in chosen:
                wants[cluster, index] = None, release.location
            _check_number(wants, release.targets_place)
    _add_pairs(manifest, fleet, wants, diagnostics)
    reached = {index for _, index in wants}
    named = {pair.release for pair in manifest.pairs}
    for index, release in enumerate(manifest.releases):
        if index not in reached and release.targets is None and release.ref not in named:
            diagnostics.append(
                release.location.diagnostic(f'release "{release.ref}" goes nowhere; give it `targets`, or a deployment')
            )
    _check_names(manifest, fleet, wants, diagnostics)
    _check_needs(manifest, fleet, wants, diagnostics)
    return dict(sorted(wants.items()))


def _check_number(wants: TargetMap, location: SourceLocation) -> None:
    """Raise InputError for more pairs than a plan may hold."""
    if len(wants) > MAX_DEPLOYMENTS:
        raise InputError(
            [
                location.diagnostic(
                    f"with this the manifest has more than {MAX_DEPLOYMENTS:,} deployments, which is more than a run "
                    "may have; split it into several"
                )
            ]
        )


def _targeted(selector: Selector, fleet: ClusterIndex) -> list[int]:
    known: dict[int, bool] = {}  # clusters share their tags, so each set is judged once
    found = []
    for index, member in enumerate(fleet.members):
        tags = member.cluster.tags
        fits = known.get(id(tags))
        if fits is None:
            fits = known[id(tags)] = matches(selector, tags)
        if fits and index not in fleet.gone:
            found.append(index)
    return found


def _why_none(selector: Selector, fleet: ClusterIndex) -> str:
    """A hint: the first tag or value that no cluster has."""
    for requirement in selector:
        if requirement.operator in (Operator.NOT_IN, Operator.ABSENT):
            continue
        tags = {tag for member in fleet.members for tag in member.cluster.tags}
        if requirement.tag not in tags:
            close = nearest(requirement.tag, tags)
            return f"; none has the tag {requirement.tag}" + (f", did you mean {close}?" if close else "")
        values = {member.cluster.tags.get(requirement.tag, "") for member in fleet.members} - {""}
        if requirement.values and not values & set(requirement.values):
            close = nearest(requirement.values[0], values)
            hint = f", did you mean {close}?" if close else ""
            return f"; none has {requirement.tag}: {' or '.join(requirement.values)}{hint}"
    return ""


def _add_pairs(manifest: Manifest, fleet: ClusterIndex, wants: TargetMap, diagnostics: list[Diagnostic]) -> None:
    indices = {release.ref: index for index, release in enumerate(manifest.releases)}
    seen: dict[tuple[int, int], SourceLocation] = {}
    for pair in manifest.pairs:
        left_out = pair.cluster not in fleet and fleet.is_left_out(pair.cluster)
        cluster = None if left_out else fleet.find(pair.cluster, pair.location)
        if cluster is None:
            continue
        key = cluster, indices[pair.release]
        first = seen.setdefault(key, pair.location)
        if first is not pair.location:
            where = f"line {first.line}" if first.file == pair.location.file else f"{first.file}:{first.line}"
            message = f'release "{pair.release}" on cluster "{pair.cluster}" is given twice, first on {where}'
            diagnostics.append(pair.location.diagnostic(message))
        else:
            wants[key] = pair.override, pair.location
            _check_number(wants, pair.location)


def _check_names(
    manifest: Manifest, fleet: ClusterIndex, wants: Iterable[tuple[int, int]], diagnostics: list[Diagnostic]
) -> None:
    """Two releases of one name and namespace must not meet on a cluster."""
    by_name: dict[tuple[str, str], list[int]] = {}
    for index, release in enumerate(manifest.releases):
        by_name.setdefault((release.namespace, release.name), []).append(index)
    rivals = {index for indices in by_name.values() if len(indices) > 1 for index in indices}
    taken: dict[tuple[int, str, str], Release] = {}
    said: set[tuple[str, str]] = set()
    for cluster, index in wants if rivals else ():
        release = manifest.releases[index]
        other = taken.setdefault((cluster, release.namespace, release.name), release)
        if other is not release and (other.ref, release.ref) not in said:
            said.add((other.ref, release.ref))
            name = fleet.members[cluster].cluster.name
            message = (
                f'releases "{other.ref}" and "{release.ref}" are both {release.namespace}/{release.name} '
                f'on cluster "{name}"; keep one of them there'
            )
            diagnostics.append(release.location.diagnostic(message))


def _check_needs(manifest: Manifest, fleet: ClusterIndex, wants: TargetMap, diagnostics: list[Diagnostic]) -> None:
    """What a release needs must be deployed on the same cluster."""
    indices = {release.ref: index for index, release in enumerate(manifest.releases)}
    clusters: dict[int, list[int]] = {}
    for cluster, index in wants:
        clusters.setdefault(index, []).append(cluster)
    for index, release in enumerate(manifest.releases):
        where = clusters.get(index, []) if release.needs else []
        for need, location in zip(release.needs, release.needs_places, strict=True):
            lacking = [cluster for cluster in where if (cluster, indices[need]) not in wants]
            if lacking:
                name = fleet.members[lacking[0]].cluster.name
                more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
                message = f'release "{release.ref}" needs "{need}", which is not deployed on cluster "{name}"{more}'
                diagnostics.append(location.diagnostic(message))
