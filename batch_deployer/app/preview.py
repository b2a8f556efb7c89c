"""Looking at what the clouds run, without lock, journal or any write: for `plan`, and before a saved plan is run."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from batch_deployer.app.cloud_apis import Patience, open_apis
from batch_deployer.app.release_memory import ReleaseMemory
from batch_deployer.app.resources import fit_connections
from batch_deployer.app.secrets import SecretStore
from batch_deployer.clock.system import SystemClock
from batch_deployer.engine.context import Ports
from batch_deployer.engine.preview import Preview, Previewer
from batch_deployer.errors import AuthFailed, StalePlan
from batch_deployer.model.events import Event, Warned
from batch_deployer.model.helm_values import plain_digest
from batch_deployer.plan.plan import Plan
from batch_deployer.state.journal.memory import MemoryJournal
from batch_deployer.state.state_dir import StateDir

_MOST = 3
_SHORTEST = 1.0
"""Seconds of patience that are left for a cloud that let us in, at least."""


class WarningList:
    """A listener that tells warnings."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_event(self, event: Event) -> None:
        """Tell it, if it is one."""
        if isinstance(event, Warned):
            self._tell(event.message)


class _Closed:
    """A fence that lets nothing through: a survey writes nothing, whatever happens."""

    trouble = ""

    def may_write(self) -> bool:
        """No."""
        return False

    def missing(self) -> str:
        """Nothing."""
        return ""

    def overtaken(self) -> bool:
        """No: there is nothing to take over."""
        return False


async def preview(plan: Plan, store: SecretStore, state: StateDir, patience: Patience) -> Preview:
    """Observe every cluster of the plan and decide what a run would do. Raises AuthFailed and CloudUnreachable.

    `state`: where it is remembered what earlier runs sent; only read. `patience`: for clouds that do not answer.
    """
    remembered, trouble = ReleaseMemory(state, plan, store).load()
    clock, fence = SystemClock(), _Closed()
    until = clock.monotonic() + patience.seconds
    plan, _ = fit_connections(plan)
    async with open_apis(plan, store=store, clock=clock, fence=fence, patience=patience) as apis:
        left = max(_SHORTEST, until - clock.monotonic())
        settings = replace(plan.settings, retry=replace(plan.settings.retry, give_up_after=left))
        plan = replace(plan, settings=settings)
        ports = Ports(
            apis=apis,
            clock=clock,
            journal=MemoryJournal(),
            fence=fence,
            secrets=store,
            listener=WarningList(patience.tell),
            draw=random.random,
            digest=state.value_digest if remembered else plain_digest,
            remembered=remembered,
        )
        survey = await Previewer(plan, ports).survey()
    if survey.halted:
        raise AuthFailed(survey.halted)
    return replace(survey, warnings=[trouble]) if trouble else survey


def basis(survey: Preview) -> Mapping[str, str]:
    """What a saved plan rests on, by key; nothing where the cluster was not ready."""
    return {key: decision.basis for key, decision in survey.decisions.items() if not decision.deferred}


def check_unchanged(plan: Plan, survey: Preview) -> None:
    """Raise StalePlan when the clouds do not look as they did when the plan was saved."""
    now = basis(survey)
    deferred = {key for key, decision in survey.decisions.items() if decision.deferred}
    moved = [key for key, was in plan.expected.items() if now.get(key) != was and key not in deferred]
    if moved:
        told = "; ".join(f"{key}: was {plan.expected[key]}, is {now.get(key, 'gone')}" for key in moved[:_MOST])
        more = f"; and {len(moved) - _MOST} more" if len(moved) > _MOST else ""
        raise StalePlan(f"the clouds moved since the plan was saved; plan again ({told}{more})")
