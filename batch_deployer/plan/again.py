"""The plan that tries part of an earlier run again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deployment, Outcome
from batch_deployer.plan.frozen import Plan


def again(plan: Plan, events: Iterable[e.Event], *, failed: bool, not_started: bool) -> Plan:
    """Just those deployments of an ended run that failed (in any way) or were not started, in the same waves.

    Those whose fate is open (the run was killed meanwhile) are in neither: `resume` is for them.
    """
    outcomes: dict[str, Outcome] = {}
    open_fate: set[str] = set()
    for event in events:
        if isinstance(event, e.Finished):
            outcomes[event.key] = event.outcome
            open_fate.discard(event.key)
        elif isinstance(event, e.Intended | e.Confirmed):
            outcomes.pop(event.key, None)
            open_fate.add(event.key)

    def wanted(deployment: Deployment) -> bool:
        if deployment.key in open_fate:
            return False
        outcome = outcomes.get(deployment.key, Outcome.NOT_STARTED)
        return not_started if outcome is Outcome.NOT_STARTED else failed and not deployment.satisfied_by(outcome)

    return replace(plan, deployments=tuple(each for each in plan.deployments if wanted(each)), expected={})


def open_keys(plan: Plan, events: Iterable[e.Event]) -> Sequence[str]:
    """Deployments without an outcome that may be under way in the cloud, in plan order."""
    under_way: set[str] = set()
    for event in events:
        if isinstance(event, e.Finished | e.Refused | e.Missing):
            under_way.discard(event.key)
        elif isinstance(event, e.Intended | e.Confirmed):
            under_way.add(event.key)
    return tuple(each.key for each in plan.deployments if each.key in under_way)
