"""Trying part of a run again."""

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import (
    ChartRef,
    Cluster,
    Deferral,
    Deployment,
    Operation,
    Outcome,
    ReleaseSpec,
    key_of,
)
from batch_deployer.plan.plan import Plan
from batch_deployer.plan.retry import open_keys, plan_retry

NAMES = ("good", "broken", "untouched", "skipped", "killed")


def a_plan():
    cluster = Cluster(id="c", name="c", cloud="sim")
    return Plan(
        name="nightly",
        clouds={},
        deployments=tuple(
            Deployment(
                key=key_of("c", "ns", name),
                cluster=cluster,
                release=ReleaseSpec(name=name, namespace="ns", chart=ChartRef(id="x"), version="1"),
            )
            for name in NAMES
        ),
    )


EVENTS = (
    e.Intended(at=1, key="c/ns/good", operation=Operation.CREATE, attempt=1),
    e.Intended(at=1, key="c/ns/broken", operation=Operation.CREATE, attempt=1),
    e.Finished(at=2, key="c/ns/good", outcome=Outcome.DEPLOYED),
    e.Finished(at=2, key="c/ns/broken", outcome=Outcome.TIMED_OUT),
    e.Finished(at=2, key="c/ns/skipped", outcome=Outcome.NOT_STARTED, reason="halted"),
    e.Intended(at=3, key="c/ns/killed", operation=Operation.CREATE, attempt=1),
)


@pytest.mark.parametrize(
    ("failed", "not_started", "names"),
    [
        (True, False, ["broken"]),
        (False, True, ["untouched", "skipped"]),
        (True, True, ["broken", "untouched", "skipped"]),
    ],
)
def test_only_what_was_asked_for_is_tried_again_in_plan_order(failed, not_started, names):
    chosen = plan_retry(a_plan(), EVENTS, failed=failed, not_started=not_started)
    assert [each.release.name for each in chosen.deployments] == names


def test_what_was_under_way_when_the_run_died_is_named():
    assert list(open_keys(a_plan(), EVENTS)) == ["c/ns/killed"]


def test_a_refused_write_leaves_nothing_under_way():
    events = (*EVENTS, e.Refused(at=4, key="c/ns/killed", operation=Operation.CREATE, why="throttled"))
    assert list(open_keys(a_plan(), events)) == []
    chosen = plan_retry(a_plan(), events, failed=False, not_started=True)
    assert [each.release.name for each in chosen.deployments] == ["untouched", "skipped", "killed"]


def test_what_was_deleted_and_not_created_again_is_still_under_way():
    key = "c/ns/killed"
    events = (
        *EVENTS,
        e.Accepted(at=4, key=key, operation=Operation.DELETE),
        e.Intended(at=5, key=key, operation=Operation.CREATE, attempt=2),
        e.Refused(at=6, key=key, operation=Operation.CREATE, why="held back"),
    )
    assert list(open_keys(a_plan(), events)) == [key]
    assert key not in {each.key for each in plan_retry(a_plan(), events, failed=True, not_started=True).deployments}


@pytest.mark.parametrize(
    ("events", "taken"),
    [
        ([e.Finished(at=5, key="c/ns/untouched", outcome=Outcome.DEFERRED)], True),
        ([e.Deferred(at=5, key="c/ns/untouched", cause=Deferral.OPERATOR, why="put aside")], True),
        (
            [
                e.Deferred(at=5, key="c/ns/untouched", cause=Deferral.CLUSTER, why="asleep"),
                e.Requeued(at=6, key="c/ns/untouched"),
            ],
            False,
        ),
        ([e.Deferred(at=5, key="c/ns/untouched", cause=Deferral.CLOUD, why="no answer")], False),
        (
            [
                e.Deferred(at=5, key="c/ns/untouched", cause=Deferral.CLUSTER, why="asleep"),
                e.Finished(at=6, key="c/ns/untouched", outcome=Outcome.UNREACHABLE),
            ],
            False,
        ),
    ],
)
def test_what_was_deferred_is_tried_again_only_on_wish(events, taken):
    def names(**which):
        return {each.release.name for each in plan_retry(a_plan(), (*EVENTS, *events), **which).deployments}

    assert ("untouched" in names(deferred=True)) is taken
    if taken:
        assert "untouched" not in names(failed=True, not_started=True)
        assert names(deferred=True) == {"untouched"}
