"""What changed from one night to the next."""

import json
from dataclasses import replace

import pytest

from batch_deployer.model.deployment import Outcome
from batch_deployer.model.events import Finished, RunStarted
from batch_deployer.report.diff import compare, to_json, to_text
from batch_deployer.report.run_history import build_history

KEY = "id-1/apps/web"


def night(plan, run, *events):
    return build_history(plan, [RunStarted(at=0.0, run=run, manifest="nightly"), *events])


def test_two_equal_nights_differ_in_nothing(plan, create):
    before, after = (night(plan, run, *create(KEY, 5.0)) for run in ("a", "b"))
    difference = compare(before, after)
    assert (difference.new, difference.gone, difference.changes, difference.paces) == ([], [], [], [])
    assert "nothing else changed" in "".join(to_text(difference))


def test_new_and_gone_deployments_are_named(make_plan):
    difference = compare(night(make_plan(2, ("web",)), "a"), night(make_plan(1, ("web", "db")), "b"))
    assert (difference.new, difference.gone) == (["c1/apps/db"], ["c2/apps/web"])


def test_a_changed_outcome_carries_its_reason(plan, create):
    failed = Finished(at=9.0, key=KEY, outcome=Outcome.FAILED, reason="no such image")
    (change,) = compare(night(plan, "a", *create(KEY, 5.0)), night(plan, "b", failed)).changes
    assert (change.what, change.before, change.after) == ("outcome", "deployed", "failed: no such image")


def test_changed_versions_and_values_are_told_but_no_value_is_shown(plan):
    first = plan.deployments[0]
    release = replace(first.release, version="2.0.0", values_json='{"password":"${secret:env:PW}"}')
    later = replace(plan, deployments=(replace(first, release=release), *plan.deployments[1:]))
    difference = compare(night(plan, "a"), night(later, "b"))
    assert [(c.what, c.before, c.after) for c in difference.changes] == [
        ("version", "1.2.3", "2.0.0"),
        ("values", "", "other values"),
    ]
    assert "PW" not in to_json(difference)


@pytest.mark.parametrize(
    ("before", "after", "told"), [(30.0, 80.0, True), (80.0, 30.0, True), (30.0, 55.0, False), (300.0, 350.0, False)]
)
def test_only_notable_durations_count_as_changed(plan, create, before, after, told):
    paces = compare(night(plan, "a", *create(KEY, 5.0, before)), night(plan, "b", *create(KEY, 5.0, after))).paces
    assert [(pace.before, pace.after) for pace in paces] == ([(before, after)] if told else [])


def test_the_text_counts_outcomes_of_both_nights_and_cuts_long_lists(make_plan, create):
    small, large = make_plan(1, ("web",)), make_plan(9, ("web",))
    text = "".join(to_text(compare(night(small, "a"), night(large, "b", *create(KEY, 5.0))), most=3))
    assert "a (nightly) -> b (nightly)" in text
    assert "new: 8" in text
    assert "and 5 more; --format json has all" in text
    assert next(line.split() for line in text.splitlines() if "deployed" in line) == ["deployed", "0", "1", "+1"]


def test_the_json_has_its_version_and_both_sides(plan, create):
    document = json.loads(to_json(compare(night(plan, "a"), night(plan, "b", *create(KEY, 5.0)))))
    assert document["version"] == 1
    assert (document["before"]["run"], document["after"]["run"]) == ("a", "b")
    assert document["changes"] == [
        {"key": KEY, "name": "c1/apps/web", "what": "outcome", "before": "not_started", "after": "deployed"}
    ]
