"""Helm values: merged as Helm does, secrets filled in last, and compared with what a cloud shows."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.model.helm_values import (
    MASK,
    compact,
    covers,
    is_inexact,
    merge,
    render,
    render_text,
    same_scalar,
    secret_names,
)

PLAIN = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
KEYS = st.sampled_from("abcd")


def nested(leaves):
    grown = st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
        max_leaves=12,
    )
    return st.dictionaries(KEYS, grown, max_size=4)


WITH_NULLS = nested(st.one_of(st.none(), PLAIN))
WITHOUT_NULLS = nested(PLAIN.filter(lambda value: value != MASK))


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1, "c": 1}}, {"a": {"c": 2, "d": 2}}, {"a": {"b": 1, "c": 2, "d": 2}}),
        ({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 2}]}, {"a": [{"c": 2}]}),
        ({"a": 1, "b": 2}, {"a": None}, {"a": None, "b": 2}),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": None}}, {"a": {"b": None, "c": 1}}),
        ({}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": {"b": 2, "c": None}}, {"a": {"b": 2, "c": None}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": False}, {"a": False}),
    ],
)
def test_maps_merge_lists_and_scalars_replace_and_null_stays_to_delete_a_default(base, over, merged):
    assert merge(base, over) == merged


@given(base=WITH_NULLS, over=WITH_NULLS)
def test_merging_changes_neither_side_and_twice_is_once(base, over):
    kept = copy.deepcopy((base, over))
    once = merge(base, over)
    assert (base, over) == kept
    assert merge(once, over) == once


@given(base=WITH_NULLS)
def test_merging_nothing_changes_nothing(base):
    assert merge(base, {}) == base


@given(defaults=WITHOUT_NULLS, wanted=WITHOUT_NULLS)
def test_whatever_a_chart_adds_by_default_what_was_sent_is_still_covered(defaults, wanted):
    assert covers(merge(defaults, wanted), wanted)


@pytest.mark.parametrize(
    ("shown", "wanted", "covered"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a": [1, 2, 3]}, {"a": [1, 2]}, False),
        ({"a": [2, 1]}, {"a": [1, 2]}, False),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, False),
        ({"a": [{"b": 1, "c": None}]}, {"a": [{"b": 1}]}, True),
        ({"a": [[{"b": 1, "c": 2}]]}, {"a": [[{"b": 1}]]}, False),
        ({"a": MASK}, {"a": "s3cret"}, True),
        ({"a": MASK}, {"a": {"b": [1]}}, True),
        ({"a": ["x", MASK]}, {"a": ["x", "s3cret"]}, True),
        ({"a": "s3cret"}, {"a": MASK}, False),
        (MASK, {"a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": False}, {"a": False}, True),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": 1}, {"a": {}}, False),
        ({"a": {}}, {"a": []}, False),
        ([], {}, False),
    ],
)
def test_what_is_shown_covers_what_is_wanted_if_all_of_it_is_there_or_masked(shown, wanted, covered):
    assert covers(shown, wanted) is covered


@given(WITH_NULLS)
def test_one_value_has_one_text(value):
    text = compact(value)
    assert json.loads(text) == value
    assert compact(dict(reversed(value.items()))) == text


def test_the_one_text_has_sorted_keys_no_blanks_and_plain_letters():
    assert compact({"b": [1, None], "a": "Grüße"}) == '{"a":"Grüße","b":[1,null]}'


SECRETS = {"env:TOKEN": 'a"b\\c\n${secret:env:OTHER}', "file:/run/pw": "pw", "env:OTHER": "never"}


@pytest.mark.parametrize(
    ("values", "rendered"),
    [
        ({"a": "${secret:env:TOKEN}"}, {"a": SECRETS["env:TOKEN"]}),
        ({"a": "user:${secret:file:/run/pw}@host"}, {"a": "user:pw@host"}),
        ({"a": ["${secret:file:/run/pw}", {"b": "${secret:file:/run/pw}${secret:file:/run/pw}"}]}, {"a": ["pw", {"b": "pwpw"}]}),
        ({"a": "$${secret:env:TOKEN}"}, {"a": "${secret:env:TOKEN}"}),
        ({"a": "$${HOME} and ${secret:file:/run/pw}"}, {"a": "${HOME} and pw"}),
        ({"a": "${HOME} ${secret:vault:x} $ {"}, {"a": "${HOME} ${secret:vault:x} $ {"}),
        ({"a": 1, "b": None, "c": True, "d": "$5 {x}"}, {"a": 1, "b": None, "c": True, "d": "$5 {x}"}),
        ({"${secret:env:TOKEN}": "${secret:file:/run/pw}"}, {"${secret:env:TOKEN}": "pw"}),
    ],
)  # fmt: skip
def test_secrets_are_filled_in_once_and_an_escape_becomes_itself(values, rendered):
    assert json.loads(render(compact(values), SECRETS.__getitem__)) == rendered


def test_values_without_markers_come_back_as_the_same_text():
    text = '{"b": 1, "a": "no markers, $ and { apart"}'
    assert render(text, SECRETS.__getitem__) is text


def test_a_missing_secret_is_not_hidden():
    with pytest.raises(KeyError, match="env:GONE"):
        render('{"a":"${secret:env:GONE}"}', SECRETS.__getitem__)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"a": "no markers"}, []),
        ({"a": "${secret:env:A}", "b": ["x${secret:file:/run/b}y", "${secret:env:A}"]}, ["env:A", "file:/run/b", "env:A"]),
        ({"a": "$${secret:env:A}"}, []),
        ({"a": '${secret:file:/run/Grüße "x"}'}, ['file:/run/Grüße "x"']),
    ],
)  # fmt: skip
def test_each_secret_that_values_refer_to_is_named(values, names):
    assert list(secret_names(compact(values))) == names


@given(st.text(alphabet="${}secrtnvA:f", max_size=40))
def test_the_names_announced_are_the_names_asked_for(text):
    asked = []
    values = compact({"a": text})
    render(values, lambda name: asked.append(name) or "x")
    assert asked == list(secret_names(values))


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", "plain"),
        ("${secret:file:/run/pw}", "pw"),
        ("$${x} ${secret:file:/run/pw}!", "${x} pw!"),
        ('"quoted" ${secret:env:OTHER}', '"quoted" never'),
    ],
)
def test_a_plain_text_is_filled_in_the_same_way(text, rendered):
    assert render_text(text, SECRETS.__getitem__) == rendered


BIG = 1234567890123456789
AS_DOUBLE = 1234567890123456768


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        (BIG, BIG, True),
        (AS_DOUBLE, BIG, True),
        (1234567890123456800, BIG, True),  # the shortest digits of that double, as JavaScript and Go write it
        (1.2345678901234568e18, BIG, True),
        (-AS_DOUBLE, -BIG, True),
        (BIG - 1, BIG, False),
        (AS_DOUBLE + 1, BIG, False),
        (str(BIG), BIG, False),
        (BIG, AS_DOUBLE, False),  # rounding goes one way: what is wanted is exact
        (2**53, 2**53, True),
        (2**53 + 2, 2**53, False),
        (2**53, 2**53 + 1, True),
        (2**53 + 1, 2**53, False),
        (10**400, 10**400, True),
        (10**400, 10**400 + 1, False),
        (1, True, False),
        (1, 1.0, True),
        (0.1, 0.1, True),
        (0.30000000000000004, 0.3, False),
    ],
)
def test_a_large_integer_may_be_shown_as_a_double_and_nothing_else(shown, wanted, same):
    assert same_scalar(shown, wanted) is same
    assert covers({"a": [shown]}, {"a": [wanted]}) is same


@pytest.mark.parametrize(
    ("value", "inexact"),
    [
        (2**53, False),
        (2**53 + 1, True),
        (2**60, False),
        (BIG, True),
        ({"a": [{"b": BIG}]}, True),
        (str(BIG), False),
        (1e300, False),
        (10**400, True),
    ],
)
def test_an_integer_that_no_double_holds_is_found(value, inexact):
    assert is_inexact(value) is inexact
