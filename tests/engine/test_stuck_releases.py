"""Stuck and strange: each has its outcome and its reason."""

import pytest

from batch_deployer.model import events as e


def only(make, show, plan):
    ((outcome, reason),) = make.outcomes(show, plan).values()
    return outcome, reason


def test_a_stuck_install_ends_at_its_deadline_with_advice(make, act):
    plan = make.plan(1, spec={"timeout": 300.0})
    show = act(plan, faults=[make.rule("stuck")])
    outcome, reason = only(make, show, plan)
    assert outcome == "timed_out"
    assert reason == (
        "create not finished within 300 s; last status PENDING_INSTALL"
        " (stuck: roll it back or delete it before the next try)"
    )
    accepted = show.of(e.Accepted)[0].at
    assert 300 <= show.finishes()[plan.deployments[0].key] - accepted < 365


def test_a_release_of_unknown_status_failed_and_says_so(make, act):
    plan = make.plan(1)
    outcome, reason = only(make, act(plan, faults=[make.rule("unknown")]), plan)
    assert outcome == "failed"
    assert "unknown" in reason.lower()


def test_a_failed_release_gives_the_cloud_s_own_words(make, act):
    plan = make.plan(1)
    outcome, reason = only(make, act(plan, faults=[make.rule("fail")]), plan)
    assert (outcome, reason) == ("failed", "Release failed: timed out waiting for the condition")


def test_a_release_deleted_under_us_failed_and_somebody_else_is_named(make, act):
    plan = make.plan(1)
    show = act(plan, faults=[make.rule("other_delete", seconds=3.0)])
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert reason.startswith("changed by somebody else: it is being deleted (DELET")
    assert show.of(e.Finished)[0].fingerprint == "changed by somebody else"


def test_a_release_that_vanishes_failed_only_after_it_was_absent_for_the_whole_grace(make, act):
    plan = make.plan(1)
    show = act(plan, faults=[make.rule("vanish", seconds=6.0)])
    outcome, reason = only(make, show, plan)
    assert (outcome, reason) == ("failed", "the release is no longer there")
    assert show.finishes()[plan.deployments[0].key] - show.of(e.Accepted)[0].at > 60.0
    assert len(show.sent("create_release")) == 1


def test_a_release_that_is_only_not_visible_yet_is_not_lost(make, act):
    plan = make.plan(1)
    show = act(plan, faults=[make.rule("stale", seconds=50.0)])
    assert only(make, show, plan) == ("deployed", "")


def test_another_actor_s_upgrade_of_the_same_chart_is_not_called_deployed(make, act):
    plan = make.plan(1)
    show = act(plan, faults=[make.rule("other_upgrade", seconds=1.0)])
    assert only(make, show, plan) == (
        "failed",
        "changed by somebody else: revision 2 runs (PENDING_UPGRADE), ours is 1",
    )


def test_a_cluster_that_does_not_exist_is_rejected_and_the_others_are_deployed(make, act):
    plan = make.plan(3)
    world = make.world(make.plan(2))
    show = act(plan, world=world)
    outcome, reason = make.outcomes(show, plan)[plan.deployments[2].key]
    assert outcome == "rejected"
    assert reason.startswith("the cluster does not exist: HTTP 404")
    assert make.tally(show, plan) == {"deployed": 2, "rejected": 1}


def test_a_chart_that_the_cloud_has_not_is_rejected_with_what_it_has(make, act):
    plan = make.plan(1)
    other = make.plan(1, spec={"version": "2.0.0"})
    outcome, reason = only(make, act(plan, world=make.world(other)), plan)
    assert outcome == "rejected"
    assert reason == "chart web-chart 1.0.0 is not in the cloud; it has version 0.9.0, 2.0.0"


def test_a_release_that_somebody_is_installing_as_wanted_is_watched_and_not_written(make, act):
    plan = make.plan(1)
    running = [(plan.deployments[0], {"version": "1.0.0", "status": "PENDING_INSTALL"})]
    show = act(plan, world=make.world(plan, running))
    assert show.of(e.Planned)[0].action == "adopt"
    assert not show.sent("create_release")
    assert only(make, show, plan)[0] == "timed_out"  # the simulated one never ends


@pytest.mark.parametrize("status", ["PENDING_UPGRADE", "DELETING"])
def test_what_somebody_else_has_under_way_is_waited_for_and_not_written_over(make, act, status):
    plan = make.plan(1, spec={"timeout": 200.0})
    show = act(plan, world=make.world(plan, [(plan.deployments[0], {"status": status})]))
    outcome, reason = only(make, show, plan)
    assert outcome == "timed_out"
    assert "somebody else" in reason
    assert "timeout of 200 s" in reason
    assert not [called for called in show.calls if called.call.writes]


def test_once_somebody_else_has_settled_it_is_decided_anew(make, act):
    plan = make.plan(1)

    def upgrade_by_hand(_, fleet):
        slot = fleet.estate.find(plan.deployments[0].cluster.id).slot("apps", "web")
        slot.revisions[-1].ends = 0.0

    running = [(plan.deployments[0], {"status": "PENDING_UPGRADE"})]
    show = act(plan, world=make.world(plan, running), at={60.0: upgrade_by_hand})
    assert only(make, show, plan) == ("deployed", "")
    assert [call.at > 60.0 for call in show.sent("update_release")] == [True]


def test_an_unknown_status_word_is_waited_for_until_the_deadline(make, act):
    plan = make.plan(1, spec={"timeout": 100.0})
    show = act(plan, api=lambda inner, _: Babel(inner))
    outcome, reason = only(make, show, plan)
    assert outcome == "timed_out"
    assert 'the cloud shows the status "FROBNICATING", which this program does not know' in reason
    assert "delete" not in reason


class Babel:
    """Speaks of a status that nobody has documented."""

    def __init__(self, inner):
        self._inner = inner

    async def call(self, call, on_sent):

        import msgspec

        answer = await self._inner.call(call, on_sent)
        if call.kind == "list_releases" and answer.body:
            body = [msgspec.structs.replace(state, status="FROBNICATING") for state in answer.body]
            return answer.but(body=body)
        return answer

    async def renew(self, credential):
        await self._inner.renew(credential)

    async def close(self):
        await self._inner.close()


def test_a_cluster_that_falls_silent_does_not_prolong_the_deadline_of_what_runs_there(make, act):
    plan = make.plan(2, spec={"timeout": 120.0})
    show = act(plan, faults=[make.rule("unreachable", cluster="cluster-0", starts=4.0)])
    key = plan.deployments[0].key
    outcome, reason = make.outcomes(show, plan)[key]
    assert outcome == "timed_out"
    assert "and the cluster does not answer: HTTP 500" in reason
    assert 120 <= show.finishes()[key] - show.events[0].at < 190


def test_an_ambiguous_create_that_somebody_upgraded_meanwhile_is_a_conflict(make, act):
    plan = make.plan(1)
    ambiguous = make.rule("timeout", acts="at_once", attempts=(1,), calls=frozenset({"create_release"}))
    stale = make.rule("stale", seconds=90.0)
    show = act(plan, faults=[ambiguous, stale, make.rule("other_upgrade", seconds=1.0)])
    outcome, reason = only(make, show, plan)
    assert outcome == "rejected"
    assert reason == "conflict: a release of that name is there at revision 2; ours would be 1"
    assert len(show.sent("create_release")) == 1


def test_a_write_that_the_cluster_s_state_forbids_is_decided_anew(make, act):
    from batch_deployer.model.api import Answer, CreateRelease

    class Forbids:
        """Refuses the first create with 403002."""

        def __init__(self, api):
            self._api, self._left = api, 1

        def __getattr__(self, name):
            return getattr(self._api, name)

        async def call(self, call, on_sent):
            if isinstance(call, CreateRelease) and self._left:
                self._left -= 1
                return Answer(status=403, code="CCE.01403002", message="the cluster is busy")
            return await self._api.call(call, on_sent)

    plan = make.plan(1)
    played = act(plan, api=lambda inner, _: Forbids(inner))
    assert make.tally(played, plan) == {"deployed": 1}
    refused = [event for event in played.events if type(event).__name__ == "Refused"]
    assert [event.why for event in refused] == ["cluster state"]
