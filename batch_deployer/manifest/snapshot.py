"""What runs in some clouds, written down as a manifest that would bring it about again."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from batch_deployer.manifest.cloud import CloudSpec
from batch_deployer.manifest.clouds import WIRE_NAMES
from batch_deployer.model.api import ChartState, ClusterState, ReleaseState, Status
from batch_deployer.model.deployment import is_protected
from batch_deployer.model.values import MASK, Json

_NOT_KEPT = frozenset({Status.DELETED, Status.DELETING})
_SPELLED = {option: key for key, option in WIRE_NAMES.items()}
"""Options of a credential whose key in a manifest is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one cloud showed."""

    spec: CloudSpec
    clusters: Sequence[ClusterState]
    charts: Sequence[ChartState]
    releases: Mapping[str, Sequence[ReleaseState]]
    """By cluster id; clusters that could not be listed are left out."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Cluster id to why its releases could not be listed."""


@dataclass(slots=True)
class Snapshot:
    """A manifest as plain data, and what its reader must know."""

    manifest: dict[str, Any]
    masked: list[str] = field(default_factory=list)
    """`NAME  first place`: secrets to supply in the environment, for values that the cloud showed as a mask."""
    notes: list[str] = field(default_factory=list)
    """What could not be taken over as it is."""
    releases: int = 0
    clusters: int = 0


def take_down(name: str, clouds: Iterable[Found], secrets: Mapping[str, str] = MappingProxyType({})) -> Snapshot:
    """Write everything down. Releases that are the same on several clusters are written once.

    `secrets`: `env:NAME` or `file:PATH` to the plain text, which a value then refers to instead of holding it.
    """
    snapshot = Snapshot({"name": name, "clouds": {}, "clusters": [], "releases": [], "deployments": []})
    writer = _Writer(snapshot, secrets)
    for found in clouds:
        writer.cloud(found)
    return snapshot


class _Writer:
    """Gathers clouds into one manifest."""

    def __init__(self, snapshot: Snapshot, secrets: Mapping[str, str]) -> None:
        self._snapshot = snapshot
        # Longest first, so that no rest of a longer one remains; an empty one would be everywhere.
        self._secrets = sorted(((text, name) for name, text in secrets.items() if text), key=lambda pair: -len(pair[0]))
        self._aliases: dict[str, str] = {}
        """Release as text to its alias."""
        self._taken: set[str] = set()

    def cloud(self, found: Found) -> None:
        """Add one cloud with all that runs in it."""
        manifest = self._snapshot.manifest
        manifest["clouds"][found.spec.name] = _cloud(found.spec)
        charts = {(chart.name, chart.version): chart.id for chart in found.charts}
        for cluster in sorted(found.clusters, key=lambda one: one.name):
            if cluster.id in found.unread:
                self._snapshot.notes.append(f"cluster {cluster.name} left out: {found.unread[cluster.id]}")
                continue
            self._snapshot.clusters += 1
            entry = {"id": cluster.id, "name": cluster.name, "cloud": found.spec.name}
            manifest["clusters"].append(entry | ({"tags": dict(cluster.tags)} if cluster.tags else {}))
            for state in sorted(found.releases.get(cluster.id, ()), key=lambda one: (one.namespace, one.name)):
                self._release(cluster, state, charts)

    def _release(self, cluster: ClusterState, state: ReleaseState, charts: Mapping[tuple[str, str], str]) -> None:
        if is_protected(state.namespace, state.name) or state.status in _NOT_KEPT:
            return
        snapshot = self._snapshot
        where = f"{cluster.name}/{state.namespace}/{state.name}"
        if state.status != Status.DEPLOYED:
            snapshot.notes.append(f"{where} is {state.status}; it is written down as it was meant")
        chart_id = charts.get((state.chart_name, state.chart_version))
        chart = {"name": state.chart_name, "version": state.chart_version}
        if chart_id is None:
            snapshot.notes.append(
                f"{where}: the cloud no longer offers {state.chart_name} {state.chart_version}; upload it"
            )
        else:
            chart["id"] = chart_id
        values = self._values(state, where)
        release = {
            "name": state.name, "namespace": state.namespace, "chart": chart, "version": state.chart_version,
            "values": values,
        }  # fmt: skip
        snapshot.manifest["deployments"].append({"cluster": cluster.id, "release": self._alias(release)})
        snapshot.releases += 1

    def _alias(self, release: dict[str, Any]) -> str:
        """The release's name in the manifest; a new entry when nothing quite like it was written yet."""
        text = json.dumps(release, sort_keys=True)
        if text not in self._aliases:
            alias, number = release["name"], 1
            while alias in self._taken:
                number += 1
                alias = f"{release['name']}-{number}"
            self._taken.add(alias)
            self._aliases[text] = alias
            entry = release if alias == release["name"] else {"name": release["name"], "alias": alias} | release
            self._snapshot.manifest["releases"].append(entry)
        return self._aliases[text]

    def _values(self, state: ReleaseState, where: str) -> Json:
        try:
            shown: Json = json.loads(state.values_json) if state.values_json else {}
        except ValueError:
            shown = None
        if not isinstance(shown, dict):
            self._snapshot.notes.append(f"{where}: its values cannot be read and are left out")
            return {}
        return {key: self._plain(value, (state.name, key), where) for key, value in shown.items()}

    def _plain(self, value: Json, path: tuple[str, ...], where: str) -> Json:
        """The value as a manifest spells it: `${` escaped, a mask turned into a secret that must be supplied."""
        if value == MASK:
            name = re.sub(r"[^A-Z0-9]+", "_", "_".join(path).upper()).strip("_")
            line = f"{name}  {where}: {'.'.join(path[1:])}"
            if not any(known.startswith(f"{name}  ") for known in self._snapshot.masked):
                self._snapshot.masked.append(line)
            return f"${{secret:env:{name}}}"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._plain(item, (*path, str(index)), where) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._plain(item, (*path, key), where) for key, item in value.items()}
        return value

    def _text(self, text: str) -> str:
        """A text with references in place of known secrets, and every other `${` escaped."""
        for secret, name in self._secrets:
            if secret in text:
                return f"${{secret:{name}}}".join(map(self._text, text.split(secret)))
        return text.replace("${", "$${")


def _cloud(spec: CloudSpec) -> dict[str, Any]:
    """The manifest's entry for a cloud; secrets stay the markers that they are."""
    if spec.auth.method == "clouds":
        entry: dict[str, Any] = {"cloud": spec.auth.options.get("cloud", spec.name)}
    else:
        spelled = {_SPELLED.get(key, key): text for key, text in spec.auth.options.items()}
        entry = {"auth": {"method": spec.auth.method, **spelled}}
    optional = {
        "endpoint": spec.endpoint, "region": spec.region, "project_id": spec.project_id, "ca_file": spec.ca_file,
    }  # fmt: skip
    return entry | {key: text for key, text in optional.items() if text}


def to_yaml(snapshot: Snapshot, taken: str) -> str:
    """The manifest as YAML text, with what must be supplied at its top. `taken`: when, for people."""
    import yaml  # noqa: PLC0415 - only a snapshot is ever written as YAML

    lines = [f"# What ran at {taken}: {snapshot.releases} releases on {snapshot.clusters} clusters.", "#"]
    if snapshot.masked:
        lines += ["# The cloud masks these values; set each in the environment before this file is used:"]
        lines += [f"#   {line}" for line in snapshot.masked] + ["#"]
    lines += [f"# Note: {note}" for note in snapshot.notes]
    body = yaml.dump(
        snapshot.manifest, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True
    )
    return "\n".join([*lines, body])
