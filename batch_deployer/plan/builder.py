"""Manifest to plan: who gets what, in which wave, with everything merged. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from batch_deployer.errors import Diagnostic, InputError, in_order
from batch_deployer.manifest.bounds import MAX_WAVES
from batch_deployer.manifest.model import Manifest, WaveSpec
from batch_deployer.model.api import ClusterState
from batch_deployer.model.deployment import Cluster, Deployment, key_of
from batch_deployer.model.helm_values import is_inexact
from batch_deployer.plan.cluster_index import ClusterIndex
from batch_deployer.plan.filters import Globs
from batch_deployer.plan.plan import Plan, Wave
from batch_deployer.plan.release_specs import Specs
from batch_deployer.plan.targets import expand
from batch_deployer.rules.waves import Member, assign
from batch_deployer.util.suggest import unknown

_LONG_NUMBER = re.compile(r"\d{16}")


class _Draft(NamedTuple):
    cluster: int
    release: int
    deployment: Deployment


def build_plan(
    manifest: Manifest,
    *,
    discovered: Mapping[str, Sequence[ClusterState]] | None = None,
    limit: Sequence[str] = (),
    exclude: Sequence[str] = (),
    only_waves: Sequence[str] = (),
    cluster_map: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of a manifest.

    discovered: all clusters, with their tags, of each cloud in `manifest.discover`.
    limit, exclude: globs over key, cluster id or name, release name or alias, `cluster/namespace/release`; one that
    matches nothing is a fault.
    only_waves: names or globs of waves. What is left out does not move the others to another wave.
    cluster_map: lost cluster to its replacement, by id or name.
    Raises InputError with all faults.
    """
    fleet = ClusterIndex(manifest, discovered or {})
    fleet.renew(cluster_map or {})
    diagnostics = fleet.diagnostics
    wants = expand(manifest, fleet, diagnostics)
    specs = Specs(manifest.releases)
    waves = _Waves(manifest, fleet, sorted({cluster for cluster, _ in wants}))
    drafts = []
    for (cluster, release), (override, location) in wants.items():
        member = fleet.members[cluster]
        spec = specs.spec(release, member, override, location)
        key = key_of(member.cluster.id, spec.namespace, spec.name)
        wave = waves.wave_of[member.cluster.id]
        drafts.append(_Draft(cluster, release, Deployment(key=key, cluster=member.cluster, release=spec, wave=wave)))
    diagnostics.extend(specs.diagnostics)
    if diagnostics:
        raise InputError(in_order(diagnostics, manifest.file))
    warnings = [*manifest.warnings, *fleet.warnings, *waves.warnings, *_inexact(drafts)]
    if limit or exclude or only_waves:
        chosen = _chosen(drafts, limit, exclude, waves.matching(only_waves), left_out=fleet.left_out)
        drafts = _without_missing_needs(chosen, drafts, specs, warnings)
    return waves.plan(manifest, [draft.deployment for draft in drafts], warnings)


class _Waves:
    """The waves of a plan with their gates."""

    def __init__(self, manifest: Manifest, fleet: ClusterIndex, reached: Sequence[int]) -> None:
        members = [Member(id=m.cluster.id, tags=m.cluster.tags) for m in map(fleet.members.__getitem__, reached)]
        found = assign([spec.rule for spec in manifest.waves], members, manifest.seed)
        if len(found.names) > MAX_WAVES:
            raise InputError(f"the manifest has {len(found.names):,} waves; a run may have {MAX_WAVES:,}: set `parts`")
        self.wave_of = found.wave_of
        self._rules = [manifest.waves[rule].rule.name if rule >= 0 else "" for rule in found.rules]
        self.waves = [
            _wave(name, manifest.waves[rule]) if rule >= 0 else Wave(name=name if manifest.waves else "all")
            for name, rule in zip(found.names, found.rules, strict=True)
        ]
        used = set(found.wave_of.values())
        self.warnings = [
            f'no cluster falls into wave "{wave.name}"' for number, wave in enumerate(self.waves) if number not in used
        ]
        if manifest.waves and found.rules[-1] < 0:
            count = sum(wave == len(self.waves) - 1 for wave in found.wave_of.values())
            self.warnings.append(f'{count} clusters fit no wave and form a last one, "{self.waves[-1].name}"')

    def matching(self, globs: Sequence[str]) -> set[int]:
        """Indices of the waves with one of these names; all when none is given. InputError for a name of none."""
        found: set[int] = set()
        diagnostics = []
        for glob in globs:
            fits = {
                number
                for number, (wave, rule) in enumerate(zip(self.waves, self._rules, strict=True))
                if fnmatchcase(wave.name, glob) or rule == glob
            }
            found |= fits
            if not fits:
                diagnostics.append(Diagnostic(unknown("wave", glob, [wave.name for wave in self.waves])))
        if diagnostics:
            raise InputError(diagnostics)
        return found if globs else set(range(len(self.waves)))

    def plan(self, manifest: Manifest, deployments: Sequence[Deployment], warnings: Sequence[str]) -> Plan:
        """The plan, without waves that hold nothing (their soak would only cost time)."""
        used = sorted({deployment.wave for deployment in deployments})
        number = {wave: index for index, wave in enumerate(used)}
        if used != list(range(len(used))):
            deployments = [_moved(deployment, number[deployment.wave]) for deployment in deployments]
        return Plan(
            name=manifest.name,
            clouds={name: cloud for name, cloud in manifest.clouds.items()},  # noqa: C416 - a copy of our own
            deployments=tuple(deployments),
            waves=tuple(self.waves[wave] for wave in used),
            gates=manifest.gates,
            release_budgets={r.ref: r.max_failures for r in manifest.releases if r.max_failures is not None},
            settings=manifest.settings,
            warnings=tuple(warnings),
            profile=manifest.profile,
            sources=manifest.sources,
        )


def _wave(name: str, spec: WaveSpec) -> Wave:
    return Wave(name=name, max_failures=spec.max_failures, max_unreachable=spec.max_unreachable, soak=spec.soak)


def _moved(deployment: Deployment, wave: int) -> Deployment:
    return Deployment(key=deployment.key, cluster=deployment.cluster, release=deployment.release, wave=wave)


def _chosen(
    drafts: Sequence[_Draft],
    limit: Sequence[str],
    exclude: Sequence[str],
    waves: set[int],
    *,
    left_out: Sequence[Cluster] = (),
) -> list[_Draft]:
    wanted, unwanted = Globs("--limit", limit), Globs("--exclude", exclude)
    chosen = []
    for draft in drafts:
        each = draft.deployment
        fits = not limit or wanted.fit(each.cluster, each.release)
        if not (exclude and unwanted.fit(each.cluster, each.release)) and fits and each.wave in waves:
            chosen.append(draft)
    wanted.expect(left_out)
    unwanted.expect(left_out)
    everything = [draft.deployment for draft in drafts]
    diagnostics = [*wanted.diagnostics(everything), *unwanted.diagnostics(everything)]
    if diagnostics or (not chosen and not left_out):
        raise InputError(
            diagnostics or [Diagnostic("the options --limit, --exclude and --wave together leave no deployment")]
        )
    return chosen


def _without_missing_needs(
    chosen: Sequence[_Draft], drafts: Sequence[_Draft], specs: Specs, warnings: list[str]
) -> list[_Draft]:
    """Deployments no longer wait for what was left out by choice; it is taken to be there already."""
    if len(chosen) == len(drafts):
        return list(chosen)
    there = {(draft.cluster, draft.deployment.release.qualified_name) for draft in chosen}
    left_out: dict[tuple[str, str], int] = {}
    result = []
    for draft in chosen:
        spec = draft.deployment.release
        kept = tuple(
            need for need, location in zip(spec.needs, spec.needed, strict=True) if (draft.cluster, location) in there
        )
        for need in spec.needs:
            if need not in kept:
                left_out[spec.label, need] = left_out.get((spec.label, need), 0) + 1
        if kept != spec.needs:
            each = draft.deployment
            spec = specs.without(spec, kept)
            each = Deployment(key=each.key, cluster=each.cluster, release=spec, wave=each.wave)
            draft = draft._replace(deployment=each)  # noqa: PLW2901 - the same draft, one need less
        result.append(draft)
    warnings.extend(
        f'"{name}" needs "{need}", which was left out on {count} clusters and is taken to be there'
        for (name, need), count in left_out.items()
    )
    return result


def _inexact(drafts: Sequence[_Draft]) -> list[str]:
    """One warning for all values that hold integers which a backend of doubles would change."""
    texts = {draft.deployment.release.values_json: draft.deployment.release.label for draft in drafts}
    names = sorted({name for text, name in texts.items() if _LONG_NUMBER.search(text) and is_inexact(json.loads(text))})
    advice = "which a backend that keeps doubles changes; put quotes around those that are identifiers"
    return [f"values of {', '.join(names)} hold integers above 2^53, {advice}"] if names else []
