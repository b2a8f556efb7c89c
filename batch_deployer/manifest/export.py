"""What runs in some clouds, written down as a manifest that would bring it about again."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from batch_deployer.errors import InputError
from batch_deployer.manifest.clouds import WIRE_NAMES
from batch_deployer.manifest.interpolation import is_login
from batch_deployer.manifest.nodes import SourceLocation
from batch_deployer.model.api import ChartState, ClusterState, ReleaseState, Status
from batch_deployer.model.cloud import CloudSpec
from batch_deployer.model.deployment import is_protected
from batch_deployer.model.helm_values import MASK, Json
from batch_deployer.util.text import clean

_NOT_KEPT = frozenset({Status.DELETED, Status.DELETING})
_SPELLED = {option: key for key, option in WIRE_NAMES.items()}
"""Options of a credential whose key in a manifest is another."""
_MAX_DEPTH = 59
"""Levels of values below the keys of a manifest that lead to them."""
_TOO_LONG = 10**400
_WIDTH = 2**30
"""Columns before a text is folded: never."""


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
    left_out: int = 0
    """What a manifest cannot hold; each has its note."""


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
        self._clusters: set[str] = set()
        self._masked: dict[str, tuple[str, ...]] = {}
        """Name of a secret to supply, and the path that it is for."""

    def cloud(self, found: Found) -> None:
        """Add one cloud with all that runs in it."""
        manifest = self._snapshot.manifest
        manifest["clouds"][found.spec.name] = _cloud(found.spec)
        charts = {(chart.name, chart.version): chart.id for chart in found.charts}
        for cluster in sorted(found.clusters, key=lambda one: one.name):
            if cluster.id in found.unread:
                self._snapshot.notes.append(f"cluster {cluster.name} left out: {found.unread[cluster.id]}")
                continue
            entry = self._cluster(cluster, found.spec.name)
            if entry is None:
                continue
            self._snapshot.clusters += 1
            manifest["clusters"].append(entry)
            newest: dict[tuple[str, str], ReleaseState] = {}
            for state in sorted(found.releases.get(cluster.id, ()), key=lambda one: one.revision):
                newest[state.namespace, state.name] = state
            for _, state in sorted(newest.items()):
                self._release(cluster, state, charts)

    def _cluster(self, cluster: ClusterState, cloud: str) -> dict[str, Any] | None:
        """The entry of a cluster; None, and a note, when a manifest cannot hold it."""
        entry: dict[str, Any] = {"id": cluster.id, "name": self._text(cluster.name), "cloud": cloud}
        tags = {}
        for key, text in cluster.tags.items():
            if "${" in key or not _encodable(key + text):
                self._leave_out(f"tag {key!r} of cluster {cluster.name}", "a manifest cannot hold it")
            else:
                tags[key] = self._text(text)
        if tags:
            entry["tags"] = tags
        why = "it is listed twice" if cluster.id in self._clusters else _refused("ClusterModel", entry)
        if why:
            self._leave_out(f"cluster {cluster.name}", why)
            return None
        self._clusters.add(cluster.id)
        return entry

    def _leave_out(self, what: str, why: str) -> None:
        self._snapshot.left_out += 1
        self._snapshot.notes.append(f"{what} is left out: {why}")

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
        try:
            values = self._values(state, where)
        except ValueError as error:
            self._leave_out(where, str(error))
            return
        release = {
            "name": state.name, "namespace": state.namespace, "chart": chart, "version": state.chart_version,
            "values": values,
        }  # fmt: skip
        why = _refused("ReleaseModel", release)
        if why:
            self._leave_out(where, why)
            return
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
        """The values as a manifest spells them. ValueError for what no manifest can hold."""
        try:
            shown: Json = json.loads(state.values_json) if state.values_json else {}
        except (ValueError, RecursionError):
            shown = None
        if not isinstance(shown, dict):
            raise ValueError("its values cannot be read")
        return {self._key(key): self._plain(value, (state.name, key), where) for key, value in shown.items()}

    def _plain(self, value: Json, path: tuple[str, ...], where: str) -> Json:
        """The value as a manifest spells it: `${` escaped, a mask turned into a secret that must be supplied."""
        if len(path) > _MAX_DEPTH:
            raise ValueError("its values are nested too deep")
        if value == MASK:
            return f"${{secret:env:{self._secret_name(path, where)}}}"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._plain(item, (*path, str(index)), where) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {self._key(key): self._plain(item, (*path, key), where) for key, item in value.items()}
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{'.'.join(path[1:])} is no finite number")
        if isinstance(value, int) and abs(value) >= _TOO_LONG:
            raise ValueError(f"{'.'.join(path[1:])} has too many digits")
        return value

    def _key(self, key: str) -> str:
        if "${" in key or not _encodable(key):
            raise ValueError(f"a manifest cannot hold the key {key!r}")
        return key

    def _secret_name(self, path: tuple[str, ...], where: str) -> str:
        """The variable for a masked value; paths that differ get names that differ."""
        base = re.sub(r"[^A-Z0-9]+", "_", "_".join(path).upper()).strip("_")
        base = f"_{base}" if base[:1].isdigit() or not base or is_login(base) else base
        name, number = base, 1
        while self._masked.setdefault(name, path) != path:
            number += 1
            name = f"{base}_{number}"
        line = f"{name}  {where}: {'.'.join(path[1:])}"
        if not any(known.startswith(f"{name}  ") for known in self._snapshot.masked):
            self._snapshot.masked.append(line)
        return name

    def _text(self, text: str) -> str:
        """A text with references in place of known secrets, and every other `${` escaped. ValueError if it has no spelling."""
        if not _encodable(text):
            raise ValueError("a text in it is no Unicode")
        for secret, name in self._secrets:
            if secret in text:
                if is_login(name.removeprefix("env:")):
                    raise ValueError(f"it holds the secret {name}, which this program logs in with")
                before = text.split(secret)
                if any(part.endswith("$") for part in before[:-1]):
                    raise ValueError("a `$` stands before a secret, which has no spelling in a manifest")
                return f"${{secret:{name}}}".join(map(self._text, before))
        return text.replace("${", "$${")


def _encodable(text: str) -> bool:
    """Whether a text is Unicode: half a surrogate pair is not."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _refused(shape: str, entry: dict[str, Any]) -> str:
    """Why a manifest would refuse an entry; empty when it takes it."""
    from batch_deployer.manifest import schema  # noqa: PLC0415 - loads the schema library
    from batch_deployer.manifest.validation import check_part  # noqa: PLC0415 - same

    try:
        check_part(getattr(schema, shape), entry, SourceLocation())
    except InputError as error:
        return error.diagnostics[0].message
    return ""


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
    if snapshot.left_out:
        lines += [f"# {snapshot.left_out} left out, since a manifest cannot hold them:"]
    lines += [f"# Note: {note}" for note in snapshot.notes]

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Writes every text with quotes, so that no reader can take it for anything else."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    body = yaml.dump(snapshot.manifest, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return "\n".join([*map(clean, lines), body])
