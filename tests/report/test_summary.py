"""The numbers of a report."""

import pytest

from batch_deployer.model.deployment import Operation, Outcome
from batch_deployer.model.events import Finished, Intended, Measured, RunFinished, RunStarted, Warned
from batch_deployer.plan.plan import CloudSpec
from batch_deployer.report.limits import peak_in_window
from batch_deployer.report.run_history import build_history
from batch_deployer.report.summary import summarise
from batch_deployer.report.time_to_success import time_to
from batch_deployer.settings import IntOrPercent, Limits, Rate


@pytest.fixture
def summary(plan, bad_night):
    return summarise(build_history(plan, bad_night))


def test_outcomes_add_up_to_the_number_of_deployments(summary):
    assert summary.totals.deployments == 6 == sum(summary.totals.outcomes.values())
    assert summary.totals.outcomes["deployed"] == 2
    assert summary.totals.outcomes["unreachable"] == 0
    assert summary.totals.good == 3
    assert (summary.totals.writes, summary.totals.refusals, summary.totals.uncertain) == (5, 1, 1)
    assert summary.totals.actions == {"": 1, "create": 3, "unchanged": 1, "upgrade": 1}


def test_the_head_says_what_ran_and_how_it_ended(summary):
    run = summary.run
    assert (run.id, run.manifest, run.state, run.exit_code) == ("run-1", "nightly", "halted", 4)
    assert run.started == "2026-01-02T03:04:05.000Z"
    assert (run.duration, run.parts) == (1054.0, 1)
    assert run.halts == ["run: 2 of 6 failed, at most 1 allowed"]


def test_warnings_of_the_plan_and_of_the_run_are_told_once_each(make_plan):
    events = [Warned(at=at, message=text) for at, text in ((1, "slow disk"), (2, "slow disk"), (3, "wave x is empty"))]
    plan = make_plan(warnings=("wave x is empty", "a need is left out"))
    assert summarise(build_history(plan, events)).warnings == [
        "a need is left out",
        "slow disk (x2)",
        "wave x is empty",
    ]


def test_waves_clouds_and_releases_each_cover_all_deployments(summary):
    for groups in (summary.waves, summary.clouds, summary.releases):
        assert sum(group.deployments for group in groups) == 6
    assert [(wave.name, wave.good, wave.passed) for wave in summary.waves] == [
        ("canary", 2, "2026-01-02T03:06:25.000Z"),
        ("rest", 1, None),
    ]
    assert {cloud.name: cloud.outcomes for cloud in summary.clouds}["nl"] == {"unchanged": 1, "failed": 1}


def test_failures_with_one_cause_stand_together_most_frequent_first(make_plan):
    plan = make_plan(5, ("web",))
    bad = [("id-1", "dns"), ("id-2", "helm"), ("id-3", "helm"), ("id-5", "helm")]
    events = [
        Finished(at=n, key=f"{cluster}/apps/web", outcome=Outcome.FAILED, reason=f"{cause} {n}", fingerprint=cause)
        for n, (cluster, cause) in enumerate(bad)
    ]
    first, second = summarise(build_history(plan, events)).failures
    assert (first.fingerprint, first.count, first.reason, first.example) == ("helm", 3, "helm 1", "id-2/apps/web")
    assert (first.clusters, first.cluster_count) == (["c2", "c3", "c5"], 3)
    assert (second.fingerprint, second.count) == ("dns", 1)


def test_good_and_not_started_deployments_are_no_failures(summary):
    assert {failure.outcome for failure in summary.failures} == {"failed", "timed_out"}
    assert [(held.count, held.reason) for held in summary.not_started] == [(1, "halted: 2 of 6 failed")]


def test_the_slowest_come_first_and_only_those_that_were_written(summary):
    assert [(slow.key, slow.duration) for slow in summary.slowest][:2] == [
        ("id-3/apps/web", 901.0),
        ("id-2/apps/web", 158.0),
    ]
    assert "id-2/apps/agent" not in {slow.key for slow in summary.slowest}


@pytest.mark.parametrize(
    ("percent", "good", "total", "expected"),
    [
        (50, [1.0, 2.0, 3.0, 4.0], 4, 2.0),
        (50, [1.0, 2.0, 3.0], 3, 2.0),
        (90, [float(n) for n in range(1, 11)], 10, 9.0),
        (90, [float(n) for n in range(1, 12)], 11, 10.0),
        (100, [1.0, 2.0], 2, 2.0),
        (100, [1.0], 2, None),
        (50, [], 0, None),
    ],
)
def test_time_to_a_share_counts_against_all_deployments(percent, good, total, expected):
    assert time_to(percent, good, total) == expected


def test_the_curve_never_reaches_100_percent_when_one_failed(summary):
    assert (summary.curve.p50, summary.curve.p90, summary.curve.p100) == (141.0, None, None)
    assert summary.curve.points[-1] == (141.0, 3)


def test_a_large_curve_is_thinned_and_keeps_its_last_point(make_plan, create):
    plan = make_plan(1000, ("web",))
    events = [RunStarted(at=0, run="r", manifest="m")]
    for number, deployment in enumerate(plan.deployments):
        events += create(deployment.key, float(number))
    curve = summarise(build_history(plan, events)).curve
    assert len(curve.points) == 200
    assert curve.points[-1] == (curve.p100, 1000)


def test_calls_of_two_parts_add_up_from_the_last_count_of_each(plan):
    def count(at, creates):
        return Measured(at=at, cloud="de", calls={"create_release": creates}, answers={"ok": creates})

    events = [
        RunStarted(at=0, run="r", manifest="m"),
        count(1, 2),
        count(2, 5),
        RunStarted(at=10, run="r", manifest="m", resumed=True),
        count(11, 3),
        RunFinished(at=12, exit_code=0),
    ]
    calls = summarise(build_history(plan, events)).api_calls
    assert (calls.total, calls.by_kind, calls.by_verdict) == (8, {"create_release": 8}, {"ok": 8})
    assert calls.complete is False  # the first part was killed after its last count
    assert summarise(build_history(plan, events[3:])).api_calls.complete is True


def test_limits_show_what_was_configured_and_the_peak_over_all_parts(summary):
    writes = summary.limits["nl"]["writes"]
    assert (writes.configured, writes.most, writes.observed_peak, writes.within) == ("10/min", 10, 1, True)
    assert (writes.throttles, writes.throttled) == (1, 60.0)
    assert summary.limits["de"]["writes"].learned_rate == 0.16
    assert set(summary.limits["de"]) == {"writes", "reads", "in_flight", "per_cluster", "connections"}


def test_a_percentage_limit_is_taken_of_the_clouds_deployments(make_plan):
    spec = CloudSpec(
        name="de", limits=Limits(in_flight=IntOrPercent(50, percent=True), per_cluster=IntOrPercent(50, percent=True))
    )
    plan = make_plan(4, ("a", "b", "c", "d"), clouds={"de": spec, "nl": CloudSpec(name="nl")})
    limits = summarise(build_history(plan, [])).limits["de"]
    assert (limits["in_flight"].configured, limits["in_flight"].most) == ("50%", 4)
    assert limits["per_cluster"].most == 2


def test_intents_reveal_a_write_limit_that_no_single_process_saw_broken(make_plan):
    spec = CloudSpec(name="de", limits=Limits(writes=Rate(3, 60.0)))
    plan = make_plan(5, ("web",), clouds={"de": spec, "nl": CloudSpec(name="nl")})

    def write(at, number):
        return Intended(at=at, key=f"id-{number}/apps/web", operation=Operation.CREATE, attempt=1)

    def counted(at):
        return Measured(at=at, cloud="de", peaks={"writes": 2})

    events = [
        RunStarted(at=0, run="r", manifest="m"),
        *(write(1, 1), write(2, 3), counted(3)),
        RunStarted(at=20, run="r", manifest="m", resumed=True),
        *(write(21, 5), write(22, 1), counted(23)),
    ]
    writes = summarise(build_history(plan, events)).limits["de"]["writes"]
    assert (writes.measured_peak, writes.intended_peak, writes.observed_peak, writes.within) == (2, 4, 4, False)


@pytest.mark.parametrize(
    ("times", "peak"), [([], 0), ([5.0], 1), ([0, 10, 20], 1), ([0, 9.9, 10.1], 2), ([3, 1, 2, 30], 3)]
)
def test_the_peak_is_the_most_in_any_half_open_window(times, peak):
    assert peak_in_window(times, 10.0) == peak
