"""Somebody else who works on the same releases, for tests."""

import json

from batch_deployer.settings import IntOrPercent, Limits, Rate
from batch_deployer.simulator.faults.rules import Effect
from batch_deployer.simulator.keyed_random import uuid_like
from batch_deployer.simulator.service.agenda import Wish

OLD_CHART = uuid_like("chart", "web-chart", "0.9.0")
NEW_CHART = uuid_like("chart", "web-chart")
THEIRS = "changed by somebody else"
SLOW = Limits(
    writes=Rate(1, 60.0), reads=Rate(10, 1.0), in_flight=IntOrPercent(64), per_cluster=IntOrPercent(4), connections=32
)
VALUES = {"replicas": 3, "image": {"tag": "v1"}, "password": "${secret:env:P}"}


SAME = json.loads(json.dumps(VALUES).replace("${secret:env:P}", "secret env:P"))


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return str(outcome), reason


def ours(show):
    """Effective writes that were not somebody else's."""
    return [entry.operation for entry in show.fleet.ledger.entries if entry.origin != "other"]


def sent(show):
    return [called.call.kind for called in show.calls if called.call.writes]


def does(plan, effect, **wish):
    """What another actor does to the only release, for `at`."""

    def act(_, fleet):
        key = plan.deployments[0].key
        assert fleet.interfere(key, Effect(effect), fleet._latest, Wish(**wish))

    return act


def a_plan(make, **spec):
    return make.plan(1, spec={"values_json": json.dumps(VALUES)} | spec)


def upgraded(make, plan, revision=2, **how):
    values = json.dumps({"replicas": 1})
    return make.world(plan, [(plan.deployments[0], {"revision": revision, "values": values} | how)])


def interfere(show, plan, incidents):
    at = show.ended_at + 5.0
    for effect, wish in incidents:
        assert show.fleet.interfere(plan.deployments[0].key, Effect(effect), at, Wish(**wish))


class Reacts:
    """A listener that lets another actor act at the first event of a kind."""

    def __init__(self, kind, deed):
        self._kind, self._deed = kind, deed

    def on_event(self, event):
        if isinstance(event, self._kind) and self._deed:
            deed, self._deed = self._deed, None
            deed()


class Quick:
    """An API behind which another actor acts as soon as a list has shown what they wait for."""

    def __init__(self, inner, fleet, status, deed, history=lambda body: body):
        self._inner, self._fleet, self._status, self._deed, self._history = inner, fleet, status, deed, history

    async def call(self, call, on_sent):
        answer = await self._inner.call(call, on_sent)
        if call.kind == "release_history" and answer.body:
            return answer.but(body=self._history(answer.body))
        shown = [state.status for state in answer.body] if call.kind == "list_releases" and answer.body else []
        if self._deed and shown == [self._status]:
            deed, self._deed = self._deed, None
            deed(None, self._fleet)
        return answer

    def __getattr__(self, name):
        return getattr(self._inner, name)
