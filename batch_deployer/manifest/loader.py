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
    desk = LoadContext(Folder(path, permissions, environ), environ)
    tree = resolve_defaults(tree, desk)
    checked = _check(tree, desk)
    if profile is not None:
        checked = _check(with_profile(tree, profile, desk), desk)
    manifest = _assemble(checked, file, desk)
    if desk.faults:
        raise InputError(in_order(desk.as_written(desk.faults), file))
    sources = {"": hashlib.sha256(data).hexdigest(), **desk.folder.digests()}
    return replace(manifest, profile=profile or "", sources=sources)


def _check(tree: Node, desk: LoadContext) -> ValidatedManifest:
    try:
        checked = check(tree)
    except InputError as error:
        raise InputError(in_order(desk.as_written([*desk.faults, *error.faults]))) from None
    # What holds a bad placeholder is not judged further: it would be called a bad name too.
    said = {(fault.file, fault.line, fault.column) for fault in desk.faults}
    desk.faults.extend(each for each in checked.faults if (each.file, each.line, each.column) not in said)
    return checked


def _assemble(checked: ValidatedManifest, file: str, desk: LoadContext) -> Manifest:
    check_names(checked, desk)
    clouds = read_clouds(checked, desk)
    clusters = Clusters(checked, clouds, desk)
    return Manifest(
        name=checked.model.name,
        file=file,
        clouds=clouds,
        clusters=tuple(clusters.entries),
        discover=tuple(clusters.discover),
        releases=tuple(read_releases(checked, desk)),
        pairs=tuple(Pairs(checked, desk).found),
        waves=tuple(read_waves(checked, desk)),
        seed=(checked.model.rollout.seed if checked.model.rollout else None) or 0,
        gates=read_gates(checked.model),
        settings=read_settings(checked, desk),
        warnings=desk.warnings,
    )
