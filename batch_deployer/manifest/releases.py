"""The `releases:` of a manifest, with defaults and values files merged in."""

from collections.abc import Mapping
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from typing import Any

from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.model import Release
from batch_deployer.manifest.nodes import Node
from batch_deployer.manifest.schema import DefaultReleaseModel, ReleaseModel
from batch_deployer.manifest.validation import ValidatedManifest
from batch_deployer.model.chart_version import same_version
from batch_deployer.model.deployment import ChartRef, OnExisting, OnFailure, Parameters, is_protected
from batch_deployer.model.helm_values import compact, merge
from batch_deployer.model.policies import danger, merged_parameters
from batch_deployer.util.suggest import unknown


def read_releases(checked: ValidatedManifest, context: LoadContext) -> list[Release]:
    """All releases, in order. Needs are known and without cycles."""
    default = (checked.model.defaults and checked.model.defaults.release) or DefaultReleaseModel()
    if not checked.model.releases and not checked.broken:
        context.report(checked.tree.at("releases").location, "`releases` must not be empty")
    found: dict[str, Release] = {}
    shared = len(compact(default.values or {}))
    for shape, node in zip(checked.model.releases, checked.locations("releases"), strict=True):
        context.charge(shared, node.location)
        release = _release(shape, node, default, checked, context)
        first = found.setdefault(release.ref, release)
        if first is not release:
            context.report(
                node.at("name").location,
                f'release "{release.ref}" is given twice, first on line {first.location.line}; give one an `alias`',
            )
    _check_needs(found, checked.refs(), context)
    return list(found.values())


def _release(
    shape: ReleaseModel, node: Node, default: DefaultReleaseModel, checked: ValidatedManifest, context: LoadContext
) -> Release:
    files = [
        context.values_file(name, location.at("values_files", index).location)
        for names, location in (
            (default.values_files, checked.tree.at("defaults", "release")),
            (shape.values_files, node),
        )
        for index, name in enumerate(names or ())
    ]
    namespace = shape.namespace or default.namespace or "default"
    parameters = merged_parameters(_set(default.parameters), _set(shape.parameters))
    release = Release(
        ref=shape.alias or shape.name,
        name=shape.name,
        namespace=namespace,
        chart=ChartRef(id=shape.chart.id or "", name=shape.chart.name or ""),
        version=shape.version or shape.chart.version or default.version or "",
        description=_first(shape.description, default.description, ""),
        values=reduce(merge, [default.values or {}, *files, shape.values or {}], {}),
        parameters=Parameters(**parameters),
        timeout=_first(shape.timeout, default.timeout, 900.0),
        on_existing=OnExisting(_first(shape.on_existing, default.on_existing, "upgrade")),
        on_failure=OnFailure(_first(shape.on_failure, default.on_failure, "leave")),
        allow_destructive=_first(shape.allow_destructive, default.allow_destructive, False),
        allow_system=_first(shape.allow_system, default.allow_system, False),
        priority=_first(shape.priority, default.priority, 0),
        needs=tuple(shape.needs or ()),
        targets=shape.targets,
        max_failures=shape.max_failures,
        location=node.location,
        targets_place=node.at("targets").location,
        needs_places=tuple(item.location for item in node.at("needs").items),
    )
    _check(shape, release, node, context)
    return release


def _check(shape: ReleaseModel, release: Release, node: Node, context: LoadContext) -> None:
    chart = node.at("chart")
    if not shape.chart.id and not shape.chart.name:
        context.report(chart.location, "a chart needs `id`, or `name` and `version`")
    elif not release.version:
        context.report(chart.location, f'release "{release.ref}" needs `version`, the version of its chart')
    if shape.chart.version and shape.version and not same_version(shape.chart.version, shape.version):
        context.report(
            chart.at("version").location,
            f"the chart's version {shape.chart.version} contradicts the release's version {shape.version}; keep one",
        )
    is_system = is_protected(release.namespace, release.name)
    if is_system and not release.allow_system:
        what = "namespace kube-system" if release.namespace == "kube-system" else "release cceaddon-*"
        where = node.at("namespace" if release.namespace == "kube-system" else "name").location
        context.report(where, f"{what} belongs to the provider; write `allow_system: true` if that is meant")
    problem = danger(release.parameters, release.on_existing, is_system=is_system, allowed=release.allow_destructive)
    if problem:
        spot = ("on_existing",) if "on_existing" in problem else ("parameters", problem.split(":")[0].strip("`"))
        context.report(node.at(*spot).location, problem)


def _set(shape: Any) -> dict[str, Any]:
    return {} if shape is None else dict(shape.model_dump(exclude_none=True))


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _check_needs(releases: Mapping[str, Release], known: set[str], context: LoadContext) -> None:
    for release in releases.values():
        for need, location in zip(release.needs, release.needs_places, strict=False):
            if need not in releases and need not in known:
                context.report(location, unknown("release", need, releases))
    graph = {ref: [need for need in release.needs if need in releases] for ref, release in releases.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        context.report(
            releases[circle[0]].needs_places[0], f"releases need each other in a circle: {' -> '.join(circle)}"
        )
