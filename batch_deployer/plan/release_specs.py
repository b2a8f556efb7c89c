"""Release specs as wanted on each cluster. Deployments that want the same share one spec."""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.bounds import MAX_EXPANDED_BYTES
from batch_deployer.manifest.interpolation import BadPlaceholder, fill, per_cluster
from batch_deployer.manifest.model import Override, Release
from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.model.deployment import Cluster, Parameters, ReleaseSpec, is_protected
from batch_deployer.model.helm_values import compact, merge
from batch_deployer.model.policies import danger, merged_parameters
from batch_deployer.plan.cluster_index import Member
from batch_deployer.rules.release_names import MAX_TEMPLATE, literals_of


class Specs:
    """Makes specs, each kind once."""

    def __init__(self, releases: Sequence[Release]) -> None:
        """`releases`: those of the manifest, which specs are numbered by."""
        self.diagnostics: list[Diagnostic] = []
        self._releases = releases
        self._by_ref = {release.ref: release for release in releases}
        self._templates: dict[tuple[int, int, int], tuple[ReleaseSpec, bool]] = {}
        self._same: dict[ReleaseSpec, ReleaseSpec] = {}
        self._characters = 0
        """Of all distinct specs."""
        self._said: set[tuple[int, str]] = set()

    def spec(self, index: int, member: Member, override: Override | None, location: SourceLocation) -> ReleaseSpec:
        """The release number `index` as wanted on one cluster."""
        # Values and overrides are kept alive by the manifest and shared where equal, so identity is a good key.
        key = (index, id(member.values), id(override))
        if key not in self._templates:
            template = self._template(index, member, override, location)
            varies = per_cluster(template.values_json) or per_cluster(template.description)
            varies = varies or per_cluster(template.parameters.name_template or "")
            if not varies:
                template = self._filled(index, template, member.cluster, location)
            self._templates[key] = template, varies
        template, varies = self._templates[key]
        return self._filled(index, template, member.cluster, location) if varies else template

    def without(self, spec: ReleaseSpec, needs: tuple[str, ...]) -> ReleaseSpec:
        """The same with fewer needs."""
        return self._shared(replace(spec, needs=needs))

    def _shared(self, spec: ReleaseSpec) -> ReleaseSpec:
        if spec not in self._same:
            self._same[spec] = spec
            self._characters += len(spec.values_json) + len(spec.description)
            if self._characters > MAX_EXPANDED_BYTES:
                raise InputError(
                    f'with release "{spec.label}" the values of all deployments, written out for each cluster, are '
                    f"longer than {MAX_EXPANDED_BYTES // 2**20} MiB; shorten them, or split the manifest"
                )
        return self._same[spec]

    def _template(self, index: int, member: Member, override: Override | None, location: SourceLocation) -> ReleaseSpec:
        release, over = self._releases[index], override or Override()
        values = merge(merge(release.values, member.values or {}), over.values or {})
        parameters = release.parameters
        if over.parameters:
            parameters = Parameters(**merged_parameters(asdict(parameters), over.parameters))
        spec = ReleaseSpec(
            name=release.name,
            namespace=release.namespace,
            chart=release.chart,
            version=_or(over.version, release.version),
            values_json=compact(values),
            parameters=parameters,
            description=_or(over.description, release.description),
            timeout=_or(over.timeout, release.timeout),
            on_existing=_or(over.on_existing, release.on_existing),
            on_failure=_or(over.on_failure, release.on_failure),
            allow_destructive=_or(over.allow_destructive, release.allow_destructive),
            needs=tuple(dict.fromkeys(self._need(release, need) for need in release.needs)),
            alias=release.ref if release.ref != release.name else "",
            priority=_or(over.priority, release.priority),
        )
        if override is not None:
            is_system = is_protected(spec.namespace, spec.name)
            problem = danger(parameters, spec.on_existing, is_system=is_system, allowed=spec.allow_destructive)
            if problem:
                self.diagnostics.append(location.diagnostic(problem))
        return spec

    def _need(self, release: Release, ref: str) -> str:
        """Another release as `ReleaseSpec.needs` names it."""
        other = self._by_ref[ref]
        return other.name if other.namespace == release.namespace else f"{other.namespace}/{other.name}"

    def _filled(self, index: int, spec: ReleaseSpec, cluster: Cluster, location: SourceLocation) -> ReleaseSpec:
        words = {
            "release.name": spec.name,
            "release.namespace": spec.namespace,
            "release.version": spec.version,
            "release.chart": spec.chart.name or spec.chart.id,
        }
        template = spec.parameters.name_template
        try:
            if template:
                template = fill(template, cluster, words, as_json=False)
                self._check_template(index, template, location)
            return self._shared(
                replace(
                    spec,
                    values_json=fill(spec.values_json, cluster, words, as_json=True),
                    description=fill(spec.description, cluster, words, as_json=False),
                    parameters=replace(spec.parameters, name_template=template),
                )
            )
        except BadPlaceholder as error:
            missing = re.sub(r"^cluster \".*?\" ", "", str(error))
            if (index, missing) not in self._said:
                self._said.add((index, missing))
                self.diagnostics.append(location.diagnostic(f'release "{self._releases[index].ref}": {error}'))
            return spec

    def _check_template(self, index: int, template: str, location: SourceLocation) -> None:
        """A name without a text of its own would not be found again, so each run would create one more release."""
        if literals_of(template) or (index, "name_template") in self._said:
            return
        self._said.add((index, "name_template"))
        self.diagnostics.append(
            location.diagnostic(
                f'release "{self._releases[index].ref}": `name_template` needs some text besides its {{{{...}}}}, in at most '
                f"{MAX_TEMPLATE:,} characters, as later runs find the release by it; write for example "
                f'"{self._releases[index].name}-{{{{ randAlpha 5 | lower }}}}"'
            )
        )


def _or(value: Any, other: Any) -> Any:
    return other if value is None else value
