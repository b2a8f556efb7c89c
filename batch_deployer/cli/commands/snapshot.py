"""`snapshot`: what runs now, as a manifest that would bring it about again."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.options import FILE, FOLDER, examples, permission_options, wait_option
from batch_deployer.model.permissions import NO_PERMISSIONS, Permissions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batch_deployer.app.secrets import SecretStore
    from batch_deployer.plan.plan import CloudSpec


@click.command(
    "snapshot",
    short_help="Write a manifest of what runs now.",
    epilog=examples(
        "snapshot otc-prod --output backup/", "snapshot otc-de otc-nl --manifest nightly.yaml --output backup/"
    ),
)
@click.argument("clouds", metavar="CLOUD...", nargs=-1, required=True)
@click.option("--manifest", type=FILE, help="Take the clouds from this manifest instead of clouds.yaml.")
@click.option("--output", type=FOLDER, required=True, help="Folder for the manifest; it must not hold one yet.")
@wait_option
@permission_options
@click.pass_obj
def command(session: Session, clouds: tuple[str, ...], manifest: Path | None, output: Path, wait: float | None) -> int:
    """Write a manifest of everything that runs in each CLOUD: one list per cluster, nothing is changed.

    Each CLOUD is an entry of clouds.yaml, or a cloud of the manifest given. Values that the cloud masks become secrets
    that must be supplied before the snapshot can be used; the file says which. Secrets that the manifest names
    are named in the snapshot too; any other value is written as the cloud shows it. Where nothing runs, no file is
    written, and the command says so.
    """
    from batch_deployer.app.cloud_apis import Patience
    from batch_deployer.app.cluster_reading import read_cluster
    from batch_deployer.app.runtime import run_in_loop
    from batch_deployer.cli.launch import open_store
    from batch_deployer.errors import InputError
    from batch_deployer.manifest.export import take_down, to_yaml
    from batch_deployer.report.files import try_folder, write_whole
    from batch_deployer.settings import Settings
    from batch_deployer.util.text import clean

    target = output / "manifest.yaml"
    if target.exists():
        raise InputError(f"{target} is there already; choose another --output, a snapshot never overwrites one")
    made = not output.exists()
    try_folder(output)
    store = open_store(session)
    specs = _specs(clouds, manifest, store)
    patience = Patience.for_preview(Settings(), wait, lambda text: echo(f"warning: {text}"))
    found = run_in_loop(lambda: read_cluster(specs, store, patience))
    now = datetime.now(UTC)
    snapshot = take_down(f"snapshot-{now:%Y%m%d-%H%M%S}", found, _secrets(manifest, store))
    folders = _secret_folders(snapshot.manifest, target)
    snapshot.notes += [f"secret files lie in {each}; use this file with --allow-secrets {each}" for each in folders]
    if snapshot.releases:
        write_whole(target, [to_yaml(snapshot, f"{now:%Y-%m-%d %H:%M:%S}Z")])
    elif made:
        with suppress(OSError):
            output.rmdir()
    for note in snapshot.notes:
        echo(f"note: {clean(note)}")
    for line in snapshot.masked:
        echo(f"masked, to be supplied in the environment: {clean(line)}")
    left_out = f", {snapshot.left_out} left out" if snapshot.left_out else ""
    code = 1 if snapshot.left_out or any(one.unread for one in found) else 0
    if not snapshot.releases:
        echo(
            f"there is nothing to save: 0 releases on {snapshot.clusters} clusters of {', '.join(clouds)}{left_out}; "
            f"{target} was not written"
        )
        return code
    echo(f"{target}: {snapshot.releases} releases on {snapshot.clusters} clusters{left_out}")
    _check_loads(target, snapshot.masked, folders)
    return code


def _secret_folders(manifest: "Mapping[str, Any]", target: Path) -> "list[str]":
    """The folders of secret files that only the manifest of the clouds could read."""
    from batch_deployer.manifest.folder import secret_folders, secret_refusal
    from batch_deployer.model.helm_values import secret_names

    text = json.dumps(manifest, ensure_ascii=False)
    files = [Path(name.removeprefix("file:")) for name in secret_names(text) if name.startswith("file:")]
    folders = secret_folders(target, os.environ)
    return sorted({str(path.resolve().parent) for path in files if secret_refusal(path, NO_PERMISSIONS, folders)})


def _check_loads(target: Path, masked: "Sequence[str]", folders: "Sequence[str]") -> None:
    """Read the file back: a backup that cannot be loaded is none. InputError says why."""
    from batch_deployer.manifest.loader import load

    supplied = {line.partition("  ")[0]: "supplied" for line in masked}
    load(target, {**os.environ, **supplied}, permissions=Permissions(secret_folders=tuple(folders)))


def _secrets(manifest: Path | None, store: "SecretStore") -> "Mapping[str, str]":
    """The secrets that the manifest names, as far as they are there, by name."""
    from batch_deployer.app.secrets import named_in
    from batch_deployer.errors import InputError
    from batch_deployer.manifest.loader import load

    if manifest is not None:
        for name in named_in(load(manifest, os.environ, permissions=store.permissions)):
            with suppress(InputError):
                store(name)
    return store.resolved()


def _specs(clouds: "Sequence[str]", manifest: Path | None, store: "SecretStore") -> "Mapping[str, CloudSpec]":
    """The clouds by name. InputError when the manifest has none of a name."""
    from batch_deployer.errors import InputError
    from batch_deployer.plan.plan import AuthSpec, CloudSpec

    if manifest is None:
        return {name: CloudSpec(name=name, auth=AuthSpec(method="clouds", options={"cloud": name})) for name in clouds}
    from batch_deployer.manifest.loader import load

    known = load(manifest, os.environ, permissions=store.permissions).clouds
    unknown = [name for name in clouds if name not in known]
    if unknown:
        raise InputError(f"{manifest} has no cloud {', '.join(unknown)}; it has {', '.join(known)}")
    return {name: known[name] for name in clouds}
