"""`check`: whether the clouds are ready for a run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from batch_deployer.cli.options import (
    NamedOption,
    chosen_options,
    examples,
    manifest_argument,
    permission_options,
    wait_option,
)
from batch_deployer.cli.session import Session


@click.command(
    "check",
    short_help="Check logins, permissions and clusters before a run.",
    epilog=examples("check manifest.yaml", "check manifest.yaml --format json", title="Examples"),
)
@manifest_argument
@chosen_options
@click.option(
    "--format",
    "kind",
    cls=NamedOption,
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@wait_option
@permission_options
@click.pass_obj
def command(session: Session, /, manifest: Path, **options: Any) -> int:
    """Log in at every cloud of MANIFEST and read what a run needs; nothing is written.

    Exits with 0 when nothing stands in the way of a run, 5 when a login or a permission is refused, 2 for bad settings,
    and 1 for anything else: a cloud that does not answer, a chart or cluster that is not there or not ready.
    """
    from batch_deployer.cli.console import show
    from batch_deployer.cli.launch import open_store
    from batch_deployer.cli.planning import chosen_plan, show_warnings, to_look
    from batch_deployer.compose.checking import check_clouds, worst
    from batch_deployer.compose.loop import run_in_loop
    from batch_deployer.compose.secrets import resolve_all
    from batch_deployer.model.text import clean

    store = open_store(session)
    patience = to_look(options)
    plan = chosen_plan(manifest, options | {"saved": None}, store, patience)
    show_warnings(plan)
    resolve_all(plan, store)
    checks = run_in_loop(lambda: check_clouds(plan, store, patience(plan.settings)))
    code = worst(*(each.exit_code for each in checks))
    # Each text by itself: within a document what surrounds a secret could be hidden with it.
    clouds: Any = store.redactor.value([dataclasses.asdict(each) for each in checks])
    if options["kind"] == "json":
        data = {
            "version": 1,
            "name": plan.name,
            "exit_code": code,
            "clouds": clouds,
        }
        show([json.dumps(data, indent=2, ensure_ascii=False), "\n"])
        return code
    for each in clouds:
        rows = [(name, text) for name, text in _rows(each) if text]
        show([f"cloud {each['cloud']}\n", *(f"  {name:<14}{clean(text)}\n" for name, text in rows)])
    show([f"{plan.name}: {'ready' if not code else 'not ready'}, exit code {code}\n"])
    return code


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    plain = ("endpoint", "auth_url", "region", "project", "project_id", "user", "token_expires")
    rows = [(name.replace("_", " "), found[name]) for name in plain]
    if found["clock_skew"] is not None:
        rows.append(("clock skew", f"{found['clock_skew']:+.1f} s"))
    rows.append(("read", ", ".join(found["config_files"])))
    rows += [("proxy", found["proxy"] or "none"), ("TLS", found["tls"])]
    rows.append(("limits", ", ".join(f"{name} {value}" for name, value in found["limits"].items())))
    rows.append(("readable", ", ".join(f"{name} {'yes' if ok else 'no'}" for name, ok in found["readable"].items())))
    rows += [("cluster", f"{name}: {phase or 'phase unknown'}") for name, phase in found["clusters"].items()]
    return rows + [("problem", text) for text in found["problems"]]
