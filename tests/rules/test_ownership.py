"""What proves that a release is not our work: never a doubt, and never a value in a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_deployer.model.api import ReleaseState
from batch_deployer.rules.ownership import contradiction, contradictions


def found(shown, sent):
    return list(contradictions(shown, sent))


@pytest.mark.parametrize(
    ("shown", "sent", "paths"),
    [
        ({"replicas": 99}, {"replicas": 3}, ["replicas"]),
        ({"replicas": "99"}, {"replicas": 3}, ["replicas"]),
        ({"image": {"tag": "v9"}, "debug": True}, {"image": {"tag": "v1"}, "debug": False}, ["image.tag", "debug"]),
        ({"tag": "1.1"}, {"tag": "1.10"}, ["tag"]),
        ({"on": "false"}, {"on": True}, ["on"]),
        ({"on": 1}, {"on": True}, ["on"]),
        ({"other": 1}, {"replicas": 3}, ["replicas"]),
        ({"image": {"pull": "x"}}, {"image": {"tag": "v1"}}, ["image.tag"]),
        ({"image": {}}, {"image": {"tag": "v1"}}, ["image.tag"]),
        ({"image": "v9"}, {"image": {"tag": "v1"}}, ["image"]),
        ({"image": {"tag": "v9"}}, {"image": "v1"}, ["image"]),
        ({"hosts": ["a", "b"]}, {"hosts": ["a"]}, ["hosts"]),
        ({"hosts": []}, {"hosts": ["a"]}, ["hosts"]),
        ({"hosts": ["b"]}, {"hosts": ["a"]}, ["hosts[0]"]),
        ({"hosts": [{"name": "a", "port": 1}]}, {"hosts": [{"name": "a", "port": 2}]}, ["hosts[0].port"]),
        ({"hosts": {"0": "a"}}, {"hosts": ["a"]}, ["hosts"]),
        ({"n": 9007199254740995}, {"n": 9007199254740993}, ["n"]),
        ({"tag": ""}, {"tag": "v1"}, ["tag"]),
        ({"tag": "v1"}, {"tag": ""}, ["tag"]),
        ({"flag": None, "n": 0}, {"flag": "x", "n": 1}, ["n"]),
        ({"flag": True}, {"flag": False}, ["flag"]),
    ],
)
def test_other_values_are_proof_and_are_named_by_their_paths(shown, sent, paths):
    assert found(shown, sent) == paths


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ({"port": "8080"}, {"port": 8080}),
        ({"port": 8080}, {"port": "8080"}),
        ({"port": 8080.0}, {"port": 8080}),
        ({"on": "true"}, {"on": True}),
        ({"on": "False"}, {"on": False}),
        ({"ratio": "0.5"}, {"ratio": 0.5}),
        ({"n": 9007199254740992}, {"n": 9007199254740993}),
        ({"n": "9007199254740992"}, {"n": 9007199254740993}),
        ({"n": 9.007199254740992e15}, {"n": 9007199254740993}),
        ({"password": "***"}, {"password": "s3cret"}),
        ({"password": "******"}, {"password": {"nested": "s3cret"}}),
        ({"password": "old"}, {"password": "${secret:env:P}"}),
        ({"x": 1}, {"x": 1, "password": "${secret:env:P}", "auth": {"key": "${secret:file:k}"}}),
        ({"url": "http://me:old@host"}, {"url": "http://me:${secret:env:P}@host"}),
        ({"tag": None}, {"tag": "v1"}),
        ({"x": 1}, {"x": 1, "a": "", "b": [], "c": {}, "d": None, "e": {"f": []}, "g": [None]}),
        ({"default": 1}, {"default": None}),
        ({"hosts": ["a"]}, {"hosts": []}),
        ({"hosts": ["a"]}, {"hosts": ["a", None]}),
        ({"keys": []}, {"keys": ["${secret:env:P}"]}),
        ({"extra": 1, "image": {"tag": "v1", "pull": "x"}}, {"image": {"tag": "v1"}}),
        ({"hosts": [{"name": "a", "extra": 1}]}, {"hosts": [{"name": "a"}]}),
        ({"text": "${HOME}"}, {"text": "$${HOME}"}),
        (None, {"a": 1}),
    ],
)
def test_what_a_server_may_show_of_our_own_values_is_no_proof(shown, sent):
    assert found(shown, sent) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def as_a_server(value):
    """The same with numbers as texts, without what is empty, with defaults added."""
    if isinstance(value, dict):
        kept = {name: as_a_server(item) for name, item in value.items() if item not in ("", [], {}, None)}
        return kept | {"a default of the chart": 1}
    if isinstance(value, list):
        return [as_a_server(item) for item in value if item not in ("", [], {}, None)]
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, int | float) else value


@given(JSON.map(lambda value: {"values": value}))
def test_our_own_values_never_prove_anything_against_us(values):
    assert found(values, values) == []
    assert found(as_a_server(values), values) == []


def a_state(**more):
    basics = {"name": "web", "namespace": "shop", "chart_name": "web", "chart_version": "1.0.0"}
    return ReleaseState(**(basics | more))


def contradicted(state, **sent):
    return contradiction(state, **({"chart_name": "web", "version": "1.0.0", "values_json": "{}"} | sent))


@pytest.mark.parametrize(
    ("state", "sent", "reason"),
    [
        (a_state(), {}, ""),
        (a_state(chart_name="mysql"), {}, "chart mysql runs, web was sent"),
        (a_state(chart_name="mysql"), {"chart_name": ""}, ""),
        (a_state(chart_name=""), {}, ""),
        (a_state(chart_version="2.0.0"), {}, "chart version 2.0.0 runs, 1.0.0 was sent"),
        (a_state(chart_version="v1.0"), {}, ""),
        (a_state(chart_version=""), {}, ""),
        (a_state(values_json='{"a": 2}'), {"values_json": '{"a": 1}'}, "other values run: a"),
        (a_state(values_json="{}"), {"values_json": '{"a": 1}'}, ""),
        (a_state(values_json=""), {"values_json": '{"a": 1}'}, ""),
        (a_state(values_json="not JSON"), {"values_json": '{"a": 1}'}, ""),
        (a_state(values_json="[1]"), {"values_json": '{"a": 1}'}, ""),
        (
            a_state(chart_version="2.0.0", values_json='{"a": 2}'),
            {"values_json": '{"a": 1}'},
            "chart version 2.0.0 runs, 1.0.0 was sent; other values run: a",
        ),
    ],
)
def test_chart_and_values_are_compared_where_both_sides_tell_them(state, sent, reason):
    assert contradicted(state, **sent) == reason


def test_of_many_values_five_are_named_and_none_is_shown():
    sent = {f"key-{number}": f"mine-{number}" for number in range(8)}
    shown = dict.fromkeys(sent, "theirs")
    reason = contradicted(a_state(values_json=json.dumps(shown)), values_json=json.dumps(sent))
    assert reason == "other values run: key-0, key-1, key-2, key-3, key-4 and 3 more"
