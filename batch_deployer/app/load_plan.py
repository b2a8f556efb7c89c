"""From a manifest on disk, or a saved plan, to the plan that is to be run."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from batch_deployer.app.cloud_apis import IMPATIENT, Patience
from batch_deployer.app.inventing import made_up
from batch_deployer.app.runtime import run_in_loop
from batch_deployer.app.secrets import SecretStore, required
from batch_deployer.errors import Diagnostic, InputError
from batch_deployer.manifest.folder import Folder, digest_of, secret_folders, secret_refusal
from batch_deployer.manifest.interpolation import is_login
from batch_deployer.manifest.loader import load
from batch_deployer.manifest.model import Manifest
from batch_deployer.model.api import ClusterState
from batch_deployer.model.deployment import is_protected
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.plan import CloudSpec, Plan
from batch_deployer.settings import Limits, Settings
from batch_deployer.util.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which part of a manifest, in which form."""

    profile: str | None = None
    limit: Sequence[str] = ()
    exclude: Sequence[str] = ()
    waves: Sequence[str] = ()
    cluster_map: Mapping[str, str] = field(default_factory=dict)
    exact_values: bool = False


def load_plan(
    path: Path,
    choice: Choice,
    store: SecretStore,
    environ: Mapping[str, str],
    *,
    simulated: bool = False,
    clusters: int = 0,
    patience: Callable[[Settings], Patience] = lambda _: IMPATIENT,
) -> Plan:
    """Read, ask the clouds for clusters if the manifest says so, and plan. InputError with all faults.

    `simulated`: no real cloud may be asked for anything. `clusters`: then make up clusters where one would be asked,
    about so many in all. `patience`: with clouds that do not answer, by the manifest's settings.
    """
    manifest = load(path, environ, profile=choice.profile, permissions=store.permissions)
    if manifest.discover and simulated and not clusters:
        raise InputError(
            [
                question.location.diagnostic(
                    "what a cloud would answer to `discover` cannot be simulated; name the clusters, or rehearse with --clusters NUMBER"
                )
                for question in manifest.discover
            ]
        )
    discovered: Mapping[str, Sequence[ClusterState]] = {}
    if manifest.discover and clusters:
        discovered = made_up(manifest, clusters)
    elif manifest.discover:
        from batch_deployer.app.discovery import discover  # noqa: PLC0415 - loads the HTTP client

        discovered = run_in_loop(lambda: discover(manifest, store, patience(manifest.settings)))
    return plan_of(manifest, choice, discovered)


def plan_of(manifest: Manifest, choice: Choice, discovered: Mapping[str, Sequence[ClusterState]]) -> Plan:
    """The chosen part of a manifest as a plan. InputError with all faults."""
    plan = build_plan(
        manifest,
        discovered=discovered,
        limit=choice.limit,
        exclude=choice.exclude,
        only_waves=choice.waves,
        cluster_map=choice.cluster_map,
    )
    return replace(plan, exact_values=choice.exact_values)


def check_sources(plan: Plan, saved: Path, manifest: Path) -> None:
    """Raise InputError unless the saved plan was made from this manifest and the files that it names, as they are now.

    Files are compared by content, and by path below the manifest's folder, so that the folder may move.
    """
    again = f"make the plan again with `batch-deployer plan {manifest} --out {saved}`"
    digests = dict(plan.sources)
    if digests.pop("", None) != digest_of(manifest, str(manifest)):
        raise InputError(
            f'{manifest} is not the manifest that {saved} was made from (a manifest named "{clean(plan.name)}"), '
            f"or has changed since; name that manifest, or {again}"
        )
    folder = Folder(manifest)
    for name, digest in digests.items():
        try:
            changed = digest_of(folder.inside(name), folder.shown(name)) != digest
        except ValueError as error:
            raise InputError(f"{error}, which {saved} was made from; {again}") from None
        if changed:
            raise InputError(f"{folder.shown(name)} has changed since {saved} was made; {again}")


def check_trust(plan: Plan, saved: Path, manifest: Manifest, store: SecretStore, environ: Mapping[str, str]) -> None:
    """Raise InputError where a saved plan holds what its manifest could not have brought about.

    A plan is a file that others may have written to. Hosts are checked again when a cloud is logged in to.
    """
    for name, cloud in plan.clouds.items():
        meant = manifest.clouds.get(name)
        if meant is None or _login_of(cloud) != _login_of(meant):
            raise InputError(f"cloud {name!r} of {saved} is not the manifest's; make the plan again with `plan --out`")
    allowed = {(each.namespace, each.name): each.allow_system for each in manifest.releases}
    for spec in dict.fromkeys(each.release for each in plan.deployments):
        place = (spec.namespace, spec.name)
        if place not in allowed:
            raise InputError(
                f"release {spec.qualified_name} of {saved} is not in the manifest; make the plan again with `plan --out`"
            )
        if is_protected(*place) and not allowed[place]:
            raise InputError(
                f"release {spec.qualified_name} of {saved} belongs to the provider, and the manifest does not allow it"
            )
    folders = secret_folders(Path(manifest.file), environ)
    for name, where in required(plan).items():
        kind, _, text = name.partition(":")
        refused = ""
        if kind == "file":
            refused = secret_refusal(Path(text), store.permissions, folders)
        elif is_login(text) and not where.startswith("cloud "):
            refused = f"{text} belongs to this program's own login"
        if refused:
            raise InputError(f"{saved}: {where}: {refused}")


def _login_of(cloud: CloudSpec) -> CloudSpec:
    """A cloud without what does not decide where its credential goes, or differs when its folder moves."""
    return replace(cloud, ca_file=Path(cloud.ca_file).name, limits=Limits())


def read_map(pairs: Sequence[tuple[str, str]], file: Path | None) -> Mapping[str, str]:
    """Replacement clusters of the command line and of a CSV with the header `old,new`. InputError with all faults."""
    mapping: dict[str, str] = {}
    diagnostics: list[Diagnostic] = []

    def put(old: str, new: str, diagnostic: Diagnostic) -> None:
        if mapping.setdefault(old, new) != new:
            diagnostics.append(diagnostic)

    for old, new in pairs:
        put(old, new, Diagnostic(f"--map: {old} is mapped twice"))
    if file is not None:
        for line, row in _rows(file, diagnostics):
            put(row[0], row[1], Diagnostic(f"{row[0]} is mapped twice", file=str(file), line=line))
    if diagnostics:
        raise InputError(diagnostics)
    return mapping


def _rows(file: Path, diagnostics: list[Diagnostic]) -> Sequence[tuple[int, Sequence[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        diagnostics.append(Diagnostic(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=str(file)))
        return ()
    if not rows or rows[0][1] != ["old", "new"]:
        diagnostics.append(Diagnostic("the first line must be `old,new`", file=str(file), line=1))
        return ()
    for line, row in rows[1:]:
        if len(row) != 2 or not all(row):
            diagnostics.append(Diagnostic("write two clusters, old and new, in each line", file=str(file), line=line))
    return [(line, row) for line, row in rows[1:] if len(row) == 2 and all(row)]
