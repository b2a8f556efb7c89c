"""Rolls chart releases out to many Kubernetes clusters through the CCE API.

What is listed in `__all__` is the public API; each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batch_deployer.engine.engine import Engine
    from batch_deployer.engine.result import RunResult
    from batch_deployer.errors import AuthFailed, BatchDeployerError, Diagnostic, InputError
    from batch_deployer.manifest.loader import load as load_manifest
    from batch_deployer.manifest.model import Manifest
    from batch_deployer.model.deployment import Action, Outcome
    from batch_deployer.plan.builder import build_plan
    from batch_deployer.plan.plan import Plan
    from batch_deployer.plan.serialization import dump_plan, parse_plan
    from batch_deployer.settings import Settings

__version__ = "0.2.0"

__all__ = [
    "Action",
    "AuthFailed",
    "BatchDeployerError",
    "Diagnostic",
    "Engine",
    "InputError",
    "Manifest",
    "Outcome",
    "Plan",
    "RunResult",
    "Settings",
    "build_plan",
    "dump_plan",
    "load_manifest",
    "parse_plan",
]

_HOMES = {
    "Action": "model.deployment",
    "AuthFailed": "errors",
    "InputError": "errors",
    "BatchDeployerError": "errors",
    "RunResult": "engine.result",
    "Engine": "engine.engine",
    "Diagnostic": "errors",
    "Manifest": "manifest.model",
    "Outcome": "model.deployment",
    "Plan": "plan.plan",
    "Settings": "settings",
    "build_plan": "plan.builder",
    "dump_plan": "plan.serialization",
    "load_manifest": "manifest.loader:load",
    "parse_plan": "plan.serialization",
}


def __getattr__(name: str) -> Any:
    """Load a public name."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, other = home.partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), other or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What there is."""
    return sorted({*globals(), *__all__})
