"""Deployed means that what was wanted runs by our own write; a cloud that shows it in its own way is no colleague."""

import json
from dataclasses import replace

import msgspec
import pytest
from colleagues import (
    NEW_CHART,
    OLD_CHART,
    SAME,
    SLOW,
    THEIRS,
    VALUES,
    Reacts,
    a_plan,
    does,
    only,
    ours,
    sent,
    upgraded,
)

from batch_deployer.clock.virtual import EPOCH
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, OnExisting, OnFailure
from batch_deployer.plan.rollback import plan_rollback
from batch_deployer.simulator.faults.rules import Effect
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.service.agenda import Wish

# -- "deployed" means: by our write ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1.0, 10.0])
@pytest.mark.parametrize("effect", ["other_upgrade", "other_recreate", "other_delete"])
@pytest.mark.parametrize("created", [True, False])
def test_what_somebody_else_made_of_it_meanwhile_is_not_called_deployed(make, act, effect, seconds, created):
    plan = a_plan(make)
    world = make.world(plan) if created else upgraded(make, plan)
    show = act(plan, world=world, faults=[make.rule(effect, seconds=seconds)])
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert reason.startswith(THEIRS) or reason == "the release is no longer there"
    assert show.ending.exit_code == 1
    assert len(sent(show)) == 1


def test_values_of_somebody_else_are_named(make, act):
    plan = a_plan(make)
    slow_polls = [make.rule("stale", seconds=200.0), make.rule("other_upgrade", seconds=1.0)]
    show = act(plan, world=upgraded(make, plan), faults=slow_polls)
    assert only(make, show, plan) == (
        "failed",
        f"{THEIRS}: revision 4 runs, ours is 3; other values run: replicas",
    )


@pytest.mark.parametrize("when", [1.0, 20.0, 55.0])
def test_an_update_that_was_lost_does_not_claim_the_revision_that_somebody_else_made(make, act, when):
    plan = a_plan(make)
    lost = make.rule("timeout", acts="never", seconds=20.0, attempts=(1,), calls=frozenset({"update_release"}))
    show = act(plan, world=upgraded(make, plan), faults=[lost], at={when: does(plan, "other_upgrade")})
    assert show.fleet.ledger.entries[0].revision == 3, "the number that ours would have had"
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert reason.startswith(f"{THEIRS}: ")
    assert "image.tag" in reason or "replicas" in reason
    assert len(sent(show)) == 1
    assert ours(show) == []


def test_a_write_that_was_lost_for_good_does_not_excuse_one_more_revision(make, act):
    """The first upgrade was read back as lost; the second makes one revision, and the next is somebody else's."""
    plan = a_plan(make)
    fleet = SimulatedProvider(upgraded(make, plan))
    fleet.set_faults([make.rule("error", status=504, acts="never", attempts=(1,), calls=frozenset({"update_release"}))])

    def deed():
        assert fleet.interfere(plan.deployments[0].key, Effect.OTHER_UPGRADE, fleet._latest + 0.1, Wish(values=SAME))

    show = act(plan, fleet=fleet, listener=Reacts(e.Accepted, deed))
    assert [event.attempt for event in show.of(e.Intended)] == [1, 2]
    assert only(make, show, plan) == ("failed", f"{THEIRS}: revision 4 runs (PENDING_UPGRADE), ours is 3")


def test_a_rollback_that_was_lost_does_not_claim_the_revision_that_somebody_else_made(make, act):
    plan = a_plan(make)
    first = act(plan, world=upgraded(make, plan))
    back = plan_rollback(plan, first.events, delete_created=True).plan
    lost = make.rule("timeout", acts="never", seconds=20.0, attempts=(2,), calls=frozenset({"update_release"}))
    first.fleet.set_faults([lost])
    show = act(back, fleet=first.fleet, epoch=first.ended_at + 10.0, at={3.0: does(plan, "other_upgrade")})
    outcome, reason = only(make, show, back)
    assert (outcome, THEIRS in reason) == ("failed", True)
    assert len(sent(show)) == 1


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"chart_id": OLD_CHART}, "chart version 0.9.0 runs, 1.0.0 was sent; other values run: replicas"),
        ({"chart_id": NEW_CHART}, "other values run: replicas"),
        ({"chart_id": NEW_CHART, "values": SAME}, "it was created anew at "),
        ({"chart_id": NEW_CHART, "values": SAME, "revision": 2}, "revision 2 runs"),
    ],
)
def test_what_somebody_else_created_anew_at_revision_one_is_not_called_deployed(make, act, wish, named):
    plan = a_plan(make)
    show = act(plan, world=make.world(plan), at={6.0: does(plan, "other_recreate", **wish)})
    outcome, reason = only(make, show, plan)
    assert (outcome, named in reason) == ("failed", True), reason
    assert (show.of(e.Finished)[0].fingerprint, show.of(e.Finished)[0].confirmed) == (THEIRS, None)


def test_after_a_replacements_delete_the_release_of_somebody_else_is_not_written_over(make, act):
    plan = a_plan(make, on_existing=OnExisting.REPLACE, allow_destructive=True)
    world = upgraded(make, plan)
    rule = make.rule("other_recreate", seconds=1.0, calls=frozenset({"delete_release"}))
    show = act(plan, world=world, faults=[rule])
    outcome, reason = only(make, show, plan)
    assert (outcome, "was made after it was deleted" in reason) == ("rejected", True), reason
    assert ours(show) == ["delete"]


@pytest.mark.parametrize("values", [SAME, {"replicas": 99}])
def test_a_replacement_is_not_created_over_what_somebody_else_installs_meanwhile(make, act, values):
    """The delete is over and the create waits for its turn; not even the same release is taken for ours."""
    plan = a_plan(make, on_existing=OnExisting.REPLACE, allow_destructive=True)
    plan = replace(plan, clouds=make.plan(1, limits=SLOW).clouds)
    fleet = SimulatedProvider(upgraded(make, plan))
    wish = Wish(chart_id=NEW_CHART, values=values)

    def deed():
        assert fleet.interfere(plan.deployments[0].key, Effect.OTHER_RECREATE, fleet._latest + 2.0, wish)

    show = act(plan, fleet=fleet, listener=Reacts(e.StepCompleted, deed))
    assert only(make, show, plan) == ("rejected", "conflict: a release of that name was made after it was deleted")
    assert sent(show) == ["delete_release"]


@pytest.mark.parametrize("revision", [1, 2, 3])
@pytest.mark.parametrize("seen_before", [True, False])
def test_somebody_elses_upgrade_of_a_replacement_is_not_taken_for_its_create(make, act, revision, seen_before):
    """The deleted release's own revisions must not be mistaken for those that the new one may have."""
    plan = a_plan(make, on_existing=OnExisting.REPLACE, allow_destructive=True)
    stale = [] if seen_before else [make.rule("stale", seconds=60.0, calls=frozenset({"create_release"}))]
    quiet = act(plan, world=upgraded(make, plan, revision), faults=stale)
    created = next(event.at for event in quiet.of(e.Accepted) if event.operation == "create") - EPOCH
    deed = does(plan, "other_upgrade", values=SAME)
    show = act(plan, world=upgraded(make, plan, revision), faults=stale, at={created + 6.0: deed})
    outcome, reason = only(make, show, plan)
    assert outcome == "failed"
    assert reason.startswith(f"{THEIRS}: revision 2 runs (PENDING_UPGRADE), ours is 1")


def test_a_server_that_shows_our_values_in_its_own_way_is_believed(make, act):
    class Odd:
        def __init__(self, inner):
            self._inner = inner

        async def call(self, call, on_sent):
            answer = await self._inner.call(call, on_sent)
            if call.kind == "list_releases" and answer.body:
                shown = {"replicas": "3", "image": {"tag": "v1", "pull": "Always"}, "password": "***", "more": 1}
                body = [msgspec.structs.replace(state, values_json=json.dumps(shown)) for state in answer.body]
                return answer.but(body=body)
            return answer

        def __getattr__(self, name):
            return getattr(self._inner, name)

    plan = a_plan(make, values_json=json.dumps(VALUES | {"hosts": [], "note": None}))
    show = act(plan, api=lambda inner, _: Odd(inner))
    assert only(make, show, plan) == ("deployed", "")


def test_a_lock_of_somebody_else_is_followed_by_a_new_decision(make, act):
    """Whoever held the release may have changed it: the next write's baseline is what a new poll shows."""
    plan = a_plan(make)
    locked = make.rule("locked", attempts=(1,), calls=frozenset({"update_release"}))
    show = act(plan, world=upgraded(make, plan), faults=[locked], at={2.0: does(plan, "other_upgrade")})
    outcome, reason = only(make, show, plan)
    assert (outcome, reason) == ("deployed", "")
    assert [event.revision for event in show.of(e.Intended)] == [2, 3]


def test_what_nobody_confirmed_is_not_rolled_back(make, act):
    plan = a_plan(make, timeout=60.0)
    show = act(plan, world=upgraded(make, plan), faults=[make.rule("stale", seconds=600.0)])
    assert only(make, show, plan)[0] == "timed_out"
    show.fleet.set_faults([])
    back = plan_rollback(plan, show.events, delete_created=True).plan
    last = act(back, fleet=show.fleet, epoch=show.ended_at + 700.0)
    assert only(make, last, back) == (
        "rejected",
        "no poll has confirmed what the run made of it; look at the release by hand",
    )
    assert sent(last) == []


def test_the_journal_notes_what_a_run_left_and_no_value_of_it(make, act):
    plan = a_plan(make)
    show = act(plan)
    confirmed = show.of(e.Finished)[0].confirmed
    assert (confirmed.revision, confirmed.chart_name, confirmed.chart_version) == (1, "web-chart", "1.0.0")
    assert confirmed.created_at
    assert confirmed.values
    assert "v1" not in str(confirmed)
    assert "secret" not in str(confirmed)
    assert Action.DELETE is plan_rollback(plan, show.events, delete_created=True).plan.deployments[0].undo.action


# -- a cloud that shows little, or in its own way, is no colleague ------------------------------------------------------


def textual(text):
    """Values as texts, without what is empty, with a default of the chart."""

    def shown(value):
        if isinstance(value, dict):
            return {name: shown(item) for name, item in value.items() if item not in ("", [], {}, None)}
        return str(value).lower() if isinstance(value, bool | int | float) else value

    return json.dumps(shown(json.loads(text)) | {"default": "of the chart"}) if text else text


ODD_CLOUDS = {
    "no creation time": {"created_at": lambda _: ""},
    "no times": {"created_at": lambda _: "", "updated_at": lambda _: ""},
    "times in words": {"created_at": lambda text: f"at {text}", "updated_at": lambda text: f"at {text}"},
    "year 1": {"created_at": lambda _: "0001-01-01T00:00:00Z"},
    "no values": {"values_json": lambda _: ""},
    "empty values": {"values_json": lambda _: "{}"},
    "values as texts": {"values_json": textual},
    "masked": {"values_json": lambda text: text.replace("secret env:P", "***")},
    "no chart name": {"chart_name": lambda _: ""},
    "no chart version": {"chart_version": lambda _: ""},
    "versions with a v": {"chart_version": lambda text: f"v{text}"},
}


class Shows:
    """An API whose releases are shown in another way."""

    def __init__(self, inner, changes):
        self._inner, self._changes = inner, changes

    async def call(self, call, on_sent):
        answer = await self._inner.call(call, on_sent)
        if call.kind in ("list_releases", "release_history") and answer.body:
            return answer.but(body=[self._shown(state) for state in answer.body])
        if call.kind == "show_release" and answer.body:
            return answer.but(body=self._shown(answer.body))
        return answer

    def _shown(self, state):
        changed = {name: change(getattr(state, name)) for name, change in self._changes.items()}
        return msgspec.structs.replace(state, **changed)

    def __getattr__(self, name):
        return getattr(self._inner, name)


@pytest.mark.parametrize("odd", ODD_CLOUDS)
@pytest.mark.parametrize("faults", [[], ["stale"], ["error"]])
def test_nobody_is_blamed_where_a_cloud_shows_our_own_work_in_its_own_way(make, act, odd, faults):
    rules = {
        "stale": make.rule("stale", seconds=15.0),
        "error": make.rule("error", status=504, acts="at_once", calls=frozenset({"update_release"})),
    }
    values = VALUES | {"port": 8080, "hosts": [], "on": True, "note": None, "ratio": 0.5}
    one = a_plan(make, values_json=json.dumps(values))
    two = a_plan(make, values_json=json.dumps(values | {"replicas": 4}), on_failure=OnFailure.ROLLBACK)
    fleet = SimulatedProvider(make.world(one), faults=[rules[name] for name in faults])

    def api(inner, _):
        return Shows(inner, ODD_CLOUDS[odd])

    first = act(one, fleet=fleet, api=api)
    assert only(make, first, one) == ("deployed", "")
    second = act(two, fleet=fleet, api=api, epoch=first.ended_at + 60.0)
    assert only(make, second, two) in [("deployed", ""), ("unchanged", "runs as wanted")]
    if only(make, second, two)[0] == "deployed":
        back = plan_rollback(two, second.events, delete_created=True).plan
        third = act(back, fleet=fleet, api=api, epoch=second.ended_at + 60.0)
        assert only(make, third, back) == ("rolled_back", "back to what revision 1 was")
        again_back = plan_rollback(one, first.events, delete_created=True).plan
        fourth = act(again_back, fleet=fleet, api=api, epoch=third.ended_at + 60.0)
        assert only(make, fourth, again_back)[0] == "rejected", "the later runs changed it since"
    else:
        last = plan_rollback(one, first.events, delete_created=True).plan
        assert only(make, act(last, fleet=fleet, api=api, epoch=second.ended_at + 60.0), last)[0] == "rolled_back"
