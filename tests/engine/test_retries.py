"""Faults, outages and clouds that are gone."""

from itertools import pairwise

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.api import Answer, Sent
from batch_deployer.settings import Limits, Rate, RetrySettings, Settings

READS = frozenset({"list_releases"})


def test_a_cluster_that_never_answers_is_unreachable_and_the_others_are_deployed(make, act):
    plan = make.plan(10)
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-3")])
    outcome, reason = make.outcomes(show, plan)[plan.deployments[3].key]
    assert outcome == "unreachable"
    assert "Kubernetes cluster unreachable" in reason
    assert make.tally(show, plan) == {"deployed": 9, "unreachable": 1}
    assert show.ending.exit_code == 1
    lasted = show.finishes()[plan.deployments[3].key] - show.events[0].at
    assert 600 <= lasted < 700


def test_how_long_to_try_is_a_setting(make, act):
    plan = make.plan(2, settings=Settings(retry=RetrySettings(give_up_after=60.0)))
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-1")])
    assert 60 <= show.finishes()[plan.deployments[1].key] - show.events[0].at < 125


def test_a_cluster_that_fails_is_left_alone_more_and_more(make, act):
    plan = make.plan(4)
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-3")])
    looks = [
        called.at for called in show.sent("list_releases") if called.call.cluster_id == plan.deployments[3].cluster.id
    ]
    assert len(looks) < 25
    assert max(later - sooner for sooner, later in pairwise(looks)) > 30.0


def test_a_cluster_that_comes_back_is_deployed(make, act):
    plan = make.plan(4)
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-3", until=300.0)])
    assert make.tally(show, plan) == {"deployed": 4}


def test_the_operator_is_told_that_a_cluster_does_not_answer(make, act):
    plan = make.plan(2)
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-1", until=100.0)])
    (undecided,) = show.of(e.Undecided)
    assert undecided.key == plan.deployments[1].key
    assert "does not answer" in undecided.why


def test_an_outage_of_a_whole_cloud_is_not_amplified_by_retries(make, act):
    plan = make.plan(50, limits=Limits(writes=Rate(50, 1.0), reads=Rate(100, 1.0)))
    calm = act(plan)
    outage = act(plan, faults=[make.rule("error", status=503, starts=1.0, until=301.0)])
    assert make.tally(outage, plan) == {"deployed": 50}
    during = [called for called in outage.calls if 1.0 < called.at < 301.0]
    # Each of 50 clusters: its first fault, a share of the budget of 20 quick retries, and then about one a minute.
    assert len(during) < 50 * 12
    assert len(outage.calls) < len(calm.calls) + 50 * 12


def test_a_cloud_that_is_gone_has_one_reason_and_the_other_cloud_is_deployed(make, act):
    slow = Limits(writes=Rate(5, 60.0), reads=Rate(10, 1.0))
    plan = make.plan(24, clouds=("here", "gone"), limits=slow)
    show = act(plan, api=lambda inner, name: Refusing() if name == "gone" else inner)
    assert make.tally(show, plan) == {"deployed": 12, "unreachable": 12}
    reasons = {reason for outcome, reason in make.outcomes(show, plan).values() if outcome == "unreachable"}
    assert reasons == {"cloud gone does not answer: connection refused"}
    assert show.ending.exit_code == 1


class Refusing:
    """Nothing listens at that address."""

    async def call(self, call, on_sent):
        return Answer(sent=Sent.NO, message="connection refused")

    async def renew(self, credential):
        raise AssertionError(credential)

    async def close(self):
        pass


def test_a_write_that_was_certainly_not_sent_is_sent_again_without_reading_back(make, act):
    plan = make.plan(3)
    show = act(plan, api=lambda inner, _: Unlucky(inner))
    assert make.tally(show, plan) == {"deployed": 3}
    assert {event.why for event in show.of(e.Refused)} == {"not sent"}
    assert not show.of(e.Uncertain)


class Unlucky:
    """The first connection of each create fails."""

    def __init__(self, inner):
        self._inner = inner
        self._seen = set()

    async def call(self, call, on_sent):
        if call.kind == "create_release" and call.cluster_id not in self._seen:
            self._seen.add(call.cluster_id)
            return Answer(sent=Sent.NO, message="connection refused")
        return await self._inner.call(call, on_sent)

    async def renew(self, credential):
        await self._inner.renew(credential)

    async def close(self):
        await self._inner.close()


@pytest.mark.parametrize("effect", ["error", "html", "reset", "timeout"])
@pytest.mark.parametrize("acts", ["never", "at_once", "late"])
def test_a_create_of_unknown_fate_is_read_back_and_never_made_twice(make, act, effect, acts):
    plan = make.plan(4)
    fault = make.rule(effect, acts=acts, attempts=(1,), calls=frozenset({"create_release"}))
    show = act(plan, faults=[fault, make.rule("allow_collision")])
    assert make.tally(show, plan) == {"deployed": 4}
    assert not show.fleet.ledger.duplicates
    assert set(show.fleet.ledger.creates.values()) == {1}
    expected = 2 if acts == "never" else 1
    assert len(show.sent("create_release")) == 4 * expected
    if acts == "never":
        assert all(missing.at - show.of(e.Uncertain)[0].at >= 60.0 for missing in show.of(e.Missing))


def test_a_create_that_stays_absent_is_made_again_as_the_grace_ends_whatever_else_is_looked_at_there(make, act):
    plan = make.plan(1, ("web", "db"))
    creates = frozenset({"create_release"})
    lost = make.rule("error", status=504, release="apps/web", attempts=(1,), calls=creates)
    show = act(plan, faults=[lost, make.rule("stuck", release="apps/db")])
    (uncertain,), (missing,) = show.of(e.Uncertain), show.of(e.Missing)
    assert 60.0 <= missing.at - uncertain.at < 63.0


def test_a_stale_list_after_an_ambiguous_create_does_not_lead_to_a_second_one(make, act):
    plan = make.plan(4)
    faults = [
        make.rule("error", status=504, acts="at_once", attempts=(1,), calls=frozenset({"create_release"})),
        make.rule("stale", seconds=45.0),
        make.rule("allow_collision"),
    ]
    show = act(plan, faults=faults)
    assert make.tally(show, plan) == {"deployed": 4}
    assert len(show.sent("create_release")) == 4


def test_a_create_that_never_takes_effect_is_given_up_with_its_number_of_tries(make, act):
    plan = make.plan(1)
    show = act(plan, faults=[make.rule("error", status=504, calls=frozenset({"create_release"}))])
    ((outcome, reason),) = make.outcomes(show, plan).values()
    assert outcome == "failed"
    assert reason == "create was sent 5 times and never took effect"
    assert len(show.sent("create_release")) == 5


def test_a_409_to_an_ambiguous_create_means_adopt_check_and_not_failure(make, act):
    plan = make.plan(1)
    # The first one acts late: after it counts as missing, at the moment the second is on its way.
    faults = [
        make.rule("error", status=504, acts="late", late=70.0, attempts=(1,), calls=frozenset({"create_release"}))
    ]
    show = act(plan, faults=[*faults, make.rule("stale", seconds=20.0)])
    assert make.tally(show, plan) == {"deployed": 1}
    assert show.fleet.ledger.creates == {plan.deployments[0].key: 1}


def test_a_token_that_dies_is_renewed_once_and_costs_nobody_anything(make, act):
    plan = make.plan(10)
    show = act(plan, faults=[make.rule("expire_token", cluster="cluster-4", attempts=(1,), calls=READS)])
    assert make.tally(show, plan) == {"deployed": 10}
    assert show.ending.exit_code == 0
