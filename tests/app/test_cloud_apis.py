"""Clouds as a run sees them: discreet, and late when they did not answer at first."""

import asyncio

import pytest

from batch_deployer.app.cloud_apis import LazyLoginApi
from batch_deployer.app.redacting_api import RedactingApi
from batch_deployer.errors import CloudUnreachable
from batch_deployer.model.api import Answer, ListReleases, ReleaseState, Sent
from batch_deployer.model.redact import Redactor
from batch_deployer.plan.plan import AuthSpec, CloudSpec, Plan

CALL = ListReleases(cluster_id="c")


class Fixed:
    """An Api with one answer."""

    def __init__(self, answer):
        self.answer = answer
        self.closed = False

    async def call(self, call, on_sent):
        return self.answer

    async def renew(self, credential):
        pass

    async def close(self):
        self.closed = True


class Hand:
    """A clock set by hand."""

    now = 100.0

    def monotonic(self):
        return self.now


redactor = Redactor(lambda: ["hunter2"])


def test_a_secret_that_a_server_echoes_is_taken_out_of_its_texts():
    state = ReleaseState(name="web", namespace="ns", status_description="bad value hunter2")
    answer = Answer(status=200, body=[state], message="hunter2 is refused")
    heard = asyncio.run(RedactingApi(Fixed(answer), redactor).call(CALL))
    assert heard.message == "****** is refused"
    assert heard.body[0].status_description == "bad value ******"
    assert heard.body[0].name == "web"


def test_an_answer_without_secrets_comes_through_as_it_is():
    answer = Answer(status=200, message="fine", body=None)
    assert asyncio.run(RedactingApi(Fixed(answer), redactor).call(CALL)) is answer


def test_a_late_cloud_is_unreachable_until_a_later_try_finds_it():
    async def story():
        clock, real = Hand(), Fixed(Answer(status=200))
        tries = []

        async def opener(_tries):
            tries.append(clock.now)
            if len(tries) == 1:
                raise CloudUnreachable("still nothing")
            return real

        late = LazyLoginApi(opener, "nothing answers", clock)
        first = await late.call(CALL)
        clock.now += 20
        second = await late.call(CALL)
        third = await late.call(CALL)
        clock.now += 20
        fourth = await late.call(CALL)
        await late.close()
        return first, second, third, fourth, tries, real.closed

    first, second, third, fourth, tries, closed = asyncio.run(story())
    assert (first.sent, first.status, first.message) == (Sent.NO, 0, "nothing answers")
    assert (second.message, third.message) == ("still nothing", "still nothing")
    assert fourth.status == 200
    assert tries == [120.0, 140.0]
    assert closed


@pytest.mark.parametrize("other", ["other", "again"])
def test_the_scope_is_the_account_behind_a_cloud_whatever_a_manifest_calls_it(other):
    spec = CloudSpec(
        name="a", endpoint="https://cce", region="eu", auth=AuthSpec(method="aksk", options={"project_id": "p"})
    )
    plan = Plan(name="x", clouds={"a": spec, other: spec}, deployments=())
    assert plan.clouds["a"].scope == plan.clouds[other].scope == "https://cce|eu|p"
