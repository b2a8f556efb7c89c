"""What became of each deployment, whatever happened to the run."""

import pytest

from batch_deployer.model.deployment import Action, Deferral, Operation, Outcome
from batch_deployer.model.events import (
    Accepted,
    Confirmed,
    Deferred,
    Finished,
    Intended,
    Missing,
    Planned,
    Refused,
    Requeued,
    RunFinished,
    RunStarted,
    Seen,
    StepCompleted,
    Uncertain,
    Undecided,
    Warned,
)
from batch_deployer.report.deployment_history import State
from batch_deployer.report.rows import Rows
from batch_deployer.report.run_history import build_history
from batch_deployer.report.summary import summarise

KEY = "id-1/apps/web"
CREATE = {"key": KEY, "operation": Operation.CREATE}


def test_every_deployment_of_the_plan_is_told_once_even_when_nothing_happened(plan):
    story = build_history(plan, [])
    assert [row.key for row in Rows(story)] == [deployment.key for deployment in plan.deployments]
    assert {row.outcome for row in Rows(story)} == {"not_started"}
    assert story.state == "killed"


def test_a_record_holds_attempts_times_refusals_request_ids_and_the_outcome(plan, bad_night, start):
    record = build_history(plan, bad_night).records["id-2/apps/web"]
    assert (record.action, record.outcome, record.status, record.revision) == ("upgrade", Outcome.FAILED, "FAILED", 5)
    assert (record.attempts, record.refusals, record.uncertain) == (2, 1, 1)
    assert record.request_ids == "req-lost"
    assert (record.planned, record.started) == (start + 141, start + 142)
    assert (record.accepted, record.finished) == (start + 270, start + 300)
    assert (record.duration, record.install_duration) == (158.0, 30.0)
    assert record.fingerprint == "helm"


@pytest.mark.parametrize(
    ("events", "state", "word", "told"),
    [
        ([Planned(at=1, key=KEY, action=Action.CREATE)], State.WAITING, "not_started", "not started"),
        ([Undecided(at=1, key=KEY, why="cluster is Upgrading")], State.WAITING, "not_started", "cluster is Upgrading"),
        ([Intended(at=1, attempt=1, **CREATE)], State.SENDING, "in_flight", "may have left"),
        (
            [Intended(at=1, attempt=1, **CREATE), Refused(at=2, why="locked", **CREATE)],
            State.REFUSED,
            "not_started",
            "not executed (locked)",
        ),
        (
            [
                Intended(at=1, key=KEY, operation=Operation.DELETE, attempt=1),
                Accepted(at=2, key=KEY, operation=Operation.DELETE),
                Intended(at=3, attempt=2, **CREATE),
                Refused(at=4, why="locked", **CREATE),
            ],
            State.REFUSED,
            "in_flight",
            "not executed (locked)",
        ),
        (
            [Intended(at=1, attempt=1, **CREATE), Uncertain(at=2, why="reset", **CREATE)],
            State.READING_BACK,
            "in_flight",
            "must be read back",
        ),
        (
            [Intended(at=1, attempt=1, **CREATE), Uncertain(at=2, why="reset", **CREATE), Missing(at=3, **CREATE)],
            State.REFUSED,
            "not_started",
            "did not take effect",
        ),
        (
            [
                Intended(at=1, attempt=1, **CREATE),
                Accepted(at=2, **CREATE),
                Seen(at=3, key=KEY, status="PENDING_INSTALL"),
            ],
            State.WATCHING,
            "in_flight",
            "last status PENDING_INSTALL",
        ),
        ([Confirmed(at=1, status="PENDING_INSTALL", **CREATE)], State.WATCHING, "in_flight", "at work"),
        (
            [Intended(at=1, attempt=1, **CREATE), Accepted(at=2, **CREATE), StepCompleted(at=3, **CREATE)],
            State.BETWEEN,
            "in_flight",
            "next step",
        ),
    ],
)
def test_a_killed_run_says_of_each_deployment_where_it_was_left(plan, events, state, word, told):
    story = build_history(plan, [RunStarted(at=0, run="r", manifest="m"), *events])
    row = next(iter(Rows(story)))
    assert (story.state, row.state, row.outcome) == ("killed", state.value, word)
    assert told in row.reason


def test_an_unfinished_run_with_a_live_process_is_running(plan, bad_night):
    assert build_history(plan, bad_night[:-1], alive=True).state == "running"
    assert build_history(plan, bad_night[:-1]).state == "killed"
    assert build_history(plan, bad_night).state == "halted"


@pytest.mark.parametrize(
    ("code", "state"), [(0, "finished"), (1, "finished"), (130, "interrupted"), (143, "interrupted")]
)
def test_the_state_of_a_run_that_ended_follows_its_exit_code(plan, code, state):
    story = build_history(plan, [RunStarted(at=0, run="r", manifest="m"), RunFinished(at=1, exit_code=code)])
    assert story.state == state


def test_a_resumed_run_is_one_story_of_two_parts(plan, bad_night, create, start):
    first = bad_night[:7]
    again = [
        RunStarted(at=start + 500, run="run-1", manifest="nightly", pid=8, resumed=True),
        *create("id-1/apps/agent", start + 510)[1:],
        RunFinished(at=start + 600, exit_code=0),
    ]
    story = build_history(plan, [*first, *again])
    assert [(part.pid, part.resumed, part.whole) for part in story.parts] == [(7, False, False), (8, True, True)]
    assert story.records["id-1/apps/agent"].outcome is Outcome.DEPLOYED
    assert story.state == "finished"


def test_what_an_earlier_part_left_unstarted_takes_the_later_parts_outcome(plan, create):
    events = [
        RunStarted(at=0, run="r", manifest="m"),
        Finished(at=1, key=KEY, outcome=Outcome.NOT_STARTED, reason="interrupted"),
        RunFinished(at=2, exit_code=130),
        RunStarted(at=10, run="r", manifest="m", resumed=True),
        *create(KEY, 20.0),
    ]
    half = build_history(plan, events[:-1])
    assert (half.records[KEY].word, half.records[KEY].reason) == ("in_flight", "")
    assert build_history(plan, events).records[KEY].outcome is Outcome.DEPLOYED


def test_events_of_a_stranger_and_repeated_warnings_are_counted_not_lost(plan):
    events = [Warned(at=1, message="slow disk"), Warned(at=2, message="slow disk"), Seen(at=3, key="x/y/z", status="A")]
    story = build_history(plan, events)
    assert story.warnings == {"slow disk": 2}
    assert story.strangers == 1


def asleep(at, cause=Deferral.CLUSTER):
    return Deferred(at=at, key=KEY, cause=cause, why="the cluster is Hibernation", phase="Hibernation")


@pytest.mark.parametrize(
    ("events", "word", "since", "phase"),
    [
        ([asleep(1.0)], "deferred", 1.0, "Hibernation"),
        ([asleep(1.0), asleep(5.0, Deferral.OPERATOR)], "deferred", 1.0, "Hibernation"),
        ([asleep(1.0), Requeued(at=2.0, key=KEY)], "not_started", None, ""),
        ([asleep(1.0), Requeued(at=2.0, key=KEY), asleep(3.0)], "deferred", 3.0, "Hibernation"),
        ([asleep(1.0), Finished(at=2.0, key=KEY, outcome=Outcome.DEFERRED)], "deferred", 1.0, "Hibernation"),
        ([Finished(at=2.0, key=KEY, outcome=Outcome.DEFERRED)], "deferred", 2.0, ""),
        ([asleep(1.0, Deferral.CLOUD)], "not_started", 1.0, "Hibernation"),
        ([asleep(1.0), Finished(at=2.0, key=KEY, outcome=Outcome.UNREACHABLE)], "unreachable", None, ""),
        (
            [Intended(at=0.0, attempt=1, **CREATE), Accepted(at=0.5, **CREATE), asleep(1.0)],
            "in_flight",
            1.0,
            "Hibernation",
        ),
    ],
)
def test_what_is_deferred_is_told_with_its_phase_and_since_when(plan, events, word, since, phase):
    record = build_history(plan, events).records[KEY]
    assert (record.word, record.deferred, record.phase) == (word, since, phase)


def test_deferred_ones_count_neither_as_good_nor_as_failures_nor_in_the_time_to_100_percent(plan):
    others = [each.key for each in plan.deployments if each.key != KEY]
    ended = [Finished(at=10.0, key=key, outcome=Outcome.DEPLOYED) for key in others]
    story = build_history(plan, [RunStarted(at=0.0, run="r", manifest="m"), asleep(1.0), *ended])
    summary = summarise(story)
    assert (summary.totals.good, summary.totals.outcomes["deferred"]) == (len(others), 1)
    assert summary.failures == []
    assert summary.curve.p100 == 10.0
    assert [(each.key, each.phase, each.since) for each in summary.deferred] == [
        (KEY, "Hibernation", "1970-01-01T00:00:01.000Z")
    ]
