"""What `plan` adds to its list of actions: the values that change, what it will cost, and how long it will take."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from batch_deployer.engine.preview import Preview
from batch_deployer.model.deployment import Action
from batch_deployer.model.helm_values import render
from batch_deployer.plan.estimate import Estimate, estimate
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.values_diff import Change, from_texts, with_sent, without_values
from batch_deployer.util.text import clean, span

_NAMED = 3
_GROUPS = 20
_LINES = 12


def value_changes(
    plan: Plan, survey: Preview, secret: Callable[[str], str], *, values: bool
) -> Mapping[str, Sequence[Change]]:
    """The changes of each upgrade, by key; deployments whose values stay are left out. Without `values`: paths only."""
    found = {}
    for deployment in plan.deployments:
        state = survey.states.get(deployment.key)
        if state is None or survey.decisions[deployment.key].action is not Action.UPGRADE:
            continue
        template, decision = deployment.release.values_json, survey.decisions[deployment.key]
        wanted = render(template, secret)
        changed = from_texts(state.values_json, wanted, template)
        changed = with_sent(changed, state.values_json, template, decision.changed, decision.removed)
        if changed:
            found[deployment.key] = changed if values else without_values(changed)
    return found


def changes_text(plan: Plan, found: Mapping[str, Sequence[Change]]) -> Iterator[str]:
    """The changes, told once for all clusters on which they are the same."""
    groups: dict[tuple[str, tuple[Change, ...]], list[str]] = {}
    for deployment in plan.deployments:
        if deployment.key in found:
            group = (deployment.release.label, tuple(found[deployment.key]))
            groups.setdefault(group, []).append(deployment.cluster.name)
    for (release, changed), clusters in list(groups.items())[:_GROUPS]:
        named = ", ".join(clusters[:_NAMED]) + (
            f" and {len(clusters) - _NAMED:,} more" if len(clusters) > _NAMED else ""
        )
        yield f"values of {clean(release)} on {clean(named)}:\n"
        for change in changed[:_LINES]:
            yield f"  {clean(str(change))}\n"
        if len(changed) > _LINES:
            yield f"  and {len(changed) - _LINES:,} more; --format json has all\n"
    if len(groups) > _GROUPS:
        yield f"and {len(groups) - _GROUPS:,} more sets of changed values; --format json has all\n"


def extra_values_text(plan: Plan, survey: Preview) -> Iterator[str]:
    """The values that clouds show and the manifest does not name, told once for all clusters where they are the same."""
    groups: dict[tuple[str, tuple[str, ...]], int] = {}
    for deployment in plan.deployments:
        if extra := survey.decisions[deployment.key].extra:
            group = (deployment.release.label, extra)
            groups[group] = groups.get(group, 0) + 1
    for (release, extra), clusters in list(groups.items())[:_GROUPS]:
        named = ", ".join(extra[:_LINES]) + (f" and {len(extra) - _LINES:,} more" if len(extra) > _LINES else "")
        where = f"{clusters:,} clusters show" if clusters > 1 else "a cluster shows"
        yield clean(f"{release}: {where} values that the manifest does not name: {named}") + "\n"
    if groups:
        yield "these values are kept; --exact-values removes them\n"


def plan_summary(plan: Plan, survey: Preview, durations: Mapping[str, Sequence[float]]) -> Estimate:
    """Cost and duration of what the survey found to do."""
    return estimate(plan, {key: decision.action for key, decision in survey.decisions.items()}, durations)


def plan_summary_text(cast: Estimate) -> Iterator[str]:
    """The forecast for people."""
    if not cast.bottleneck:
        return
    calls = ", ".join(f"{number:,} {kind}" for kind, number in sorted(cast.calls.items()))
    yield f"takes about {span(cast.seconds)}, limited by {cast.bottleneck}\n"
    yield f"costs about {sum(cast.calls.values()):,} API calls ({calls})\n"
    if cast.guessed:
        more = f" and {len(cast.guessed) - _NAMED} more" if len(cast.guessed) > _NAMED else ""
        yield f"install times are guessed for {clean(', '.join(cast.guessed[:_NAMED]))}{more}: no run has seen them yet\n"


def plan_summary_data(cast: Estimate) -> dict[str, Any]:
    """The forecast as JSON."""
    return {
        "seconds": round(cast.seconds, 1),
        "bottleneck": cast.bottleneck,
        "calls": dict(cast.calls),
        "guessed_install_times": list(cast.guessed),
    }
