import json

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.api import (
    ClusterTags,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    ShowChart,
    ShowCluster,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation, Parameters
from batch_deployer.transport.wire.requests import encode

RELEASE = {"cluster_id": "c1", "namespace": "monitoring", "name": "web"}
AT = "/cce/cam/v3/clusters/c1/namespace/monitoring/releases/web"

CALLS = [
    (ListReleases(cluster_id="c1"), "GET", "/cce/cam/v3/clusters/c1/releases", None),
    (
        ListReleases(cluster_id="c1", chart_id="ch 1", namespace="a/b&c"),
        "GET",
        "/cce/cam/v3/clusters/c1/releases?chart_id=ch%201&namespace=a%2Fb%26c",
        None,
    ),
    (
        CreateRelease(**RELEASE, chart_id="ch", version="1.0.0"),
        "POST",
        "/cce/cam/v3/clusters/c1/releases",
        {"chart_id": "ch", "name": "web", "namespace": "monitoring", "version": "1.0.0", "values": {}},
    ),
    (
        CreateRelease(
            **RELEASE,
            chart_id="ch",
            version="1.0.0",
            values_json='{"a":{"b":[1,null,"ü"]}}',
            description="metrics",
            parameters=Parameters(dry_run=True, no_hooks=False, replace=True, name_template=""),
        ),
        "POST",
        "/cce/cam/v3/clusters/c1/releases",
        {
            "chart_id": "ch",
            "name": "web",
            "namespace": "monitoring",
            "version": "1.0.0",
            "description": "metrics",
            "values": {"a": {"b": [1, None, "ü"]}},
            "parameters": {"dry_run": True, "no_hooks": False, "replace": True, "name_template": ""},
        },
    ),
    (ShowRelease(**RELEASE), "GET", AT, None),
    (
        UpdateRelease(
            **RELEASE,
            operation=Operation.UPGRADE,
            chart_id="ch",
            values_json='{"x":1}',
            parameters=Parameters(reset_values=True, recreate=False, include_hooks=True),
        ),
        "PUT",
        AT,
        {
            "chart_id": "ch",
            "action": "upgrade",
            "parameters": {"reset_values": True, "recreate": False, "include_hooks": True},
            "values": {"x": 1},
        },
    ),
    (
        UpdateRelease(**RELEASE, operation=Operation.ROLLBACK, chart_id="ch", parameters=Parameters(release_version=3)),
        "PUT",
        AT,
        {"chart_id": "ch", "action": "rollback", "parameters": {"release_version": 3}, "values": {}},
    ),
    (
        UpdateRelease(**RELEASE, operation=Operation.UPGRADE, chart_id="ch"),
        "PUT",
        AT,
        {"chart_id": "ch", "action": "upgrade", "parameters": {}, "values": {}},
    ),
    (DeleteRelease(**RELEASE), "DELETE", AT, None),
    (ReleaseHistory(**RELEASE), "GET", AT + "/history", None),
    (ListCharts(), "GET", "/v2/charts", None),
    (ShowChart(chart_id="ch"), "GET", "/v2/charts/ch", None),
    (ListClusters(), "GET", "/api/v3/projects/p1/clusters", None),
    (ShowCluster(cluster_id="c1"), "GET", "/api/v3/projects/p1/clusters/c1", None),
    (ClusterTags(cluster_id="c1"), "GET", "/cce/v1/p1/cce-cluster/c1/tags", None),
]


@pytest.mark.parametrize(
    ("call", "method", "target", "body"), CALLS, ids=[f"{c[0].kind}-{i}" for i, c in enumerate(CALLS)]
)
def test_every_call_has_its_documented_method_path_query_and_body(call, method, target, body):
    request = encode(call, "p1")

    assert (request.method, request.target) == (method, target)
    assert (json.loads(request.body) if request.body else None) == body
    assert request.content_type == "application/json"
    assert not request.path.endswith("/")


def test_values_go_into_the_body_untouched():
    values = '{"b": 1.10,\n "a":  12345678901234567890123}'

    assert values in encode(CreateRelease(**RELEASE, chart_id="c", version="1", values_json=values)).body.decode()


def test_empty_values_are_sent_as_an_empty_object():
    body = encode(CreateRelease(**RELEASE, chart_id="c", version="1", values_json="")).body

    assert json.loads(body)["values"] == {}


def test_values_that_are_no_object_are_a_bug_and_are_not_sent():
    with pytest.raises(ValueError, match="must be a JSON object"):
        encode(CreateRelease(**RELEASE, chart_id="c", version="1", values_json="[1]"))


def test_an_update_is_an_upgrade_or_a_rollback_and_nothing_else():
    with pytest.raises(KeyError):
        encode(UpdateRelease(**RELEASE, operation=Operation.DELETE, chart_id="ch"))


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("%2e%2e", "%252e%252e"),
        ("new\r\nHost: evil", "new%0D%0AHost%3A%20evil"),
        ("ünï\u202e", "%C3%BCn%C3%AF%E2%80%AE"),
        ("a;b&c=d", "a%3Bb%26c%3Dd"),
        ("...", "..."),
    ],
)
def test_a_hostile_name_stays_one_path_segment(name, segment):
    path = encode(ShowRelease(cluster_id="c1", namespace=name, name=name)).path

    assert path == f"/cce/cam/v3/clusters/c1/namespace/{segment}/releases/{segment}"


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800"])
def test_a_name_that_cannot_be_a_path_segment_is_refused(name):
    for call in (
        ShowRelease(cluster_id="c", namespace="n", name=name),
        DeleteRelease(cluster_id="c", namespace=name, name="x"),
        ListReleases(cluster_id=name),
        ShowChart(chart_id=name),
    ):
        with pytest.raises(InputError, match="cannot be part of an API path"):
            encode(call)


def test_clusters_cannot_be_listed_without_a_project_id():
    with pytest.raises(InputError, match="give `project_id`"):
        encode(ListClusters(), "")
