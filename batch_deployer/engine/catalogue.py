"""The charts of one cloud: which id a release wants, and whether the manifest and the cloud agree on it."""

from dataclasses import dataclass, field

from batch_deployer.model.api import ChartState, ReleaseState
from batch_deployer.model.chart_version import canonical, same_version
from batch_deployer.model.deployment import ReleaseSpec
from batch_deployer.rules.observation import timestamp


@dataclass(slots=True)
class Catalogue:
    """The charts of one cloud."""

    by_id: dict[str, ChartState] = field(default_factory=dict)
    """By id in lower case."""
    error: str = ""
    """Why the charts could not be listed; empty when they were."""
    _exact: dict[tuple[str, str], str] = field(default_factory=dict)
    _canonical: dict[tuple[str, str], str] = field(default_factory=dict)

    def fill(self, charts: list[ChartState]) -> None:
        """Index what the cloud lists."""
        for chart in charts:
            self.by_id[chart.id.lower()] = chart
            self._exact[chart.name, chart.version] = chart.id
            self._canonical[chart.name, canonical(chart.version)] = chart.id

    def listed_id(self, name: str, version: str) -> str:
        """Id of the chart of this name and version; empty when the cloud has none."""
        return self._exact.get((name, version)) or self._canonical.get((name, canonical(version)), "")

    def chart_id(self, spec: ReleaseSpec) -> str:
        """Id of the chart that a release wants; empty when the cloud has none. An unlisted id yields to the name."""
        if known := self._listed(spec):
            return known.id
        return self.listed_id(spec.chart.name, spec.version) or spec.chart.id

    def _listed(self, spec: ReleaseSpec) -> ChartState | None:
        return self.by_id.get(spec.chart.id.lower())

    def version(self, spec: ReleaseSpec) -> str:
        """The chart version that a release wants, as the cloud spells it."""
        known = self.by_id.get(self.chart_id(spec).lower())
        return known.version if known and same_version(known.version, spec.version) else spec.version

    def chart_name(self, spec: ReleaseSpec) -> str:
        """Name of the chart that a release wants; empty when only an unlisted id is known."""
        known = self._listed(spec)
        return known.name if known else spec.chart.name

    def missing(self, spec: ReleaseSpec) -> str:
        """Why a release's chart cannot be used; empty when it can."""
        if known := self._listed(spec):
            return _contradiction(known, spec)
        if self.listed_id(spec.chart.name, spec.version) or (spec.chart.id and (self.error or not spec.chart.name)):
            return ""
        wanted = f"chart {spec.chart.name} {spec.version}"
        if self.error:
            return f"{wanted} cannot be looked up: {self.error}"
        versions = sorted(version for name, version in self._exact if name == spec.chart.name)
        has = f"it has version {', '.join(versions)}" if versions else "it has no chart of that name"
        if spec.chart.id:
            return f"neither chart id {spec.chart.id} nor {wanted} is in the cloud; {has}"
        return f"{wanted} is not in the cloud; {has}"

    def note(self, spec: ReleaseSpec, state: ReleaseState | None) -> str:
        """What the plan tells about the chart of a release; empty when there is nothing to tell."""
        chosen = self.by_id.get(self.chart_id(spec).lower())
        if chosen is None:
            return "" if self.error else f"the cloud does not list the chart id {spec.chart.id}; it is sent as it is"
        notes = []
        if spec.chart.id and self._listed(spec) is None:
            notes.append(
                f"chart id {spec.chart.id} is not in the cloud; "
                f"{chosen.name} {chosen.version} is used by its name (id {chosen.id})"
            )
        if state is not None and _uploaded_after(chosen, state):
            notes.append(
                f"chart {chosen.name} {chosen.version} was uploaded again at {chosen.updated_at}, "
                f"after this release was deployed at {state.updated_at}; its content may differ"
            )
        return "; ".join(notes)


def _contradiction(listed: ChartState, spec: ReleaseSpec) -> str:
    """How the listed chart of an id differs from the name and version that the manifest gives; empty when it does not."""
    wanted = spec.chart.name
    if wanted and listed.name and wanted != listed.name:
        return f"chart id {listed.id} is {listed.name} {listed.version} in the cloud, not {wanted}; correct the id or the name"
    if listed.version and not same_version(listed.version, spec.version):
        return (
            f"chart id {listed.id} is {listed.name} {listed.version} in the cloud, not version {spec.version}; "
            "correct the id or the version"
        )
    return ""


def _uploaded_after(chart: ChartState, state: ReleaseState) -> bool:
    """Whether the chart that a release runs was uploaded again after the release was deployed."""
    if state.chart_name != chart.name or not same_version(state.chart_version, chart.version):
        return False
    uploaded, deployed = timestamp(chart.updated_at), timestamp(state.updated_at)
    return uploaded is not None and deployed is not None and uploaded > deployed
