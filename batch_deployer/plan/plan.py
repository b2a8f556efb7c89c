"""The values of a frozen plan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch_deployer.model.cloud import AuthSpec, CloudSpec
from batch_deployer.model.deployment import Deployment
from batch_deployer.settings import GateSettings, IntOrPercent, Settings

__all__ = ["AuthSpec", "CloudSpec", "Plan", "Wave", "budget_totals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """An ordered group of deployments with a gate after it."""

    name: str
    max_failures: IntOrPercent | None = None
    """None: only the run's budget applies."""
    max_unreachable: IntOrPercent | None = None
    """Of the wave's unreachable deployments; None: they count as failures."""
    soak: float = 0.0
    """Seconds to wait after the wave's last deployment ended before the gate is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one run is to bring about."""

    name: str
    """The manifest's name; also the name of the run lock."""
    clouds: Mapping[str, CloudSpec]
    deployments: Sequence[Deployment]
    """In plan order: manifest order, unique keys."""
    waves: Sequence[Wave] = (Wave(name="all"),)
    gates: GateSettings = GateSettings()
    release_budgets: Mapping[str, IntOrPercent] = field(default_factory=dict)
    """Release name to its own max_failures."""
    settings: Settings = Settings()
    expected: Mapping[str, str] = field(default_factory=dict)
    """Key to `action revision updated_at` as a saved plan observed it; empty for a plan that was not saved."""
    warnings: Sequence[str] = ()
    """What whoever reads the plan should know, one sentence each: a wave without clusters, a need left out."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Deployments that percentages of budgets are taken of, by scope (`run`, `wave 0`, `release web`); empty: this plan's."""
    exact_values: bool = False
    """Whether a value that a cloud shows and nobody wants is a difference."""
    profile: str = ""
    """The manifest's profile that was applied."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the plan was made from, by path below the manifest's folder; `""` is the manifest."""


def budget_totals(plan: Plan) -> Mapping[str, int]:
    """Deployments that percentages of the plan's budgets are taken of, by scope."""
    if plan.totals:
        return plan.totals
    found: Counter[str] = Counter()
    for each in plan.deployments:
        found.update(("run", f"wave {each.wave}", f"release {each.release.label}"))
    return dict(found)
