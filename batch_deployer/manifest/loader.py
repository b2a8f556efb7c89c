"""Manifest text to Manifest. Every fault of every part is found before anything is raised."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from batch_deployer.errors import InputError, in_order
from batch_deployer.manifest.clouds import read_clouds
from batch_deployer.manifest.clusters import Clusters
from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.defaults import resolve_defaults
from batch_deployer.manifest.deployments import Pairs
from batch_deployer.manifest.folder import Folder, read_bytes
from batch_deployer.manifest.model import Manifest
from batch_deployer.manifest.nodes import Node
from batch_deployer.manifest.partial import check_names
from batch_deployer.manifest.profiles import with_profile
from batch_deployer.manifest.releases import read_releases
from batch_deployer.manifest.rollout import read_gates, read_settings, read_waves
from batch_deployer.manifest.validation import ValidatedManifest, check
from batch_deployer.manifest.yaml_reader import MAX_BYTES, decode, read
from batch_deployer.model.permissions import NO_PERMISSIONS, Permissions


def load(
    path: str | Path,
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    permissions: Permissions = NO_PERMISSIONS,
) -> Manifest:
    """Read a manifest and every file it names.

    `environ` answers `${env:NAME}` and is asked whether `${secret:env:NAME}` exists; secrets are not read.
    `profile` names the overlay to apply. `permissions`: where secret files may lie besides the usual places. Raises InputError with all faults, in order of file and place.
    """
    path = Path(path)
    file = str(path)
    data = read_bytes(path, file, MAX_BYTES)
    tree = read(decode(data, file), file)
    context = LoadContext(Folder(path, permissions, environ), environ)
    tree = resolve_defaults(tree, context)
    checked = _check(tree, context)
    if profile is not None:
        checked = _check(with_profile(tree, profile, context), context)
    manifest = _assemble(checked, file, context)
    if context.diagnostics:
        raise InputError(in_order(context.as_written(context.diagnostics), file))
    sources = {"": hashlib.sha256(data).hexdigest(), **context.folder.digests()}
    return replace(manifest, profile=profile or "", sources=sources)


def _check(tree: Node, context: LoadContext) -> ValidatedManifest:
    try:
        checked = check(tree)
    except InputError as error:
        raise InputError(in_order(context.as_written([*context.diagnostics, *error.diagnostics]))) from None
    # What holds a bad placeholder is not judged further: it would be called a bad name too.
    said = {(diagnostic.file, diagnostic.line, diagnostic.column) for diagnostic in context.diagnostics}
    context.diagnostics.extend(each for each in checked.diagnostics if (each.file, each.line, each.column) not in said)
    return checked


def _assemble(checked: ValidatedManifest, file: str, context: LoadContext) -> Manifest:
    check_names(checked, context)
    clouds = read_clouds(checked, context)
    clusters = Clusters(checked, clouds, context)
    return Manifest(
        name=checked.model.name,
        file=file,
        clouds=clouds,
        clusters=tuple(clusters.entries),
        discover=tuple(clusters.discover),
        releases=tuple(read_releases(checked, context)),
        pairs=tuple(Pairs(checked, context).found),
        waves=tuple(read_waves(checked, context)),
        seed=(checked.model.rollout.seed if checked.model.rollout else None) or 0,
        gates=read_gates(checked.model),
        settings=read_settings(checked, context),
        warnings=context.warnings,
    )
