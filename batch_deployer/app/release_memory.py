"""What runs of one state folder remember of the releases that they wrote: keyed digests, no values."""

from collections.abc import Callable, Mapping

from batch_deployer.errors import BatchDeployerError, JournalError
from batch_deployer.model import events as e
from batch_deployer.model.deployment import ConfirmedState, Operation, Outcome, Remembered
from batch_deployer.model.helm_values import render_values
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Secrets
from batch_deployer.rules.unchanged import leaf_digests, whole_digest
from batch_deployer.state.state_dir import StateDir

_SENDS = (Operation.CREATE, Operation.UPGRADE)


class ReleaseMemory:
    """A listener that gathers what a run sent and how it was confirmed, to be kept at the end."""

    def __init__(self, state: StateDir, plan: Plan, secrets: Secrets) -> None:
        self._state = state
        self._plan = plan
        self._secrets = secrets
        self._sent: dict[str, str] = {}
        """Key to the digest of the values that were sent last; empty after another operation."""
        self._confirmed: dict[str, ConfirmedState] = {}

    def load(self) -> tuple[Mapping[str, Remembered], str]:
        """What earlier runs remember of the plan's releases, and why it cannot be read, if so."""
        if not self._state.value_digest.exists():
            return {}, ""
        try:
            known = self._state.shared.remembered()
        except JournalError as error:
            return {}, f"what was sent last is not known, so releases are compared with what is shown: {error}"
        return {each.key: known[each.key] for each in self._plan.deployments if each.key in known}, ""

    def on_event(self, event: e.Event) -> None:
        """Gather."""
        match event:
            case e.Intended():
                self._sent[event.key] = event.values if event.operation in _SENDS else ""
                self._confirmed.pop(event.key, None)
            case e.Finished(outcome=Outcome.DEPLOYED) if event.confirmed is not None and self._sent.get(event.key):
                self._confirmed[event.key] = event.confirmed

    def keep(self) -> str:
        """Keep it for the next run; returns why it could not be kept, if so."""
        if not self._sent:
            return ""
        try:
            known = self._known_values(self._state.value_digest)
            kept = {key: (state, self._sent[key]) for key, state in self._confirmed.items() if self._sent[key] in known}
            self._state.shared.remember(kept, known, forget=self._sent.keys() - kept.keys())
        except BatchDeployerError as error:
            return f"what was sent is not kept for the next run: {error}"
        return ""

    def _known_values(self, digest: Callable[[str], str]) -> dict[str, dict[str, str]]:
        """Digests by path of all values that the plan may have sent, by the digest of the whole."""
        known = {}
        for values_json in {each.release.values_json for each in self._plan.deployments if each.key in self._confirmed}:
            values = render_values(values_json, self._secrets)
            known[whole_digest(values, digest)] = leaf_digests(values, digest)
        return known
