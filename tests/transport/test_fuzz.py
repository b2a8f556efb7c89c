import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.model.api import (
    ChartState,
    ClusterState,
    ClusterTags,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    ReleaseState,
    ShowChart,
    ShowCluster,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation
from batch_deployer.transport.wire.error_bodies import read_error
from batch_deployer.transport.wire.headers import retry_after
from batch_deployer.transport.wire.responses import decode
from batch_deployer.util.wire_text import MAX_TEXT

AT = {"cluster_id": "c", "namespace": "n", "name": "x"}
CALLS = [
    ListReleases(cluster_id="c"),
    ReleaseHistory(**AT),
    ShowRelease(**AT),
    CreateRelease(**AT, chart_id="h", version="1"),
    UpdateRelease(**AT, chart_id="h", operation=Operation.UPGRADE),
    DeleteRelease(**AT),
    ListCharts(),
    ShowChart(chart_id="h"),
    ListClusters(),
    ShowCluster(cluster_id="c"),
    ClusterTags(cluster_id="c"),
]
WORDS = """name namespace version status values create_at items releases charts clusters tags key value id metadata uid
spec clusterTags hostNetwork vpc phase errorCode error_code error message error_msg request_id code public"""
NAMES = st.sampled_from(WORDS.split())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6)
)
BODIES = st.binary() | DOCUMENTS.map(lambda document: json.dumps(document).encode())


def well_formed(value):
    """Whether a decoded body holds just the types that it promises, and nothing a terminal could act on."""
    if isinstance(value, list):
        return all(well_formed(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(text, str) for pair in value.items() for text in pair)
    if isinstance(value, ReleaseState):
        return type(value.revision) is int and all(
            text.isprintable() for text in (value.name, value.namespace, value.status, value.status_description)
        )
    return value is None or isinstance(value, ChartState | ClusterState)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.kind)
@settings(max_examples=150, deadline=None)
@given(body=BODIES)
def test_any_bytes_decode_to_a_value_or_to_unreadable_and_never_raise(call, body):
    assert well_formed(decode(call, body))


@settings(max_examples=300, deadline=None)
@given(body=BODIES)
def test_any_bytes_are_an_error_of_bounded_printable_texts(body):
    error = read_error(body)

    assert error.shape in {"", *"ABCDEFG"}
    assert all(text.isprintable() and len(text) <= MAX_TEXT for text in (error.code, error.message, error.request_id))


@settings(max_examples=200, deadline=None)
@given(text=st.text(), now=st.floats(0, 4e9))
def test_any_retry_after_is_a_wait_or_none(text, now):
    wait = retry_after(text, now)

    assert wait is None or wait >= 0
