"""What a look may be believed: stale reads never count, and an ambiguous write is found out by its traces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.model.api import PENDING, ReleaseState
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.observation import (
    Baseline,
    PollResult,
    WriteOutcome,
    classify_poll,
    classify_uncertain_write,
    different_times,
    timestamp,
)

BEFORE, THEN, LATER = "2026-01-02T02:00:00+08:00", "2026-01-02T03:00:00+08:00", "2026-01-02T03:01:00+08:00"
SENT = timestamp(THEN)
UPDATES = (Operation.UPGRADE, Operation.ROLLBACK)
TERMINAL = ("DEPLOYED", "SUPERSEDED", "FAILED", "UNKNOWN", "DELETING", "DELETED")


def a_state(status, revision=1, *, updated=LATER, created=LATER, version="1.0.0", text=""):
    return ReleaseState(
        name="web",
        namespace="shop",
        chart_name="web",
        chart_version=version,
        revision=revision,
        status=status,
        status_description=text,
        created_at=created,
        updated_at=updated,
    )


def a_baseline(operation, revision=0, updated=THEN, *, created="", made=(), pending_revision=0):
    return Baseline(
        operation=operation,
        revision=revision,
        updated_at=updated if revision else "",
        created_at=created,
        made=made,
        pending_revision=pending_revision,
    )


def sight(base, state):
    return classify_poll(base, state)[0]


# -- an operation under way --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(PENDING))
@pytest.mark.parametrize("operation", [Operation.CREATE, *UPDATES])
def test_pending_goes_on_whoever_caused_it(operation, status):
    assert sight(a_baseline(operation, 3), a_state(status, 4)) is PollResult.IN_PROGRESS


@pytest.mark.parametrize(
    ("status", "seen", "reason"),
    [
        ("DEPLOYED", PollResult.SUCCEEDED, ""),
        ("SUPERSEDED", PollResult.SUCCEEDED, ""),
        ("FAILED", PollResult.FAILED, "create ended FAILED"),
        ("UNKNOWN", PollResult.FAILED, "status UNKNOWN: delete it by hand and install it again"),
        ("DELETING", PollResult.THEIRS, "it is being deleted (DELETING)"),
        ("DELETED", PollResult.THEIRS, "it is being deleted (DELETED)"),
        ("QUEUED", PollResult.IN_PROGRESS, ""),
        ("", PollResult.IN_PROGRESS, ""),
    ],
)
def test_after_a_create_each_status_has_its_meaning(status, seen, reason):
    assert classify_poll(a_baseline(Operation.CREATE), a_state(status)) == (seen, reason)


@pytest.mark.parametrize("status", ["FAILED", "UNKNOWN"])
def test_the_clouds_own_words_are_the_reason_of_a_failure(status):
    state = a_state(status, text="timed out waiting for the condition")
    assert classify_poll(a_baseline(Operation.CREATE), state) == (
        PollResult.FAILED,
        "timed out waiting for the condition",
    )


@pytest.mark.parametrize("operation", [Operation.CREATE, *UPDATES])
def test_a_release_missing_from_the_list_is_gone_or_not_visible_yet(operation):
    assert classify_poll(a_baseline(operation, 3), None) == (PollResult.ABSENT, "the release is no longer there")


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize("status", TERMINAL)
def test_after_an_update_no_terminal_status_of_the_baseline_counts(operation, status):
    assert classify_poll(a_baseline(operation, 3), a_state(status, 3, updated=THEN)) == (PollResult.STALE, "")


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize("status", ["DEPLOYED", "FAILED"])
@pytest.mark.parametrize(
    ("base", "state"),
    [
        ({}, {"revision": 4, "updated": LATER}),
        ({}, {"revision": 4, "updated": THEN}),
        ({}, {"revision": 3, "updated": LATER}),
        ({"pending_revision": 3}, {"revision": 3, "updated": THEN}),
        ({"updated": ""}, {"revision": 4, "updated": ""}),
    ],
)
def test_a_terminal_status_counts_once_the_revision_or_the_time_moved_or_pending_was_seen(
    operation, status, base, state
):
    expected = {"DEPLOYED": PollResult.SUCCEEDED, "FAILED": PollResult.FAILED}[status]
    assert sight(a_baseline(operation, 3, **base), a_state(status, **state)) is expected


@pytest.mark.parametrize("operation", UPDATES)
def test_a_stale_read_after_pending_was_seen_at_the_new_revision_does_not_count(operation):
    base = a_baseline(operation, 3, pending_revision=4)
    assert sight(base, a_state("DEPLOYED", 3, updated=THEN)) is PollResult.STALE
    assert sight(base, a_state("DEPLOYED", 4, updated=THEN)) is PollResult.SUCCEEDED


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize("updated", [BEFORE, ""])
def test_a_read_from_before_the_baseline_is_stale_too(operation, updated):
    assert sight(a_baseline(operation, 3), a_state("DEPLOYED", 2, updated=updated)) is PollResult.STALE


def test_without_any_time_the_same_revision_is_stale():
    assert sight(a_baseline(Operation.UPGRADE, 3, ""), a_state("DEPLOYED", 3, updated=LATER)) is PollResult.STALE


@pytest.mark.parametrize("updated", ["", "2026-01-01T19:00:00Z"])
def test_a_time_that_is_missing_or_only_written_differently_has_not_moved(updated):
    state = a_state("DEPLOYED", 3, updated=updated)
    assert sight(a_baseline(Operation.UPGRADE, 3), state) is PollResult.STALE
    assert fate(a_baseline(Operation.UPGRADE, 3), state) == (WriteOutcome.NOT_VISIBLE, "")


def test_times_that_cannot_be_read_can_still_be_told_apart():
    base = a_baseline(Operation.UPGRADE, 3, "some time")
    assert sight(base, a_state("DEPLOYED", 3, updated="some time")) is PollResult.STALE
    assert sight(base, a_state("DEPLOYED", 3, updated="another time")) is PollResult.SUCCEEDED


OURS = {"created": BEFORE, "made": (4,)}


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize("status", ["DEPLOYED", "SUPERSEDED", "FAILED", "UNKNOWN", "PENDING_UPGRADE"])
@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"revision": 5, "created": BEFORE}, "revision 5 runs, ours is 4"),
        ({"revision": 9, "created": ""}, "revision 9 runs, ours is 4"),
        ({"revision": 1, "created": LATER}, "revision 1 runs, ours is 4"),
        ({"revision": 1, "created": ""}, "revision 1 runs, ours is 4"),
        ({"revision": 3, "created": LATER}, f"it was created anew at {LATER}"),
        ({"revision": 4, "created": LATER}, f"it was created anew at {LATER}"),
    ],
)
def test_what_our_write_cannot_have_made_is_somebody_elses(operation, status, state, named):
    seen, reason = classify_poll(a_baseline(operation, 3, **OURS), a_state(status, **state))
    assert seen is PollResult.THEIRS
    assert named in reason.replace(" (PENDING_UPGRADE)", "")


@pytest.mark.parametrize(
    ("made", "revision", "seen"),
    [
        ((4,), 4, PollResult.SUCCEEDED),
        ((4, 5), 5, PollResult.SUCCEEDED),
        ((4, 5), 6, PollResult.THEIRS),
        ((), 9, PollResult.SUCCEEDED),
        ((4,), 0, None),
    ],
)
def test_each_write_of_unknown_fate_may_have_made_one_revision(made, revision, seen):
    found = sight(a_baseline(Operation.UPGRADE, 3, made=made), a_state("DEPLOYED", revision))
    assert found is (seen or PollResult.SUCCEEDED)


@pytest.mark.parametrize(
    "created", [BEFORE, "2026-01-01T18:00:00Z", "2026-01-02T02:00:00.4+08:00", "", "soon", "0001-01-01T00:00:00Z"]
)
def test_a_creation_time_that_is_the_same_or_cannot_be_read_proves_nothing(created):
    assert (
        sight(a_baseline(Operation.UPGRADE, 3, **OURS), a_state("DEPLOYED", 4, created=created)) is PollResult.SUCCEEDED
    )


@pytest.mark.parametrize("status", ["DEPLOYED", "FAILED", "UNKNOWN"])
def test_a_chart_or_values_that_we_did_not_send_are_somebody_elses(status):
    state = a_state(status, 4, created=BEFORE)
    seen = classify_poll(a_baseline(Operation.UPGRADE, 3, **OURS), state, contradiction="other values run: replicas")
    assert seen == (PollResult.THEIRS, "other values run: replicas")


@pytest.mark.parametrize("operation", UPDATES)
def test_a_new_time_at_the_old_revision_is_not_the_effect_of_our_write(operation):
    base, state = a_baseline(operation, 3, **OURS), a_state("DEPLOYED", 3, updated=LATER, created=BEFORE)
    assert classify_poll(base, state, contradiction="other values run") == (PollResult.STALE, "")
    assert fate(base, state) == (WriteOutcome.NOT_VISIBLE, "")


@pytest.mark.parametrize("operation", UPDATES)
def test_a_failure_that_made_no_revision_is_ours_once_its_time_moved(operation):
    base = a_baseline(operation, 3, **OURS)
    state = a_state("FAILED", 3, updated=LATER, created=BEFORE, text="template error")
    assert classify_poll(base, state) == (PollResult.FAILED, "template error")
    assert fate(base, state) == (WriteOutcome.APPLIED, "")
    assert sight(base, a_state("FAILED", 3, updated=THEN, created=BEFORE)) is PollResult.STALE


def test_while_it_is_under_way_neither_chart_nor_values_are_compared():
    state = a_state("PENDING_UPGRADE", 4, created=BEFORE)
    found = classify_poll(a_baseline(Operation.UPGRADE, 3, **OURS), state, contradiction="other values run")
    assert found == (PollResult.IN_PROGRESS, "")


@pytest.mark.parametrize("updated", [BEFORE, THEN])
def test_a_stale_poll_is_nobodys_work(updated):
    base = a_baseline(Operation.UPGRADE, 3, **OURS)
    for revision in (1, 2, 3):
        state = a_state("DEPLOYED", revision, updated=updated, created=BEFORE)
        assert classify_poll(base, state, contradiction="other values run") == (PollResult.STALE, "")


@pytest.mark.parametrize(
    ("base", "state", "seen"),
    [
        ({"made": (1,)}, {"revision": 1}, PollResult.SUCCEEDED),
        ({"made": (1,)}, {"revision": 2}, PollResult.THEIRS),
        ({"made": (1,), "created": THEN}, {"revision": 1, "created": THEN}, PollResult.SUCCEEDED),
        ({"made": (1,), "created": THEN}, {"revision": 1, "created": LATER}, PollResult.THEIRS),
        ({"made": (1,), "revision": 3}, {"revision": 1}, PollResult.SUCCEEDED),
        ({"made": (1,), "revision": 3}, {"revision": 2}, PollResult.THEIRS),
        ({"made": (1,), "revision": 3}, {"revision": 3}, PollResult.THEIRS),
        ({"made": (1,), "revision": 3}, {"revision": 3, "updated": THEN}, PollResult.STALE),
        ({"made": (1,), "revision": 3}, {"revision": 2, "updated": BEFORE}, PollResult.STALE),
        ({"made": (1,), "revision": 3}, {"revision": 4, "updated": THEN}, PollResult.THEIRS),
    ],
)
def test_a_create_makes_revision_one_also_where_another_release_was_deleted(base, state, seen):
    assert sight(a_baseline(Operation.CREATE, **base), a_state("DEPLOYED", **state)) is seen


@pytest.mark.parametrize("base", [(3, THEN), (3, "")])
def test_a_create_after_a_delete_is_done_at_its_own_first_revision(base):
    assert sight(a_baseline(Operation.CREATE, *base), a_state("DEPLOYED", 1, updated=LATER)) is PollResult.SUCCEEDED


def test_a_create_after_a_delete_does_not_believe_a_read_of_what_was_deleted():
    base = a_baseline(Operation.CREATE, 1)
    assert sight(base, a_state("FAILED", 1, updated=THEN)) is PollResult.STALE
    assert sight(base, a_state("DEPLOYED", 1, updated=BEFORE)) is PollResult.STALE
    assert sight(base, a_state("DELETING", 1, updated=LATER)) is PollResult.STALE
    assert sight(base, a_state("DELETED", 1, updated=LATER)) is PollResult.STALE
    assert sight(base, a_state("DEPLOYED", 1, updated=LATER)) is PollResult.SUCCEEDED
    assert sight(base, a_state("FAILED", 1, updated=LATER)) is PollResult.FAILED


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        (None, PollResult.SUCCEEDED),
        (a_state("DELETED", 3), PollResult.SUCCEEDED),
        (a_state("DELETING", 3, created=BEFORE), PollResult.IN_PROGRESS),
        (a_state("DEPLOYED", 3, created=BEFORE), PollResult.IN_PROGRESS),
        (a_state("DEPLOYED", 3, created=THEN), PollResult.IN_PROGRESS),
        (a_state("DEPLOYED", 3, created=""), PollResult.IN_PROGRESS),
        (a_state("PENDING_INSTALL", 3, created=BEFORE), PollResult.IN_PROGRESS),
        (a_state("FAILED", 3, created=BEFORE), PollResult.STALE),
        (a_state("UNKNOWN", 3, created=BEFORE), PollResult.STALE),
        (a_state("DEPLOYED", 4, created=BEFORE), PollResult.THEIRS),
        (a_state("DEPLOYED", 1, created=LATER), PollResult.REPLACED),
        (a_state("PENDING_INSTALL", 1, created=LATER), PollResult.REPLACED),
        (a_state("FAILED", 1, created=LATER), PollResult.REPLACED),
    ],
)
def test_a_delete_is_done_when_the_release_is_gone_and_another_is_told_from_it(state, seen):
    assert sight(a_baseline(Operation.DELETE, 3), state) is seen


# -- a write of unknown fate -------------------------------------------------------------------------------------------


def fate(base, state, *, differs="", skew=300.0):
    return classify_uncertain_write(base, state, sent_at=SENT, skew=skew, differs=differs)


@pytest.mark.parametrize("operation", [Operation.CREATE, *UPDATES])
@pytest.mark.parametrize("state", [None, a_state("DELETED")])
def test_what_is_not_there_did_not_take_effect_yet(operation, state):
    assert fate(a_baseline(operation), state) == (WriteOutcome.NOT_VISIBLE, "")


@pytest.mark.parametrize("status", ["PENDING_INSTALL", "DEPLOYED", "FAILED", "UNKNOWN"])
def test_a_release_that_fits_in_every_point_is_our_create(status):
    assert fate(a_baseline(Operation.CREATE), a_state(status)) == (WriteOutcome.APPLIED, "")


@pytest.mark.parametrize(
    ("state", "differs", "reason"),
    [
        (a_state("DEPLOYED"), "values differ", "a release of that name is there, but values differ"),
        (a_state("DEPLOYED", 2), "", "a release of that name is there at revision 2; ours would be 1"),
        (
            a_state("DEPLOYED", created="2026-01-02T02:54:59+08:00"),
            "",
            "a release of that name is there since 2026-01-02T02:54:59+08:00, before ours was sent",
        ),
    ],
)
def test_a_release_that_does_not_fit_is_a_conflict(state, differs, reason):
    assert fate(a_baseline(Operation.CREATE), state, differs=differs) == (WriteOutcome.CONFLICT, reason)


@pytest.mark.parametrize(
    "created", ["2026-01-02T02:55:00+08:00", "2026-01-01T19:00:00Z", "", "soon", "0001-01-01T00:00:00Z"]
)
def test_a_creation_time_within_the_skew_or_untold_does_not_speak_against_us(created):
    assert fate(a_baseline(Operation.CREATE), a_state("DEPLOYED", created=created)) == (WriteOutcome.APPLIED, "")


def test_an_ambiguous_create_after_a_delete_does_not_take_the_deleted_release_for_its_own():
    base = a_baseline(Operation.CREATE, 1)
    for old in (
        a_state("FAILED", 1, updated=THEN, created=BEFORE),
        a_state("DEPLOYED", 1, updated=BEFORE, created=BEFORE),
        a_state("DELETING", 1, updated=LATER, created=BEFORE),
    ):
        assert fate(base, old, differs="values differ") == (WriteOutcome.NOT_VISIBLE, "")
    assert fate(base, a_state("DEPLOYED", 1)) == (WriteOutcome.APPLIED, "")
    assert fate(a_baseline(Operation.CREATE, 1, ""), a_state("DEPLOYED", 1)) == (WriteOutcome.APPLIED, "")


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (a_state("DEPLOYED", 3, updated=THEN), WriteOutcome.NOT_VISIBLE),
        (a_state("FAILED", 3, updated=THEN), WriteOutcome.NOT_VISIBLE),
        (a_state("DEPLOYED", 2, updated=BEFORE), WriteOutcome.NOT_VISIBLE),
        (a_state("PENDING_INSTALL", 2, updated=BEFORE), WriteOutcome.NOT_VISIBLE),
        (a_state("PENDING_UPGRADE", 3, updated=BEFORE), WriteOutcome.NOT_VISIBLE),
        (a_state("DEPLOYED", 1, updated=LATER), WriteOutcome.APPLIED),
        (a_state("DEPLOYED", 3, updated=LATER), WriteOutcome.APPLIED),
        (a_state("PENDING_UPGRADE", 3, updated=THEN), WriteOutcome.APPLIED),
        (a_state("PENDING_ROLLBACK", 4), WriteOutcome.APPLIED),
        (a_state("DEPLOYED", 4), WriteOutcome.APPLIED),
        (a_state("FAILED", 4), WriteOutcome.APPLIED),
    ],
)
def test_an_ambiguous_update_took_effect_if_the_release_moved_beyond_the_baseline(operation, state, expected):
    assert fate(a_baseline(operation, 3), state) == (expected, "")


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize(
    ("state", "differs", "reason"),
    [
        (a_state("DEPLOYED", 4, created=BEFORE), "other values run: replicas", "other values run: replicas"),
        (a_state("FAILED", 4, created=BEFORE), "other values run: replicas", "other values run: replicas"),
        (a_state("DEPLOYED", 5, created=BEFORE), "", "revision 5 runs, ours is 4"),
        (a_state("PENDING_UPGRADE", 5, created=BEFORE), "x", "revision 5 runs (PENDING_UPGRADE), ours is 4; x"),
        (a_state("DEPLOYED", 4, created=LATER), "", f"it was created anew at {LATER}"),
        (a_state("DEPLOYED", 3, created=LATER), "", f"it was created anew at {LATER}"),
        (a_state("DEPLOYED", 1, created=LATER), "", "revision 1 runs, ours is 4"),
        (a_state("DELETING", 3, created=BEFORE), "", "it is being deleted (DELETING)"),
    ],
)
def test_an_ambiguous_update_after_which_anothers_work_is_there_is_a_conflict(operation, state, differs, reason):
    assert fate(a_baseline(operation, 3, **OURS), state, differs=differs) == (WriteOutcome.CONFLICT, reason)


def test_an_ambiguous_update_that_is_under_way_is_not_judged_by_its_values():
    state = a_state("PENDING_UPGRADE", 4, created=BEFORE)
    assert fate(a_baseline(Operation.UPGRADE, 3, **OURS), state, differs="other values run") == (
        WriteOutcome.APPLIED,
        "",
    )


def test_an_update_without_a_known_time_is_judged_by_its_revision():
    assert fate(a_baseline(Operation.UPGRADE, 3, ""), a_state("DEPLOYED", 3))[0] is WriteOutcome.NOT_VISIBLE


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, WriteOutcome.APPLIED),
        (a_state("DELETED", 3), WriteOutcome.APPLIED),
        (a_state("DELETING", 3), WriteOutcome.APPLIED),
        (a_state("DEPLOYED", 3, created=BEFORE), WriteOutcome.NOT_VISIBLE),
        (a_state("FAILED", 3, created=BEFORE), WriteOutcome.NOT_VISIBLE),
        (a_state("DEPLOYED", 4, created=BEFORE), WriteOutcome.CONFLICT),
        (a_state("DEPLOYED", 1, created=LATER), WriteOutcome.APPLIED),
    ],
)
def test_an_ambiguous_delete_took_effect_if_the_release_is_going_or_gone(state, expected):
    assert fate(a_baseline(Operation.DELETE, 3), state)[0] is expected


# -- properties --------------------------------------------------------------------------------------------------------

STATES = st.builds(
    a_state,
    st.sampled_from([*TERMINAL, *sorted(PENDING), "QUEUED"]),
    st.integers(1, 6),
    updated=st.sampled_from([BEFORE, THEN, LATER, ""]),
    version=st.sampled_from(["1.0.0", "2.0.0", ""]),
)


@given(state=STATES, operation=st.sampled_from(UPDATES), revision=st.integers(1, 6))
def test_an_update_is_never_called_done_on_a_state_that_was_there_before(state, operation, revision):
    """Whatever does not lie beyond the baseline by revision or by time cannot be the effect of our write."""
    base = a_baseline(operation, revision)
    if classify_poll(base, state)[0] in (PollResult.SUCCEEDED, PollResult.FAILED):
        assert state.revision > revision or state.updated_at == LATER


@given(state=STATES, operation=st.sampled_from(list(Operation)), revision=st.integers(0, 6))
def test_every_state_has_a_meaning_and_a_bad_one_its_reason(state, operation, revision):
    seen, reason = classify_poll(a_baseline(operation, revision), state)
    assert reason or seen not in (PollResult.FAILED, PollResult.THEIRS)
    found, why = fate(a_baseline(operation, revision), state)
    assert bool(why) is (found is WriteOutcome.CONFLICT)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T08:01:00+08:00", 60.0),
        ("1970-01-01T00:00:01.5+00:00", 1.5),
        ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("1970-01-01T00:01:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_is_read_only_if_it_is_certain(text, seconds):
    assert timestamp(text) == seconds


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T08:00:00+08:00", False),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", True),
        ("2026-01-01T00:00:00.4Z", "2026-01-01T00:00:00Z", False),
        ("2026-01-01T00:00:00.9Z", "2026-01-01T00:00:01Z", False),
        ("2026-01-01T00:00:00.4Z", "2026-01-01T00:00:00.5Z", True),
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456789Z", False),
        ("2026-01-01T00:00:00.9Z", "2026-01-01T00:00:01.1Z", True),
        ("", "2026-01-01T00:00:00Z", False),
        ("soon", "later", True),
        ("2026-01-01 00:00:00 +0000 UTC", "2026-01-01 00:00:05 +0000 UTC", True),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:05", True),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00", False),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:05Z", False),
        ("0001-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False),
    ],
)
def test_two_moments_are_told_apart_as_finely_as_they_are_shown(one, other, different):
    assert different_times(one, other) is different is different_times(other, one)
