"""`check`: whether the clouds are ready for a run."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from batch_deployer.cli.context import Session
from batch_deployer.cli.options import (
    NamedOption,
    chosen_options,
    examples,
    manifest_argument,
    permission_options,
    wait_option,
)
from batch_deployer.util.text import clean

if TYPE_CHECKING:
    from batch_deployer.model.api import ClusterState
    from batch_deployer.plan.plan import Plan

_MAX_NAMES = 30
"""Clusters of one phase that are shown by name."""
_MAX_CELL = 24
"""Characters of a column that is not wrapped."""


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
    from batch_deployer.app.load_plan import plan_of
    from batch_deployer.app.preflight import check_clouds, worst
    from batch_deployer.app.runtime import run_in_loop
    from batch_deployer.app.secrets import resolve_all
    from batch_deployer.cli.launch import open_store
    from batch_deployer.cli.plan_output import choice_of, for_preview, show_warnings
    from batch_deployer.cli.terminal import show, width
    from batch_deployer.manifest.loader import load

    store, choice = open_store(session), choice_of(options)
    wanted = load(manifest, os.environ, profile=choice.profile, permissions=store.permissions)

    def plan(shown: "Mapping[str, Sequence[ClusterState]]") -> "Plan":
        made = plan_of(wanted, choice, shown)
        show_warnings(made)
        resolve_all(made, store)
        return made

    # Without `discover` all is known at once, so that bad input is found before anything is sent.
    known = None if wanted.discover else plan({})
    patience = for_preview(options)(wanted.settings)
    checks = run_in_loop(lambda: check_clouds(wanted, lambda shown: known or plan(shown), store, patience))
    code = worst(*(each.exit_code for each in checks))
    # Each text by itself: within a document what surrounds a secret could be hidden with it.
    clouds: Any = store.redactor.value([dataclasses.asdict(each) for each in checks])
    data = {"version": 1, "name": wanted.name, "exit_code": code, "clouds": clouds}
    if options["kind"] == "json":
        show([json.dumps(data, indent=2, ensure_ascii=False), "\n"])
    else:
        show(_as_text(data, width()))
    return code


def _as_text(data: dict[str, Any], width: int) -> Iterator[str]:
    """A row per cloud, then its settings, its clusters by phase, and its problems."""
    from batch_deployer.report.formats.text import table

    clouds = data["clouds"]
    rows = [("cloud", "result", "token ends", "clock", "clusters", "charts", "releases")]
    yield from table([*rows, *map(_summary, clouds)], width)
    settings = [(each["cloud"], *row) for each in clouds for row in _settings(each)]
    yield from _wrapped([("cloud", "setting", "value"), *settings], width)
    phases = [(each["cloud"], *row) for each in clouds for row in _phases(each["clusters"])]
    yield from _wrapped([("cloud", "phase", "clusters"), *phases], width)
    problems = [(each["cloud"], text) for each in clouds for text in each["problems"]]
    yield from _wrapped([("cloud", "problem"), *problems], width)
    yield f"\n{data['name']}: {'not ready' if data['exit_code'] else 'ready'}, exit code {data['exit_code']}\n"


def _summary(found: dict[str, Any]) -> tuple[str, ...]:
    from batch_deployer.rules.cluster_phase import Readiness, readiness

    read = {True: "readable", False: "unreadable", None: "-"}
    kinds = {kind: read[found["readable"].get(kind)] for kind in ("clusters", "charts", "releases")}
    ready = [readiness(phase) is Readiness.READY for phase in found["clusters"].values()]
    skew = found["clock_skew"]
    return (
        found["cloud"],
        "not ready" if found["exit_code"] else "ready",
        found["token_expires"] or "-",
        "-" if skew is None else f"{skew:+.1f} s",
        f"{sum(ready)} of {len(ready)}" if ready else kinds["clusters"],
        f"{sum(found['charts'].values())} of {len(found['charts'])}" if found["charts"] else kinds["charts"],
        kinds["releases"],
    )


def _settings(found: dict[str, Any]) -> list[tuple[str, str]]:
    names = ("endpoint", "auth_url", "region", "project", "project_id", "user")
    rows = [(name.replace("_", " "), found[name]) for name in names]
    rows += [
        ("read from", ", ".join(found["config_files"])),
        ("proxy", found["proxy"] or "none"),
        ("TLS", found["tls"]),
    ]
    rows.append(("limits", ", ".join(f"{name} {value}" for name, value in found["limits"].items())))
    return [(name, value) for name, value in rows if value]


def _phases(clusters: dict[str, str]) -> list[tuple[str, str]]:
    """Each phase with the names of its clusters, cut where they are many."""
    names: dict[str, list[str]] = {}
    for name, phase in clusters.items():
        names.setdefault(phase or "unknown", []).append(name)
    rows = []
    for phase, found in names.items():
        left = len(found) - _MAX_NAMES
        more = f", and {left:,} more (--format json shows all)" if left > 0 else ""
        rows.append((phase, f"{len(found):,}: {', '.join(found[:_MAX_NAMES])}{more}"))
    return rows


def _wrapped(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Aligned columns below a blank line; the last one is wrapped, a repeated cloud is left out. Nothing for a mere heading."""
    from batch_deployer.report.formats.text import fit

    if len(rows) < 2:
        return
    yield "\n"
    texts = [[clean(cell) for cell in row] for row in rows]
    widths = [min(_MAX_CELL, max(len(row[column]) for row in texts)) for column in range(len(texts[0]) - 1)]
    indent = 2 + sum(widths) + 2 * len(widths)
    before = ""
    for cloud, *cells in texts:
        starts = ["" if cloud == before else cloud, *cells[:-1]]
        before = cloud
        start = "  ".join(fit(cell, size).ljust(size) for cell, size in zip(starts, widths, strict=True))
        lines = wrap(cells[-1], max(20, width - indent), break_on_hyphens=False) or [""]
        yield f"  {start}  {lines[0]}\n"
        yield from (f"{'':{indent}}{line}\n" for line in lines[1:])
