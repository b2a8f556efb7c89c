"""One rule for "unchanged": by what was sent while the release is as it was left, else by what is shown."""

import json

import pytest

from batch_deployer.model.api import ReleaseState
from batch_deployer.model.deployment import ChartRef, ConfirmedState, ReleaseSpec, Remembered
from batch_deployer.model.helm_values import MASK, plain_digest
from batch_deployer.rules.unchanged import compare, leaf_digests

SPEC = ReleaseSpec(name="web", namespace="shop", chart=ChartRef(name="web"), version="1.0.0")
LEFT = ConfirmedState(
    revision=3, created_at="2026-01-01T00:00:00Z", chart_name="web", chart_version="1.0.0", values="d"
)


def shown_as(values):
    text = "" if values is None else json.dumps(values)
    return ReleaseState(
        name="web",
        namespace="shop",
        chart_name="web",
        chart_version="1.0.0",
        revision=3,
        status="DEPLOYED",
        values_json=text,
    )


def found(wanted, shown, *, sent=None, now=LEFT, **more):
    """Compare; `sent`: what is remembered."""
    remembered = None if sent is None else Remembered(confirmed=LEFT, sent=leaf_digests(sent, plain_digest))
    return compare(
        SPEC, "web", wanted, shown_as(shown), now=now, remembered=remembered,
        digests=lambda: leaf_digests(wanted, plain_digest), **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "wanted", "changed", "removed"),
    [
        ({"a": 1}, {"a": 1}, (), ()),
        ({"debug": True, "image": {"tag": "v1"}}, {"image": {"tag": "v1"}}, (), ("debug",)),
        ({"image": {"tag": "v1", "pull": "x"}}, {"image": {"tag": "v2"}}, ("image.tag",), ("image.pull",)),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, ("a[0].c",), ()),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, (), ("a[0].c",)),
        ({"a": [1, 2]}, {"a": [1]}, (), ("a[1]",)),
        ({"a": {"b": 1}}, {"a": 1}, ("a",), ("a.b",)),
        ({"a": 1}, {"a": {"b": 1}}, ("a.b",), ("a",)),
        ({"password": "old"}, {"password": "new"}, ("password",), ()),
        ({"a": []}, {}, (), ("a",)),
        ({}, {"a": {}}, ("a",), ()),
        ({"a": None}, {}, (), ("a",)),
        ({"a": 1}, {"a": "1"}, ("a",), ()),
        ({"a": 1}, {"a": 1.0}, (), ()),
        ({"a": True}, {"a": 1}, ("a",), ()),
        ({"a": 2**53 + 1}, {"a": 2**53 + 2}, ("a",), ()),
        ({"a.b": 1}, {"a": {"b": 1}}, ("a.b",), ()),
        ({"a": {"0": 1}}, {"a": [1]}, ("a[0]",), ("a.0",)),
    ],
)
@pytest.mark.parametrize("shown", [None, {}, {"anything": "else"}, {"password": MASK}])
def test_a_release_as_it_was_left_is_compared_with_what_was_sent(sent, wanted, changed, removed, shown):
    """Whatever the cloud makes of the values when it shows them."""
    result = found(wanted, shown, sent=sent)
    assert (result.changed, result.removed) == (changed, removed)
    assert bool(result.reason) is bool(changed or removed)
    assert all(path in result.reason for path in (*changed, *removed))


@pytest.mark.parametrize("sent", [{"port": 8080}, None])
@pytest.mark.parametrize(
    "now",
    [
        ConfirmedState(revision=4, created_at=LEFT.created_at, chart_name="web", chart_version="1.0.0", values="d"),
        ConfirmedState(
            revision=3, created_at="2026-01-02T00:00:00Z", chart_name="web", chart_version="1.0.0", values="d"
        ),
        ConfirmedState(revision=3, created_at=LEFT.created_at, chart_name="web", chart_version="1.0.0", values="other"),
    ],
)
def test_any_other_release_is_compared_with_what_is_shown(sent, now):
    """Somebody else changed it, or nobody remembers."""
    assert found({"port": 8080}, {"port": 8080}, sent=sent, now=now).reason == ""
    assert found({"port": 8080}, {"port": 9090}, sent=sent, now=now).reason == "values differ"
    assert found({"port": 8080}, {"port": "8080"}, sent=sent, now=now).reason == "values differ"
    assert found({"port": 8080}, None, sent=sent, now=now).reason == "the cloud shows no values to compare"


@pytest.mark.parametrize(
    ("wanted", "shown", "extra", "differs"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ("b",), False),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": {"z": 1}}, "b": 2}, ("a.y", "b"), False),
        ({}, {"a": None}, (), False),
        ({"a": [{"x": 1}]}, {"a": [{"x": 1, "y": 2}]}, (), True),
        ({"a": [{"x": {"k": 1}}]}, {"a": [{"x": {"k": 1, "l": 2}}]}, (), True),
        ({"a": MASK}, {"a": MASK}, (), False),
    ],
)
def test_extra_keys_of_maps_are_named_and_those_within_lists_are_a_difference(wanted, shown, extra, differs):
    """Helm merges maps into the chart's defaults and replaces lists."""
    result = found(wanted, shown)
    assert bool(result.reason) is differs
    assert result.extra == (() if differs else extra)
    exact = found(wanted, shown, exact=True)
    assert bool(exact.reason) is bool(differs or extra)
    assert exact.removed == extra


def test_the_chart_is_compared_whatever_is_remembered():
    """A release as it was left may be wanted with another version."""
    spec = ReleaseSpec(name="web", namespace="shop", chart=ChartRef(name="web"), version="2.0.0")
    remembered = Remembered(confirmed=LEFT, sent={})
    result = compare(spec, "web", {}, shown_as({}), now=LEFT, remembered=remembered)
    assert result.reason == "chart version 1.0.0 runs, 2.0.0 is wanted"
