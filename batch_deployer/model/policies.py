"""What a release may ask for, and how its parameters add up."""

from collections.abc import Mapping
from typing import Any

from batch_deployer.model.deployment import OnExisting, Parameters


def danger(parameters: Parameters, on_existing: OnExisting, *, is_system: bool, allowed: bool) -> str:
    """What is wrong with a destructive wish, or an empty string."""
    flags = [word for word in ("replace", "recreate") if getattr(parameters, word)]
    wishes = [f"`{word}: true`" for word in flags] + (["`on_existing: replace`"] if on_existing == "replace" else [])
    if wishes and is_system:
        return f"{wishes[0]} is never allowed in kube-system or for cceaddon-*"
    if wishes and not allowed:
        meaning = "; the platforms disagree on whether it keeps or destroys what runs" if flags else ""
        return f"{wishes[0]} needs `allow_destructive: true`{meaning}"
    return ""


def merged_parameters(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win; what is None or an empty template is not sent."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= layer
    return {name: value for name, value in merged.items() if value is not None and value != ""}
