"""The plan that tries part of an earlier run again. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral, Deployment, Outcome
from batch_deployer.plan.plan import Plan, budget_totals
from batch_deployer.plan.rollback import bind


@dataclass(frozen=True, slots=True)
class _FinalStates:
    """How a journal leaves its deployments."""

    outcomes: Mapping[str, Outcome]
    under_way: frozenset[str]
    """Without an outcome, and something of it may be in the cloud."""
    deferred: frozenset[str]
    """Without an outcome, and set aside."""
    written: Mapping[str, e.Finished]
    """Ends of those whose write took effect."""


def _final_states(events: Iterable[e.Event]) -> _FinalStates:
    outcomes: dict[str, Outcome] = {}
    under_way: set[str] = set()
    deferred: set[str] = set()
    executed: set[str] = set()
    written: dict[str, e.Finished] = {}
    for event in events:
        match event:
            case e.Finished():
                outcomes[event.key] = event.outcome
                under_way.discard(event.key)
                deferred.discard(event.key)
                if event.key in executed:
                    written[event.key] = event
            case e.Intended() | e.Confirmed() | e.Accepted():
                outcomes.pop(event.key, None)
                under_way.add(event.key)
                if not isinstance(event, e.Intended):
                    executed.add(event.key)
            case e.Deferred() if event.cause is not Deferral.CLOUD:
                deferred.add(event.key)
            case e.Deferred() | e.Requeued():
                deferred.discard(event.key)
            case e.Refused() | e.Missing() if event.key not in executed:
                under_way.discard(event.key)
            case _:
                pass
    return _FinalStates(outcomes, frozenset(under_way), frozenset(deferred), written)


def plan_retry(
    plan: Plan,
    events: Iterable[e.Event],
    *,
    failed: bool = False,
    not_started: bool = False,
    deferred: bool = False,
    without: Container[str] = (),
) -> Plan:
    """Just those deployments of an ended run that failed (in any way), were not started or deferred, in the same waves.

    Percentages of budgets are still taken of the whole run. Those whose writes were all refused were not started. Those
    whose fate is open (the run was killed meanwhile) are in neither: `resume` is for them. `without`: keys to leave out.
    """
    fates = _final_states(events)

    def wanted(deployment: Deployment) -> bool:
        if deployment.key in fates.under_way or deployment.key in without:
            return False
        left = Outcome.DEFERRED if deployment.key in fates.deferred else Outcome.NOT_STARTED
        outcome = fates.outcomes.get(deployment.key, left)
        if outcome in (Outcome.NOT_STARTED, Outcome.DEFERRED):
            return not_started if outcome is Outcome.NOT_STARTED else deferred
        return failed and not deployment.satisfied_by(outcome)

    chosen = (each for each in plan.deployments if wanted(each))
    deployments = tuple(_since(each, fates.written.get(each.key)) for each in chosen)
    return replace(plan, deployments=deployments, totals=budget_totals(plan), expected={})


def _since(deployment: Deployment, end: e.Finished | None) -> Deployment:
    """A rollback that is tried again is bound to what its own last write left behind."""
    if deployment.undo is None or end is None:
        return deployment
    return replace(deployment, undo=bind(deployment.undo, end.confirmed, end.fingerprint))


def touched(events: Iterable[e.Event]) -> frozenset[str]:
    """Deployments of which a write may have taken effect: all that were sent and not known to have been refused."""
    sent: set[str] = set()
    executed: set[str] = set()
    for event in events:
        match event:
            case e.Intended():
                sent.add(event.key)
            case e.Accepted() | e.Confirmed():
                executed.add(event.key)
            case e.Refused() | e.Missing():
                sent.discard(event.key)
            case _:
                pass
    return frozenset(sent | executed)


def unfinished(plan: Plan, events: Iterable[e.Event]) -> frozenset[str]:
    """Deployments without an outcome: those that `resume` goes on with."""
    outcomes = _final_states(events).outcomes
    return frozenset(each.key for each in plan.deployments if each.key not in outcomes)


def open_keys(plan: Plan, events: Iterable[e.Event]) -> Sequence[str]:
    """Deployments without an outcome that may be under way in the cloud, in plan order."""
    under_way = _final_states(events).under_way
    return tuple(each.key for each in plan.deployments if each.key in under_way)
