"""Asking clouds for their clusters, where a manifest says `discover`: one list per cloud, tags only where they are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from batch_deployer.app.cloud_apis import IMPATIENT, Patience, open_apis
from batch_deployer.app.secrets import SecretStore
from batch_deployer.clock.system import SystemClock
from batch_deployer.errors import AuthFailed, BatchDeployerError, CloudUnreachable
from batch_deployer.manifest.model import Manifest
from batch_deployer.model.api import UNTRUSTED, Answer, Body, ClusterState, ClusterTags, ListClusters, Read
from batch_deployer.plan.plan import Plan
from batch_deployer.ports import Api, Clock
from batch_deployer.rules.responses import Verdict, describe, judge, named_wait, throttle_wait
from batch_deployer.util.text import span

_TRIES = 5
_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_AGAIN = (Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.LOCKED)


async def discover(manifest: Manifest, store: SecretStore, patience: Patience) -> Mapping[str, Sequence[ClusterState]]:
    """All clusters of each cloud that the manifest asks, with their tags where a question is about tags.

    Raises AuthFailed, CloudUnreachable, or BatchDeployerError with the cloud's own words.
    """
    clouds = {question.cloud: manifest.clouds[question.cloud] for question in manifest.discover}
    if not clouds:
        return {}
    tagged = {question.cloud for question in manifest.discover if question.selector}
    clock = SystemClock()
    asked = Plan(name=manifest.name, clouds=clouds, deployments=(), settings=manifest.settings)
    found: dict[str, Sequence[ClusterState]] = {}
    async with open_apis(asked, store=store, clock=clock, patience=patience) as apis:
        for name, cloud in clouds.items():
            reader = CloudReader(name, apis[name], clock, pause=1 / cloud.limits.reads.per_second, patience=patience)
            clusters = await reader.clusters()
            found[name] = [await reader.with_tags(one) for one in clusters] if name in tagged else clusters
    return found


@dataclass(frozen=True, slots=True)
class CloudReader:
    """Reads one cloud, one call at a time and never faster than its limit."""

    cloud: str
    api: Api
    clock: Clock
    pause: float
    wanted: str = "its clusters cannot be listed"
    """What a failure means, for messages."""
    patience: Patience = IMPATIENT
    """How long an answer is waited for, beyond a few tries."""

    async def clusters(self) -> Sequence[ClusterState]:
        """All clusters of the cloud's project."""
        body = await self.ask(ListClusters())
        return [one for one in body if isinstance(one, ClusterState)] if isinstance(body, list) else []

    async def with_tags(self, cluster: ClusterState) -> ClusterState:
        """The cluster with its resource tags; some clouds show them in the list already."""
        if cluster.tags:
            return cluster
        body = await self.ask(ClusterTags(cluster_id=cluster.id))
        return msgspec.structs.replace(cluster, tags=dict(body)) if isinstance(body, Mapping) else cluster

    async def ask(self, call: Read) -> Body:
        """One read, tried again while that may help. Raises AuthFailed, CloudUnreachable, or BatchDeployerError."""
        until, tries = self.clock.monotonic() + self.patience.seconds, 0
        while True:
            tries += 1
            answer = await self.api.call(call)
            verdict = judge(call, answer)
            if verdict is Verdict.OK:
                await self.clock.sleep(self.pause)
                return answer.body
            if verdict is Verdict.EXPIRED:
                await self.api.renew(answer.credential)
                if tries >= _TRIES:
                    raise self._error(Verdict.AUTH, answer)
                continue
            left = until - self.clock.monotonic()
            wait = min(_LONGEST_PAUSE, _PAUSE * tries)
            if verdict is Verdict.THROTTLED:
                wait = throttle_wait(answer, wait)
            # A few tries are made whatever the patience; a pause that is longer than both is not worth its wait.
            over = (tries >= _TRIES and left <= 0) or wait > max(left, _LONGEST_PAUSE)
            if over or verdict not in _AGAIN or answer.code == UNTRUSTED:
                raise self._error(verdict, answer)
            if tries == _TRIES:
                self.patience.tell(
                    f"{self._error(verdict, answer)}; waiting for it for up to {span(self.patience.seconds)}"
                )
            await self.clock.sleep(wait)

    def _error(self, verdict: Verdict, answer: Answer) -> BatchDeployerError:
        text = f"cloud {self.cloud!r}: {self.wanted}: {describe(answer)}"
        if verdict is Verdict.THROTTLED and (asked := named_wait(answer)) is not None:
            text += f"; the cloud asks to wait {span(asked)}"
        if verdict in (Verdict.AUTH, Verdict.DENIED, Verdict.EXPIRED):
            error = AuthFailed(text)
            error.of_credential = verdict is not Verdict.DENIED
            return error
        return CloudUnreachable(text) if answer.status == 0 else BatchDeployerError(text)
