"""Plans on the command line: choosing them, showing them, asking about them."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from batch_deployer.app.cloud_apis import Patience
from batch_deployer.app.load_plan import Choice, check_sources, check_trust, load_plan, read_map
from batch_deployer.app.secrets import SecretStore
from batch_deployer.cli.error_handler import echo
from batch_deployer.cli.terminal import Terminal, width
from batch_deployer.engine.preview import Preview
from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.model.deployment import Action
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.serialization import parse_plan
from batch_deployer.plan.values_diff import Change
from batch_deployer.report.formats.text import table
from batch_deployer.report.lookup import readable
from batch_deployer.settings import Settings
from batch_deployer.util.text import clean

_MOST = 60


def choice_of(options: dict[str, Any]) -> Choice:
    """The options of `chosen_options` as one value."""
    return Choice(
        profile=options["profile"],
        limit=options["limit"],
        exclude=options["exclude"],
        waves=options["waves"],
        cluster_map=read_map(options["maps"], options["map_file"]),
        exact_values=options["exact_values"],
    )


def for_preview(options: dict[str, Any]) -> Callable[[Settings], Patience]:
    """The patience of a command that only looks, by the option --wait."""
    return lambda settings: Patience.for_preview(settings, options["wait"], lambda text: echo(f"warning: {text}"))


def to_run(settings: Settings) -> Patience:
    """The patience of a run before it begins."""
    seconds = settings.retry.give_up_after
    return Patience(seconds=seconds, all_needed=True, tell=lambda text: echo(f"warning: {text}"))


def chosen_plan(
    manifest: Path,
    options: dict[str, Any],
    store: SecretStore,
    patience: Callable[[Settings], Patience] = to_run,
    *,
    simulated: bool = False,
) -> Plan:
    """The saved plan, if one is given, else the manifest's. InputError when both were to choose."""
    saved: Path | None = options["saved"]
    choice = choice_of(options)
    if saved is None:
        return load_plan(manifest, choice, store, os.environ, simulated=simulated, patience=patience)
    if choice != Choice():
        raise InputError(
            "a saved plan is run as it is; choose with --limit and the like when it is made, by `plan --out`"
        )
    try:
        plan = parse_plan(saved.read_text("utf-8"), plan_key())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the saved plan {saved} cannot be read: {why.lower()}") from None
    check_sources(plan, saved, manifest)
    wanted = load(manifest, os.environ, profile=plan.profile or None, permissions=store.permissions)
    check_trust(plan, saved, wanted, store, os.environ)
    return plan


def plan_key() -> str:
    """The key that saved plans are signed with; empty for none. InputError for a variable that is empty."""
    key = os.environ.get("BATCH_DEPLOYER_PLAN_KEY")
    if key is not None and not key.strip():
        raise InputError("BATCH_DEPLOYER_PLAN_KEY is empty; set it to the key of the pipeline, or unset it")
    return key or ""


def show_warnings(plan: Plan) -> None:
    """What whoever reads the plan should know."""
    for warning in plan.warnings:
        echo(f"warning: {clean(warning)}")


def confirm(plan: Plan, survey: Preview, terminal: Terminal) -> None:
    """Show what would be done and ask. Raises Declined unless the answer is yes."""
    warnings = () if sys.stderr.isatty() else (f"warning: {clean(warning)}\n" for warning in plan.warnings)
    terminal.ask("Go ahead?", chain(warnings, as_text(plan, survey)))


def changes(survey: Preview) -> int:
    """Number of deployments that a run would change or wait for."""
    return sum(
        each.action not in (Action.UNCHANGED, Action.BLOCKED) or each.settling for each in survey.decisions.values()
    )


def blocked(survey: Preview) -> int:
    """Number of deployments that a run would reject, so that it would exit with 1."""
    return sum(each.action is Action.BLOCKED and not each.settling for each in survey.decisions.values())


def as_text(plan: Plan, survey: Preview) -> Iterator[str]:
    """What a run would do: each deployment that is not left as it is, with the reason, then the sums."""
    rows = [("action", "deployment", "wave", "why")]
    hidden = 0
    for deployment in plan.deployments:
        decision = survey.decisions[deployment.key]
        if decision.action is Action.UNCHANGED and not decision.note:
            continue
        if len(rows) > _MOST:
            hidden += 1
            continue
        wave = plan.waves[deployment.wave].name
        rows.append((decision.word, clean(readable(deployment)), clean(wave), clean(decision.explanation)))
    if len(rows) > 1:
        yield from table(rows, width())
    if hidden:
        yield f"  and {hidden:,} more; --format json has all\n"
    counts = Counter(decision.word for decision in survey.decisions.values())
    told = ", ".join(f"{count:,} {action}" for action, count in counts.most_common())
    yield f"{plan.name}: {len(plan.deployments):,} deployments: {told}\n"


def as_data(plan: Plan, survey: Preview, changed: Mapping[str, Sequence[Change]]) -> dict[str, Any]:
    """The same as JSON, with every deployment and, for upgrades, each value that changes."""
    counts = Counter(decision.word for decision in survey.decisions.values())
    return {
        "version": 1,
        "name": plan.name,
        "totals": {"deployments": len(plan.deployments), "actions": dict(counts)},
        "warnings": list(plan.warnings),
        "deployments": [
            {
                "key": deployment.key,
                "cluster_name": deployment.cluster.name,
                "cloud": deployment.cluster.cloud,
                "namespace": deployment.release.namespace,
                "name": deployment.release.name,
                "version": deployment.release.version,
                "wave": plan.waves[deployment.wave].name,
                "action": survey.decisions[deployment.key].word,
                "reason": survey.decisions[deployment.key].explanation,
                "status": survey.decisions[deployment.key].status,
                "revision": survey.decisions[deployment.key].revision,
                "extra_values": list(survey.decisions[deployment.key].extra),
                "changes": [
                    {"path": change.path, "shown": change.shown, "wanted": change.wanted}
                    for change in changed.get(deployment.key, ())
                ],
            }
            for deployment in plan.deployments
        ],
    }
