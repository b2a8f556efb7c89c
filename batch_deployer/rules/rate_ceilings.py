"""Ceilings of the rates that a manifest may ask for: calls cost the whole project, not the manifest's author."""

from batch_deployer.model.permissions import Permissions, is_on_loopback
from batch_deployer.settings import Limits, Rate

DEFAULTS = {"writes": Rate(60, 60.0), "reads": Rate(50, 1.0)}
"""Several times what the provider was seen to let through."""


def rate_problem(limits: Limits, url: str, permissions: Permissions) -> str:
    """Why a cloud at this URL may not be called at the rates of its limits; empty when it may."""
    for name, wanted, allowed in (
        ("writes", limits.writes, permissions.max_writes),
        ("reads", limits.reads, permissions.max_reads),
    ):
        if not allowed and is_on_loopback(url):
            continue
        most = Rate.parse(allowed) if allowed else DEFAULTS[name]
        if wanted.within(most.period) > most.count:
            return (
                f"limits: {name}: {wanted} is more than {most}, and calls cost the whole project; "
                f"lower it, or allow more with --max-{name} {wanted}"
            )
    return ""
