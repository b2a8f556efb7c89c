"""Waves in order, soak times, and releases that need each other."""

from dataclasses import replace

import pytest

from batch_deployer.model import events as e
from batch_deployer.plan.plan import Wave
from batch_deployer.ports import Command
from batch_deployer.settings import IntOrPercent, Limits, Rate


@pytest.fixture
def in_waves(make):
    """A plan whose clusters go to the waves by their number."""

    def build(waves, numbers, **more):
        plan = make.plan(len(numbers), waves=waves, **more)
        dealt = [replace(each, wave=number) for each, number in zip(plan.deployments, numbers, strict=True)]
        return replace(plan, deployments=dealt)

    return build


def intents(show):
    return {event.key: event.at for event in show.of(e.Intended)}


def test_a_wave_starts_only_when_the_one_before_has_ended(in_waves, act):
    plan = in_waves((Wave(name="canary"), Wave(name="some"), Wave(name="rest")), (2, 0, 1, 2, 0, 1))
    show = act(plan)
    begun, ended = intents(show), show.finishes()
    for later in (1, 2):
        before = max(ended[each.key] for each in plan.deployments if each.wave == later - 1)
        assert min(begun[each.key] for each in plan.deployments if each.wave == later) >= before
    assert [event.wave for event in show.of(e.WaveStarted)] == [0, 1, 2]
    assert [event.wave for event in show.of(e.WavePassed)] == [0, 1, 2]


def test_the_next_wave_waits_for_the_soak_to_be_over(in_waves, act):
    plan = in_waves((Wave(name="canary", soak=600.0), Wave(name="rest", soak=600.0)), (0, 1))
    show = act(plan)
    first, second = (each.key for each in plan.deployments)
    assert intents(show)[second] - show.finishes()[first] == pytest.approx(600.0, abs=2.0)
    # Nothing follows the last wave, so nothing waits for its soak.
    assert show.of(e.RunFinished)[0].at - show.finishes()[second] < 1.0


def test_there_is_no_soak_after_a_wave_in_which_nothing_was_changed(make, in_waves, act):
    plan = in_waves((Wave(name="canary", soak=600.0), Wave(name="rest")), (0, 1))
    show = act(plan, world=make.world(plan, [(plan.deployments[0], {"version": "1.0.0"})]))
    assert make.tally(show, plan) == {"unchanged": 1, "deployed": 1}
    assert show.seconds < 300.0


def test_a_canary_with_zero_tolerance_stops_the_rest_from_starting(make, in_waves, act):
    plan = in_waves((Wave(name="canary", max_failures=IntOrPercent(0)), Wave(name="rest")), (0, 0, 1, 1, 1))
    show = act(plan, faults=[make.rule("fail", cluster="cluster-1")])
    (halted,) = show.of(e.Halted)
    assert halted.scope == "wave"
    assert "canary" in halted.reason
    assert show.ending.exit_code == 4
    assert show.ending.reason == halted.reason
    assert set(intents(show)) == {each.key for each in plan.deployments if each.wave == 0}


def test_a_wave_within_its_budget_lets_the_next_one_start(make, in_waves, act):
    plan = in_waves((Wave(name="canary", max_failures=IntOrPercent(1)), Wave(name="rest")), (0, 0, 1))
    show = act(plan, faults=[make.rule("fail", cluster="cluster-1")])
    assert make.tally(show, plan) == {"deployed": 2, "failed": 1}
    assert show.ending.exit_code == 1


def test_a_gate_that_a_failure_closes_during_the_soak_is_not_passed_by_a_resumed_run(make, in_waves, act, stage):
    plan = in_waves((Wave(name="canary", max_failures=IntOrPercent(0)), Wave(name="rest")), (0, 1))
    first = act(plan, faults=[make.rule("fail", cluster="cluster-0")])
    last = stage.resume(plan, first)
    assert last.ending.exit_code == 4
    assert set(intents(last)) == {plan.deployments[0].key}


def test_a_run_that_died_in_a_later_wave_does_not_soak_for_the_first_again(in_waves, act, stage):
    plan = in_waves((Wave(name="canary", soak=600.0), Wave(name="rest")), (0, 1))
    whole = act(plan)
    number = next(n for n, event in enumerate(whole.events, 1) if isinstance(event, e.WaveStarted) and event.wave == 1)
    first = act(plan, trap=stage.Trap(moment="entry", number=number + 2, luck=1.0))
    assert first.ending is None
    last = stage.resume(plan, first)
    assert last.seconds < 300.0
    assert [event.wave for event in last.of(e.WavePassed)].count(0) == 1


def chain(make, clusters=3):
    pairs = []
    for number in range(clusters):
        cluster = make.cluster(number)
        pairs.append(make.deployment(cluster, make.release("app", needs=("db", "certs"))))
        pairs.append(make.deployment(cluster, make.release("db", needs=("certs",))))
        pairs.append(make.deployment(cluster, make.release("certs")))
    return make.plan(1, deployments=pairs)


def test_a_release_starts_only_when_what_it_needs_on_its_cluster_is_deployed(make, act):
    plan = chain(make)
    show = act(plan)
    begun, ended = intents(show), show.finishes()
    for app, db, certs in zip(*(iter(plan.deployments),) * 3, strict=True):
        assert begun[db.key] >= ended[certs.key]
        assert begun[app.key] >= max(ended[certs.key], ended[db.key])


def test_what_needs_a_failed_release_is_not_started_and_says_why_and_only_on_that_cluster(make, act):
    plan = chain(make)
    show = act(plan, faults=[make.rule("fail", release="db", cluster="cluster-1")])
    assert make.tally(show, plan) == {"deployed": 7, "failed": 1, "not_started": 1}
    outcome, reason = make.outcomes(show, plan)[plan.deployments[3].key]
    assert (outcome, reason) == ("not_started", "needs db on the same cluster, which ended failed")


def test_what_needs_what_was_not_started_is_not_started_either(make, act):
    plan = chain(make, 1)
    show = act(plan, faults=[make.rule("fail", release="certs")])
    assert make.tally(show, plan) == {"failed": 1, "not_started": 2}


def test_an_unchanged_release_is_as_good_as_a_deployed_one_for_those_who_need_it(make, act):
    plan = chain(make, 1)
    show = act(plan, world=make.world(plan, [(plan.deployments[2], {"version": "1.0.0"})]))
    assert make.tally(show, plan) == {"deployed": 2, "unchanged": 1}


def test_a_resumed_run_still_waits_for_what_is_needed(make, act, stage):
    plan = chain(make, 2)
    first = act(plan, trap=stage.Trap(moment="sent", number=8))
    last = stage.resume(plan, first)
    begun, ended = intents(last), last.finishes()
    assert make.tally(last, plan) == {"deployed": 6}
    for app, db, certs in zip(*(iter(plan.deployments),) * 3, strict=True):
        assert begun[app.key] >= ended[db.key] >= begun[db.key] >= ended[certs.key]


class Patient:
    """Holds the writes until everything has been looked at."""

    def __init__(self):
        self._commands = [Command.PAUSE, None, None, Command.CONTINUE]

    def poll(self):
        return self._commands.pop(0) if self._commands else None


def test_of_those_that_may_start_the_critical_go_first(make, act):
    cluster = make.cluster(13, priority=10)
    pairs = [*make.plan(20).deployments, make.deployment(cluster, make.release("db"))]
    urgent = make.deployment(make.cluster(3), make.release("dns", priority=20))
    plan = make.plan(1, deployments=[*pairs, urgent], limits=Limits(writes=Rate(2, 60.0), reads=Rate(50, 1.0)))
    show = act(plan, control=Patient())
    first, second = show.sent("create_release")[:2]
    assert (first.call.name, second.call.cluster_id) == ("dns", cluster.id)
