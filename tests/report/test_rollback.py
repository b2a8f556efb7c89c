"""A run that takes another back: what it rolled back is what was wanted, and nothing tells it as a failure."""

from dataclasses import replace

import pytest

from batch_deployer.model import events as e
from batch_deployer.model.deployment import Action, ConfirmedState, Operation, Outcome, RollbackStep
from batch_deployer.observe.counters import RunCounters
from batch_deployer.plan.retry import plan_retry
from batch_deployer.report.formats.html import to_html
from batch_deployer.report.formats.junit import to_junit
from batch_deployer.report.formats.markdown import to_markdown
from batch_deployer.report.formats.text import to_text
from batch_deployer.report.run_history import build_history
from batch_deployer.report.summary import summarise


def rolled_back(plan):
    yield e.RunStarted(at=1.0, run="back", manifest=plan.name)
    for key in (deployment.key for deployment in plan.deployments):
        yield e.Planned(at=2.0, key=key, action=Action.ROLLBACK)
        yield e.Intended(at=3.0, key=key, operation=Operation.ROLLBACK, attempt=1)
        yield e.Accepted(at=4.0, key=key, operation=Operation.ROLLBACK)
        yield e.Finished(at=9.0, key=key, outcome=Outcome.ROLLED_BACK, reason="back to what revision 1 was")


@pytest.fixture(params=[True, False], ids=["taken back", "failed upgrade"])
def undone(request, make_plan):
    """A plan whose deployments all end rolled back, and whether that was wanted."""
    plan = make_plan()
    undo = (
        RollbackStep(action=Action.ROLLBACK, revision=1, expected=ConfirmedState(revision=2)) if request.param else None
    )
    return replace(plan, deployments=[replace(each, undo=undo) for each in plan.deployments]), request.param


def test_the_numbers_count_it_as_good_only_if_it_was_wanted(undone):
    plan, wanted = undone
    summary = summarise(build_history(plan, rolled_back(plan)))
    assert summary.totals.good == (6 if wanted else 0)
    assert [wave.good for wave in summary.waves] == ([2, 4] if wanted else [0, 0])
    assert summary.curve.p100 == (8.0 if wanted else None)
    assert bool(summary.failures) is not wanted


def test_every_format_tells_it_as_a_failure_only_if_it_was_not_wanted(undone):
    plan, wanted = undone
    story = build_history(plan, rolled_back(plan))
    assert ("failures, most frequent first" in "".join(to_text(story))) is not wanted
    assert ("## Failures" in "".join(to_markdown(story))) is not wanted
    assert ("Failures, most frequent first" in "".join(to_html(story))) is not wanted
    assert ('failures="0"' in "".join(to_junit(story)).splitlines()[1]) is wanted


def test_live_counts_and_a_retry_agree(undone):
    plan, wanted = undone
    tally = RunCounters(plan)
    events = list(rolled_back(plan))
    for event in events:
        tally.on_event(event)
    assert (tally.succeeded, len(tally.failed)) == ((6, 0) if wanted else (0, 5))
    assert len(plan_retry(plan, events, failed=True, not_started=False).deployments) == (0 if wanted else 6)
