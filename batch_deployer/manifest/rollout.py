"""The `rollout:` of a manifest and the settings it overrides."""

from dataclasses import fields, replace
from typing import Any, TypeVar

from batch_deployer.manifest.bounds import MAX_WAVES
from batch_deployer.manifest.context import LoadContext
from batch_deployer.manifest.model import WaveSpec
from batch_deployer.manifest.nodes import Node
from batch_deployer.manifest.schema import ManifestModel, RolloutModel, WaveModel
from batch_deployer.manifest.validation import ValidatedManifest
from batch_deployer.model.selectors import WaveRule
from batch_deployer.settings import GateSettings, Settings

S = TypeVar("S")


def read_waves(checked: ValidatedManifest, context: LoadContext) -> list[WaveSpec]:
    """The waves in order; none when the manifest names none."""
    shape = checked.model.rollout or RolloutModel()
    nodes = checked.tree.at("rollout", "waves").items if checked.model.rollout else []
    if len(nodes) > MAX_WAVES:
        context.report(nodes[MAX_WAVES].location, f"there are {len(nodes):,} waves; a run may have {MAX_WAVES:,}")
        return []
    found: list[WaveSpec] = []
    names: dict[str, int] = {}
    for wave, node in zip(shape.waves or (), nodes, strict=False):
        first = names.setdefault(wave.name, node.location.line)
        if wave.name in {each.rule.name for each in found}:
            context.report(node.at("name").location, f'wave "{wave.name}" is given twice, first on line {first}')
        _check(wave, node, context)
        found.append(_wave(wave, node))
    return found


def _check(wave: WaveModel, node: Node, context: LoadContext) -> None:
    if wave.count is not None and wave.percent is not None:
        context.report(node.keys["percent"], "a wave takes `count` or `percent`, not both")
    if wave.parts is not None and (not wave.spread or wave.count is not None or wave.percent is not None):
        context.report(node.keys["parts"], "`parts` cuts a wave with `spread` and without `count` or `percent`")


def _wave(wave: WaveModel, node: Node) -> WaveSpec:
    rule = WaveRule(
        name=wave.name,
        selector=wave.clusters or (),
        count=wave.count,
        percent=None if wave.percent is None else wave.percent.value,
        spread=wave.spread or "",
        parts=wave.parts or 0,
    )
    return WaveSpec(
        rule=rule,
        max_failures=wave.max_failures,
        max_unreachable=wave.max_unreachable,
        soak=wave.soak or 0.0,
        location=node.location,
    )


def read_gates(model: ManifestModel) -> GateSettings:
    """Failure budgets of the whole run."""
    shape = model.rollout or RolloutModel()
    return _overridden(GateSettings(), shape)


def read_settings(checked: ValidatedManifest, context: LoadContext) -> Settings:
    """Settings with what the manifest overrides."""
    model, base = checked.model, Settings()
    settings = replace(
        base,
        retry=_overridden(base.retry, model.retry),
        poll=_overridden(base.poll, model.poll),
        reconcile=_overridden(base.reconcile, model.reconcile),
        deadline=model.deadline,
    )
    for part, low, high in (("poll", "min_interval", "max_interval"), ("retry", "base", "cap")):
        group = getattr(settings, part)
        if getattr(group, low) > getattr(group, high):
            given = high if getattr(getattr(model, part), high) is not None else low
            problem = f"`{low}` ({getattr(group, low):g} s) must not exceed `{high}` ({getattr(group, high):g} s)"
            context.report(checked.tree.at(part, given).location, problem)
    return settings


def _overridden(base: S, shape: Any) -> S:
    """`base` with what `shape` sets of its fields."""
    if shape is None:
        return base
    given = {each.name: getattr(shape, each.name, None) for each in fields(base)}  # type: ignore[arg-type]
    return replace(base, **{name: value for name, value in given.items() if value is not None})  # type: ignore[type-var]
