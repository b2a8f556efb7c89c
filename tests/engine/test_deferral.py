"""Not ready is not failed: clusters that hibernate or are on their way, deployments that they hold up, and their budgets."""

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Deferral
from batch_deployer.plan.plan import Wave
from batch_deployer.rules.wall_clock import WindowOpening
from batch_deployer.settings import GateSettings, IntOrPercent, Limits, Rate, RetrySettings, Settings

LATER = ["Creating", "Resizing", "Upgrading", "Awaking", "RollingBack", "Hibernating", "Hibernation"]
NEVER = ["Unavailable", "Deleting", "Empty", "RollbackFailed", "Error", "Frozen"]


def the_first(count, make, phase="Hibernation", **more):
    return [make.rule("phase", phase=phase, cluster=f"cluster-{number}", **more) for number in range(count)]


def to(phase, cluster):
    """Put a cluster into a phase during the run; an empty one goes back to the rules."""
    return lambda _, fleet: fleet.set_phase(cluster.id, phase)


def clusters_of(plan):
    return list({each.cluster.id: each.cluster for each in plan.deployments}.values())


def gates(**more):
    return GateSettings(**more)


@pytest.mark.parametrize("phase", LATER)
def test_clusters_that_are_not_ready_are_deferred_and_halt_nothing(make, act, phase):
    plan = make.plan(40, gates=gates(max_failures=IntOrPercent(0)))
    show = act(plan, faults=the_first(4, make, phase))
    assert make.tally(show, plan) == {"deployed": 36, "deferred": 4}
    assert (show.ending.exit_code, show.of(e.Halted)) == (0, [])
    assert show.ending.reason == (
        f"4 of 40 deployments are deferred (the cluster is {phase}); all others are as wanted"
    )
    first = show.of(e.Deferred)[0]
    assert (first.cause, first.phase, first.why) == (Deferral.CLUSTER, phase, f"the cluster is {phase}")


@pytest.mark.parametrize("phase", NEVER)
def test_clusters_that_will_not_be_ready_are_unreachable_and_spend_the_budget_of_failures(make, act, phase):
    plan = make.plan(40, gates=gates(max_failures=IntOrPercent(1)))
    show = act(plan, faults=the_first(2, make, phase))
    assert make.tally(show, plan)["unreachable"] == 2
    assert (show.ending.exit_code, show.ending.reason) == (
        4,
        "2 of 40 deployments of the run did not succeed; max_failures is 1",
    )


def test_unreachable_clusters_spend_their_own_budget_where_it_is_set(make, act):
    plan = make.plan(40, gates=gates(max_failures=IntOrPercent(0), max_unreachable=IntOrPercent(5, percent=True)))
    show = act(plan, faults=the_first(2, make, "Error"))
    assert make.tally(show, plan) == {"deployed": 38, "unreachable": 2}
    assert show.ending.exit_code == 1
    show = act(plan, faults=the_first(3, make, "Error"))
    assert (show.ending.exit_code, show.ending.reason) == (
        4,
        "3 of 40 deployments of the run were unreachable; max_unreachable is 5%",
    )


def test_failures_spend_nothing_of_the_budget_of_unreachable_ones(make, act):
    plan = make.plan(40, gates=gates(max_failures=IntOrPercent(1), max_unreachable=IntOrPercent(0)))
    assert act(plan, faults=[make.rule("fail", cluster="cluster-7")]).ending.exit_code == 1


def test_a_run_of_which_all_is_deferred_exits_1_and_sends_nothing(make, act):
    plan = make.plan(3)
    show = act(plan, faults=the_first(3, make))
    assert make.tally(show, plan) == {"deferred": 3}
    assert (show.ending.exit_code, show.ending.reason) == (
        1,
        "nothing was deployed: all 3 deployments are deferred (the cluster is Hibernation)",
    )
    assert not show.sent("create_release")


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        (IntOrPercent(0), 4),
        (IntOrPercent(2), 4),
        (IntOrPercent(3), 0),
        (IntOrPercent(25, percent=True), 0),
        (IntOrPercent(24.9, percent=True), 4),
    ],
)
def test_more_deferred_than_allowed_fail_the_run_after_all_others_are_deployed(make, act, budget, code):
    plan = make.plan(12, gates=gates(max_deferred=budget))
    show = act(plan, faults=the_first(3, make))
    assert make.tally(show, plan) == {"deployed": 9, "deferred": 3}
    assert show.ending.exit_code == code
    if code:
        assert show.ending.reason == f"3 of 12 deployments of the run are deferred; max_deferred is {budget}"


def test_a_failure_beside_deferred_ones_counts_alone(make, act):
    plan = make.plan(12)
    show = act(plan, faults=[*the_first(3, make), make.rule("fail", cluster="cluster-7")])
    assert make.tally(show, plan) == {"deployed": 8, "deferred": 3, "failed": 1}
    assert (show.ending.exit_code, show.ending.reason.partition(":")[0]) == (1, "1 of 12 deployments did not succeed")


def test_one_that_wakes_during_the_run_is_caught_up_at_once(make, act):
    plan = make.plan(2, spec={"timeout": 900.0})
    # The other one takes its time.
    rules = [make.rule("stuck", cluster="cluster-1"), *the_first(1, make, until=200.0)]
    show = act(plan, faults=rules)
    sent = next(each for each in show.sent("create_release") if each.call.cluster_id == clusters_of(plan)[0].id)
    assert 200.0 < sent.at < 220.0
    assert make.tally(show, plan) == {"deployed": 1, "timed_out": 1}
    assert [type(event) for event in show.events if isinstance(event, e.Deferred | e.Requeued)] == [
        e.Deferred,
        e.Requeued,
    ]


def test_the_phases_of_many_clusters_are_asked_for_with_one_call(make, act):
    plan = make.plan(41)
    rules = [make.rule("stuck", cluster="cluster-40"), *the_first(40, make)]
    show = act(plan, faults=rules)
    assert len(show.sent("list_clusters")) < 75
    assert not show.sent("show_cluster")


def test_where_the_clusters_may_not_be_listed_each_is_asked_for(make, act):
    plan = make.plan(3, spec={"timeout": 300.0})
    barred = make.rule("forbidden", calls=frozenset({"list_clusters"}))
    rules = [barred, make.rule("stuck", cluster="cluster-2"), *the_first(2, make, until=100.0)]
    show = act(plan, faults=rules)
    assert make.tally(show, plan) == {"deployed": 2, "timed_out": 1}


def test_a_deferred_deployment_that_wakes_in_the_last_second_is_deployed(make, act):
    plan = make.plan(2)
    alone = act(plan, faults=the_first(1, make))
    done = max(alone.finishes().values()) - alone.events[0].at
    show = act(plan, faults=the_first(1, make, until=done - 0.5))
    assert make.tally(show, plan) == {"deployed": 2}


def test_defer_for_waits_so_long_for_each_and_looks_once_more_at_its_end(make, act):
    plan = make.plan(2, gates=gates(defer_for=3600.0))
    show = act(plan, faults=the_first(1, make, until=3599.0))
    assert make.tally(show, plan) == {"deployed": 2}
    show = act(plan, faults=the_first(1, make, until=4000.0))
    assert make.tally(show, plan) == {"deployed": 1, "deferred": 1}
    assert 3600.0 <= show.seconds < 3620.0


def test_the_deadline_ends_the_wait_for_deferred_ones_and_is_not_missed(make, act):
    settings = Settings(deadline=600.0)
    plan = make.plan(2, gates=gates(defer_for=3600.0), settings=settings)
    show = act(plan, faults=the_first(1, make))
    assert make.tally(show, plan) == {"deployed": 1, "deferred": 1}
    assert (show.ending.exit_code, round(show.seconds)) == (0, 600)


def test_a_window_that_closes_ends_the_wait_for_deferred_ones(make, act):
    plan = make.plan(2, gates=gates(defer_for=7200.0))
    start = act(plan).events[0].at
    opening = WindowOpening(opens=start - 10, closes=start + 1800)
    show = act(plan, faults=the_first(1, make), opening=opening)
    assert (show.ending.exit_code, make.tally(show, plan)) == (0, {"deployed": 1, "deferred": 1})
    assert round(show.seconds) == 1800


def test_a_deadline_that_others_miss_halts_the_run_with_the_deferred_ones_open(make, act):
    settings = Settings(deadline=100.0)
    plan = make.plan(2, settings=settings)
    show = act(plan, faults=[*the_first(1, make), make.rule("stuck", cluster="cluster-1")])
    assert show.ending.exit_code == 6


def test_a_signal_leaves_deferred_ones_for_resume_which_looks_again(make, act, stage):
    plan = make.plan(2, gates=gates(defer_for=3600.0))
    show = act(plan, faults=the_first(1, make), at={300.0: lambda engine, _: engine.stop(15)})
    assert show.ending.exit_code == 143
    still = stage.resume(plan, show, at={60.0: to("", clusters_of(plan)[0])})
    assert make.tally(still, plan) == {"deployed": 1, "deferred": 1}
    show.fleet.set_phase(clusters_of(plan)[0].id, "Available")
    awake = stage.resume(plan, show)
    assert (awake.ending.exit_code, make.tally(awake, plan)) == (0, {"deployed": 2})


@pytest.mark.parametrize("moment", ["entry", "commit", "unsent", "sent", "replied"])
def test_a_killed_run_goes_on_with_what_it_had_deferred(make, act, stage, moment):
    plan = make.plan(3, ("base", "top"))
    whole = act(plan, faults=the_first(2, make))
    for number in range(1, whole.entries if moment in ("entry", "commit") else len(whole.calls)):
        show = act(plan, faults=the_first(2, make), trap=stage.Trap(moment=moment, number=number, luck=1.0))
        if show.ending is not None:
            continue
        show.fleet.set_phase(clusters_of(plan)[0].id, "Available")
        told = make.tally(stage.resume(plan, show), plan)
        ended = sum(str(event.outcome) == "deferred" for event in show.of(e.Finished))
        assert told["deployed"] + told["deferred"] == 6, number
        assert ended or told == {"deployed": 4, "deferred": 2}, number


def test_a_gate_does_not_wait_and_one_that_wakes_later_counts_in_its_own_wave(make, act):
    plan = make.plan(
        4, waves=(Wave(name="canary", max_failures=IntOrPercent(0)), Wave(name="rest")), gates=gates(defer_for=600.0)
    )
    for number, each in enumerate(plan.deployments):
        object.__setattr__(each, "wave", 0 if number < 2 else 1)
    rules = [*the_first(1, make, until=200.0), make.rule("fail", cluster="cluster-0")]
    show = act(plan, faults=rules)
    passed = [event.at for event in show.of(e.WavePassed)]
    assert passed[0] - show.events[0].at < 120.0
    assert make.tally(show, plan) == {"deployed": 3, "failed": 1}
    assert show.ending.reason == "1 of 2 deployments of wave canary did not succeed; max_failures is 0"


def test_a_wave_of_which_all_is_deferred_passes_untried_with_a_warning_and_without_a_soak(make, act):
    plan = make.plan(2, waves=(Wave(name="canary", soak=600.0), Wave(name="rest")))
    object.__setattr__(plan.deployments[1], "wave", 1)
    show = act(plan, faults=the_first(1, make))
    assert [event.message for event in show.of(e.Warned)] == [
        'wave "canary" passes its gate untried: all of its 1 deployments are deferred'
    ]
    assert show.seconds < 300.0


def test_what_needs_a_deferred_deployment_is_deferred_with_the_reason(make, act):
    plan = make.plan(2, ("base", "top"))
    for each in plan.deployments:
        if each.release.name == "top":
            object.__setattr__(each, "release", make.release("top", needs=("base",)))
    show = act(plan, faults=the_first(1, make))
    assert make.tally(show, plan) == {"deployed": 2, "deferred": 2}
    outcome, reason = make.outcomes(show, plan)[plan.deployments[1].key]
    assert (outcome, reason) == (
        "deferred",
        "needs base on the same cluster, which is deferred: the cluster is Hibernation",
    )
    awake = act(plan, faults=[*the_first(1, make, until=30.0), make.rule("slow", cluster="cluster-1", seconds=9.0)])
    assert make.tally(awake, plan) == {"deployed": 4}


def test_a_cluster_that_hibernates_between_the_look_and_the_write_is_deferred(make, act):
    """The API answers 403 CCE.01403002, which says nothing of the release."""
    plan = make.plan(2)
    show = act(plan, at={0.02: to("Hibernation", clusters_of(plan)[0])})
    first = plan.deployments[0]
    outcome, reason = make.outcomes(show, plan)[first.key]
    assert (outcome, reason) == ("deferred", "the cluster is Hibernation")
    assert all(event.key != first.key for event in show.of(e.Accepted))


def test_a_cluster_that_falls_asleep_while_an_intent_is_committed_gets_no_write_and_is_caught_up(
    make, act, stage, monkeypatch
):
    """Two intents of one cluster are committed with 2 s between them; the answer to the first write tells of its sleep."""
    monkeypatch.setattr(stage, "COMMIT", 5.0)
    plan = make.plan(
        1, ("a", "b"), gates=gates(defer_for=3600.0), limits=Limits(writes=Rate(2, 4.0), per_cluster=IntOrPercent(2))
    )
    (cluster,) = clusters_of(plan)
    show = act(plan, at={1.0: to("Hibernation", cluster), 100.0: to("Available", cluster)})
    times = [each.at for each in show.sent("create_release")]
    asleep = [at for at in times if at < 100.0]
    assert len(asleep) == 1, "a write went to a cluster that was known to be asleep"
    assert [event.why for event in show.of(e.Refused)].count("held back before it was sent") == 1
    assert make.tally(show, plan) == {"deployed": 2}
    assert [event.phase for event in show.of(e.Deferred)] == ["Hibernation"] * 2


def test_what_is_under_way_when_its_cluster_hibernates_is_watched_on_and_then_deferred(make, act):
    plan = make.plan(2, spec={"timeout": 300.0})
    first = plan.deployments[0]
    show = act(plan, at={8.0: to("Hibernation", first.cluster)})
    outcome, reason = make.outcomes(show, plan)[first.key]
    assert outcome == "deferred"
    assert (
        reason
        == ("the cluster is Hibernation; create was accepted and its end was not seen (last status PENDING_INSTALL)")
        or reason == "the cluster is Hibernation; create was accepted and its end was not seen (last status none)"
    )
    assert show.ending.exit_code == 0
    assert 250.0 < show.seconds < 700.0


def test_what_is_under_way_and_wakes_within_the_run_is_seen_to_its_end(make, act):
    plan = make.plan(2, spec={"timeout": 300.0}, gates=gates(defer_for=3600.0))
    first = plan.deployments[0]
    show = act(plan, at={8.0: to("Hibernation", first.cluster), 1500.0: to("Available", first.cluster)})
    assert make.tally(show, plan) == {"deployed": 2}
    assert len(show.sent("create_release")) == 2
    assert 1500.0 < show.seconds < 1530.0


def test_a_deferred_cluster_that_breaks_is_unreachable(make, act):
    plan = make.plan(2, gates=gates(defer_for=3600.0))
    first = plan.deployments[0]
    show = act(plan, faults=the_first(1, make), at={300.0: to("Error", first.cluster)})
    assert make.outcomes(show, plan)[first.key] == ("unreachable", "the cluster is Error")
    assert show.seconds < 400.0


def test_an_operator_s_halt_ends_the_wait_with_the_deferred_ones_open(make, act):
    plan = make.plan(2, gates=gates(defer_for=3600.0))
    show = act(plan, faults=the_first(1, make), at={300.0: lambda engine, _: engine._run.halt("operator", "halted")})
    assert (show.ending.exit_code, make.tally(show, plan)) == (4, {"deployed": 1, "None": 1})


def dead(cloud, make, **more):
    return make.rule(
        "error",
        status=503,
        cloud=cloud,
        calls=frozenset(
            {"list_releases", "list_clusters", "show_cluster", "list_charts", "create_release", "show_release"}
        ),
        **more,
    )


@pytest.mark.parametrize("starts", [0.0, 0.05, 10.0])
def test_an_outage_of_a_whole_cloud_pauses_it_and_spends_no_budget(make, act, starts):
    plan = make.plan(20, clouds=("one", "two"), gates=gates(max_failures=IntOrPercent(0)))
    show = act(plan, faults=[dead("one", make, starts=starts)])
    told = make.tally(show, plan)
    assert show.of(e.Halted) == []
    assert told["deployed"] >= 10
    assert told["deployed"] + told["unreachable"] == 20
    assert show.ending.exit_code == 1


@pytest.mark.parametrize("starts", [0.0, 0.05, 10.0])
def test_a_cloud_that_comes_back_within_the_run_is_caught_up(make, act, starts):
    plan = make.plan(20, clouds=("one", "two"), gates=gates(max_failures=IntOrPercent(0), defer_for=3600.0))
    show = act(plan, faults=[dead("one", make, starts=starts, until=1500.0)])
    assert make.tally(show, plan) == {"deployed": 20}
    assert show.ending.exit_code == 0
    assert 1500.0 < show.seconds < 1700.0
    assert "cloud one answers again" in [event.message for event in show.of(e.Warned)]


def test_some_dead_clusters_of_a_cloud_are_no_outage(make, act):
    plan = make.plan(8, gates=gates(max_failures=IntOrPercent(2)))
    rules = [make.rule("unreachable", cluster=f"cluster-{number}") for number in range(3)]
    show = act(plan, faults=rules)
    assert show.ending.exit_code == 4
    assert make.tally(show, plan)["unreachable"] == 3


@pytest.mark.parametrize("effect", ["timeout", "error"])
def test_a_write_that_is_on_its_way_when_its_cloud_is_paused_does_not_hold_the_run_up(make, act, effect):
    """The looks at the first cluster fail for 20 s, and then the answer to the second create comes."""
    settings = Settings(retry=RetrySettings(give_up_after=20.0))
    slowly = Limits(writes=Rate(1, 10.0), reads=Rate(100, 1.0), in_flight=IntOrPercent(9), per_cluster=IntOrPercent(4))
    plan = make.plan(
        6, clouds=("one", "two"), limits=slowly, settings=settings, gates=gates(max_failures=IntOrPercent(0))
    )
    calls = frozenset({"list_releases", "list_clusters", "show_cluster", "show_release"})
    rules = [
        make.rule(effect, cloud="one", calls=frozenset({"create_release"}), starts=9.0, seconds=50.0),
        make.rule("stuck", cloud="one"),
        make.rule("error", status=503, cloud="one", calls=calls, starts=9.0),
    ]
    show = act(plan, faults=rules)
    assert show.of(e.Halted) == []
    assert make.tally(show, plan) == {"deployed": 3, "unreachable": 3}
    assert show.seconds < 600.0
