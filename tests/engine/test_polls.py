"""What a look says anew of a deployment that is under way: mostly nothing."""

import msgspec
import pytest

from batch_deployer.engine.deployment_state import DeploymentState
from batch_deployer.engine.poll_results import is_unchanged
from batch_deployer.model import events as e
from batch_deployer.model.api import ReleaseState, Status
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.lifecycle import Phase
from batch_deployer.settings import IntOrPercent, Limits, Rate


@pytest.fixture
def track(make):
    """Seen pending at revision 3, with ten minutes to go."""
    track = DeploymentState(make.deployment(make.cluster(0), make.release()), 0)
    track.phase, track.operation = Phase.WATCHING, Operation.UPGRADE
    track.shown, track.deadline = seen(), 600.0
    return track


def seen(status=Status.PENDING_UPGRADE, revision=3, created=""):
    return ReleaseState(name="web", namespace="apps", status=status, revision=revision, created_at=created)


def test_what_is_still_pending_as_before_is_no_news(track):
    assert is_unchanged(track, seen(), 599.0)


@pytest.mark.parametrize(
    ("state", "now"),
    [
        (None, 0.0),
        (seen(Status.DEPLOYED), 0.0),
        (seen(Status.PENDING_ROLLBACK), 0.0),
        (seen(revision=4), 0.0),
        (seen(created="2026-01-01T00:00:00Z"), 0.0),
        (seen(), 600.0),
    ],
    ids=["gone", "ended", "another status", "another revision", "created anew", "its time is over"],
)
def test_whatever_differs_is_news(track, state, now):
    assert not is_unchanged(track, state, now)


def test_a_resumed_run_judges_the_first_poll_whatever_the_journal_has_seen(track):
    track.shown = None
    track.status, track.revision = Status.PENDING_UPGRADE, 3
    assert not is_unchanged(track, seen(), 0.0)


@pytest.mark.parametrize(
    ("phase", "operation"), [(Phase.UNCERTAIN, Operation.UPGRADE), (Phase.WATCHING, Operation.DELETE)]
)
def test_a_write_of_unknown_fate_and_a_delete_are_always_judged(track, phase, operation):
    track.phase, track.operation = phase, operation
    assert not is_unchanged(track, seen(), 0.0)


def test_looks_that_are_due_near_each_other_leave_together(make, act):
    """Of 200 releases that are watched at once there are far more looks than moments at which the process must wake up."""
    limits = Limits(
        writes=Rate(10, 1.0), reads=Rate(500, 1.0), in_flight=IntOrPercent(1000), per_cluster=IntOrPercent(5)
    )
    plan = make.plan(200, limits=limits)
    show = act(plan)
    assert make.tally(show, plan) == {"deployed": 200}
    at = [called.at for called in show.sent("list_releases")]
    assert len(at) > 600
    assert len({round(moment, 3) for moment in at}) < len(at) * 2 / 3


def test_an_end_that_was_noticed_late_is_not_learned_as_a_long_install(make, act):
    """One connection, taken by writes for as long as there are any: the first looks come long after the first ends."""
    limits = Limits(
        writes=Rate(500, 1.0),
        reads=Rate(500, 1.0),
        in_flight=IntOrPercent(1000),
        per_cluster=IntOrPercent(5),
        connections=1,
    )
    plan = make.plan(100, ("web", "db", "cache", "queue", "mail"), limits=limits)
    world = make.world(plan)
    quick = tuple(msgspec.structs.replace(chart, install=2.0, spread=0.0) for chart in world.charts)
    show = act(plan, world=msgspec.structs.replace(world, charts=quick))

    sent, noticed = show.of(e.Accepted)[0].at, show.of(e.Finished)[0].at
    (learned,) = show.engine.learned.values()
    assert noticed - sent > 10.0
    assert max(learned) <= plan.settings.poll.initial_delay
