"""The table of phases: every pair of phase and event is either a row or an illegal move."""

from functools import reduce
from itertools import product
from typing import get_args

import pytest

from batch_deployer.errors import IllegalTransition
from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, Deferral, Operation, Outcome
from batch_deployer.rules.lifecycle import NEXT, UNDER_WAY, Phase, advance

LEGAL = {
    "waiting": {
        "planned": "waiting",
        "undecided": "waiting",
        "intended": "intended",
        "confirmed": "watching",
        "deferred": "deferred",
        "finished": "finished",
    },
    "deferred": {"deferred": "deferred", "requeued": "waiting", "finished": "finished"},
    "intended": {"accepted": "watching", "refused": "waiting", "uncertain": "uncertain", "finished": "finished"},
    "uncertain": {
        "confirmed": "watching",
        "missing": "waiting",
        "seen": "uncertain",
        "deferred": "uncertain",
        "requeued": "uncertain",
        "finished": "finished",
    },
    "watching": {
        "seen": "watching",
        "settled": "waiting",
        "deferred": "watching",
        "requeued": "watching",
        "finished": "finished",
    },
    "finished": {},
}

KEY = {"at": 1.0, "key": "c/ns/web"}
CREATE = {**KEY, "operation": Operation.CREATE}
EVENTS = {
    "planned": e.Planned(**KEY, action=Action.CREATE),
    "intended": e.Intended(**CREATE, attempt=1),
    "accepted": e.Accepted(**CREATE),
    "refused": e.Refused(**CREATE, why="throttled"),
    "uncertain": e.Uncertain(**CREATE, why="timeout"),
    "confirmed": e.Confirmed(**CREATE),
    "missing": e.Missing(**CREATE),
    "undecided": e.Undecided(**KEY, why="waits for cert-manager"),
    "deferred": e.Deferred(**KEY, cause=Deferral.CLUSTER, why="the cluster is Hibernation", phase="Hibernation"),
    "requeued": e.Requeued(**KEY),
    "seen": e.Seen(**KEY, status="PENDING_INSTALL"),
    "settled": e.StepCompleted(**CREATE),
    "finished": e.Finished(**KEY, outcome=Outcome.DEPLOYED),
}
PAIRS = list(product(LEGAL, EVENTS))


def test_the_tables_here_name_every_phase_and_every_event_of_a_deployment():
    assert set(LEGAL) == set(Phase)
    assert {type(event) for event in EVENTS.values()} == set(get_args(e.DeploymentEvent))


@pytest.mark.parametrize(("phase", "event"), [pair for pair in PAIRS if pair[1] in LEGAL[pair[0]]])
def test_a_legal_move_leads_to_the_phase_of_its_row(phase, event):
    assert advance(Phase(phase), EVENTS[event]) is Phase(LEGAL[phase][event])


@pytest.mark.parametrize(("phase", "event"), [pair for pair in PAIRS if pair[1] not in LEGAL[pair[0]]])
def test_an_illegal_move_raises_names_the_deployment_and_changes_nothing(phase, event):
    before = dict(NEXT)
    with pytest.raises(IllegalTransition, match=rf"{type(EVENTS[event]).__name__} cannot follow {phase} for c/ns/web"):
        advance(Phase(phase), EVENTS[event])
    assert before == NEXT


def test_nothing_follows_the_end_and_everything_else_can_end():
    assert [phase for phase in Phase if "finished" not in LEGAL[phase]] == [Phase.FINISHED]
    assert not LEGAL["finished"]


def test_what_may_be_on_its_way_counts_as_under_way():
    assert {Phase.INTENDED, Phase.UNCERTAIN, Phase.WATCHING} == UNDER_WAY


@pytest.mark.parametrize(
    "story",
    [
        "planned intended accepted seen seen finished",
        "planned intended refused intended uncertain missing intended uncertain seen confirmed seen finished",
        "undecided planned confirmed seen finished",
        "planned intended accepted settled intended accepted settled intended accepted finished",
        "planned finished",
    ],
)
def test_a_journal_folds_to_the_end(story):
    assert reduce(advance, (EVENTS[word] for word in story.split()), Phase.WAITING) is Phase.FINISHED
