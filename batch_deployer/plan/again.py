"""The plan that tries part of an earlier run again. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deployment, Outcome
from batch_deployer.plan.frozen import Plan


@dataclass(frozen=True, slots=True)
class _Fates:
    """How a journal leaves its deployments."""

    outcomes: Mapping[str, Outcome]
    under_way: frozenset[str]
    """Without an outcome, and something of it may be in the cloud."""


def _fates(events: Iterable[e.Event]) -> _Fates:
    outcomes: dict[str, Outcome] = {}
    under_way: set[str] = set()
    executed: set[str] = set()
    for event in events:
        match event:
            case e.Finished():
                outcomes[event.key] = event.outcome
                under_way.discard(event.key)
            case e.Intended() | e.Confirmed() | e.Accepted():
                outcomes.pop(event.key, None)
                under_way.add(event.key)
                if not isinstance(event, e.Intended):
                    executed.add(event.key)
            case e.Refused() | e.Missing() if event.key not in executed:
                under_way.discard(event.key)
            case _:
                pass
    return _Fates(outcomes, frozenset(under_way))


def again(plan: Plan, events: Iterable[e.Event], *, failed: bool, not_started: bool) -> Plan:
    """Just those deployments of an ended run that failed (in any way) or were not started, in the same waves.

    Those whose writes were all refused were not started. Those whose fate is open (the run was killed meanwhile) are in
    neither: `resume` is for them.
    """
    fates = _fates(events)

    def wanted(deployment: Deployment) -> bool:
        if deployment.key in fates.under_way:
            return False
        outcome = fates.outcomes.get(deployment.key, Outcome.NOT_STARTED)
        return not_started if outcome is Outcome.NOT_STARTED else failed and not deployment.satisfied_by(outcome)

    return replace(plan, deployments=tuple(each for each in plan.deployments if wanted(each)), expected={})


def open_keys(plan: Plan, events: Iterable[e.Event]) -> Sequence[str]:
    """Deployments without an outcome that may be under way in the cloud, in plan order."""
    under_way = _fates(events).under_way
    return tuple(each.key for each in plan.deployments if each.key in under_way)
