import json

import msgspec
import pytest

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
)
from batch_deployer.transport.wire.responses import decode

LIST = ListReleases(cluster_id="c1")
SHOW = ShowRelease(cluster_id="c1", namespace="monitoring", name="web")
CREATE = CreateRelease(cluster_id="c1", namespace="monitoring", name="web", chart_id="ch", version="1.0.0")

WIRE = {
    "chart_name": "magento-mysql",
    "chart_public": False,
    "chart_version": "1.0.0",
    "cluster_id": "c1",
    "cluster_name": "prod",
    "create_at": "2023-11-14T20:30:57+08:00",
    "description": "Initial install underway",
    "name": "web",
    "namespace": "monitoring",
    "parameters": "",
    "resources": "",
    "status": "PENDING_INSTALL",
    "status_description": "Initial install underway",
    "update_at": "2023-11-14T20:30:58+08:00",
    "values": '{"imageTag":"v2"}',
    "version": 1,
}
STATE = ReleaseState(
    name="web",
    namespace="monitoring",
    cluster_id="c1",
    chart_name="magento-mysql",
    chart_version="1.0.0",
    revision=1,
    status="PENDING_INSTALL",
    status_description="Initial install underway",
    created_at="2023-11-14T20:30:57+08:00",
    updated_at="2023-11-14T20:30:58+08:00",
    values_json='{"imageTag":"v2"}',
)


def read(call, document):
    return decode(call, json.dumps(document).encode())


def test_the_documented_release_is_read_by_show_list_history_and_create():
    assert read(SHOW, WIRE) == STATE
    assert read(CREATE, WIRE) == STATE
    assert read(LIST, [WIRE, WIRE]) == [STATE, STATE]
    assert read(ReleaseHistory(cluster_id="c1", namespace="monitoring", name="web"), [WIRE]) == [STATE]


def test_a_release_off_the_wire_equals_and_hashes_as_the_plain_value():
    found = read(SHOW, WIRE)

    assert found == STATE
    assert STATE == found  # noqa: SIM300 - the other way round is another method
    assert hash(found) == hash(STATE)
    assert found != msgspec.structs.replace(STATE, revision=2)
    assert found != "web"


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        ({"version": "7"}, {"revision": 7}),
        ({"version": 7.0}, {"revision": 7}),
        ({"version": None}, {"revision": 0}),
        ({"version": "x"}, {"revision": 0}),
        ({"version": True}, {"revision": 1}),
        ({"values": ""}, {"values_json": ""}),
        ({"values": None}, {"values_json": ""}),
        ({"values": {"a": [1]}}, {"values_json": '{"a":[1]}'}),
        ({"status": "deployed"}, {"status": "DEPLOYED"}),
        ({"status": "pending-upgrade"}, {"status": "PENDING_UPGRADE"}),
        ({"status": "uninstalling"}, {"status": "DELETING"}),
        ({"status": "Rollback successful"}, {"status": "ROLLBACK SUCCESSFUL"}),
        ({"status": None}, {"status": ""}),
        ({"status_description": None}, {"status_description": ""}),
        ({"status_description": "\x1b[31mred\x1b[0m\nline \u202egnp"}, {"status_description": "red line gnp"}),
        ({"status_description": "x" * 900}, {"status_description": "x" * 900}),
        ({"create_at": 1700000000}, {"created_at": "1700000000"}),
        ({"chart_version": 1.5}, {"chart_version": "1.5"}),
        ({"cluster_id": None}, {"cluster_id": "c1"}),
        ({"brand_new_field": {"deep": [[[]]]}}, {}),
        ({"resources": [{"kind": "Pod"}], "parameters": {}}, {}),
    ],
)
def test_a_release_whose_schema_drifted_is_still_read(drift, expected):
    wanted = msgspec.structs.replace(STATE, **expected)

    assert read(SHOW, WIRE | drift) == wanted
    assert read(LIST, [WIRE, WIRE | drift]) == [STATE, wanted]


@pytest.mark.parametrize("lacking", sorted(WIRE.keys() - {"name", "namespace"}))
def test_a_release_that_lacks_a_field_is_still_read(lacking):
    found = read(SHOW, {name: value for name, value in WIRE.items() if name != lacking})

    assert (found.name, found.namespace, found.cluster_id) == ("web", "monitoring", "c1")


def test_a_shown_release_without_its_name_has_that_of_the_call():
    found = read(SHOW, {"status": "DEPLOYED", "version": 2})

    assert (found.name, found.namespace, found.cluster_id, found.revision) == ("web", "monitoring", "c1", 2)


@pytest.mark.parametrize("document", [None, [], {"items": []}, {"items": None}, {"releases": []}, [None]])
def test_an_empty_list_comes_in_many_forms(document):
    assert read(LIST, document) == []


@pytest.mark.parametrize("document", [{"items": [WIRE]}, {"kind": "List", "releases": [WIRE]}, WIRE, [None, WIRE]])
def test_a_list_may_be_wrapped_or_have_lost_its_brackets(document):
    assert read(LIST, document) == [STATE]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<html>hi</html>",
        b'{"errorCode":"CCE.01500001","errorMessage":"x"}',
        b'{"error_code":"APIGW.0101"}',
        b'"text"',
        b"7",
        b'[{"name":"a"}]',
        b'[{"namespace":"a"}]',
        b'[{"name":"a","namespace":"b"}, 5]',
        b'[{"name":"a","namespace":"b"}',
        b"\xff\xfe\x00",
        b"[" * 1_000_000,
        b'[{"name":"a","namespace":null,"x":' + b"[" * 100_000,
    ],
)
def test_a_list_that_cannot_be_read_whole_is_not_read_at_all(body):
    assert decode(LIST, body) is None


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        [WIRE, WIRE],
        {"kind": "Status", "status": "Failure", "code": 404, "message": "gone"},
        {"errorCode": "CCE.01404001", "errorMessage": "no"},
        "deleted",
    ],
)
def test_what_is_no_release_is_not_taken_for_one(document):
    assert read(SHOW, document) is None


def test_one_release_in_a_list_of_one_is_read():
    assert read(SHOW, [WIRE]) == STATE


def test_bad_utf8_spoils_only_the_character():
    body = json.dumps(WIRE | {"status_description": "@"}).encode().replace(b'"@"', b'"a\xff"')

    assert decode(SHOW, body).status_description.startswith("a")


def test_values_that_nest_too_deep_are_dropped_and_deep_text_within_strings_is_not():
    deep = '{"a":' * 100 + "1" + "}" * 100
    text = json.dumps({"template": "{" * 100})

    assert read(SHOW, WIRE | {"values": deep}).values_json == ""
    assert read(SHOW, WIRE | {"values": text}).values_json == text


def test_a_document_that_nests_deeper_than_allowed_is_not_read():
    body = json.dumps([CHART]).encode().replace(b'"new": 1', b'"new": ' + b"[" * 100 + b"]" * 100)

    assert decode(ListCharts(), body) is None
    assert decode(ListCharts(), body, max_depth=200) is not None


def test_the_answer_to_a_delete_is_never_relied_on():
    assert read(DeleteRelease(cluster_id="c1", namespace="n", name="x"), WIRE) is None


CHART = {"id": "ch1", "name": "node", "version": "1.0.0", "public": False, "description": "d", "values": "{}", "new": 1}


def test_charts_are_read_bare_wrapped_and_with_drift():
    state = ChartState(id="ch1", name="node", version="1.0.0", description="d")

    assert read(ListCharts(), [CHART]) == [state]
    assert read(ListCharts(), {"charts": [CHART]}) == [state]
    assert read(ListCharts(), None) == []
    assert read(ShowChart(chart_id="ch1"), CHART | {"public": "true", "description": None}) == ChartState(
        id="ch1", name="node", version="1.0.0", public=True
    )
    assert read(ListCharts(), [{"name": "no id"}]) is None
    dated = read(ListCharts(), [CHART | {"update_at": "2026-01-02T03:04:05Z"}])
    assert [chart.updated_at for chart in dated] == ["2026-01-02T03:04:05Z"]


CLUSTER = {
    "kind": "Cluster",
    "metadata": {"uid": "c1", "name": "prod-1", "alias": "Prod", "labels": {"FeatureGates": ""}},
    "spec": {
        "version": "v1.33",
        "flavor": "cce.s2.small",
        "hostNetwork": {"vpc": "v1"},
        "clusterTags": [{"key": "env", "value": "prod"}],
    },
    "status": {"phase": "Available", "endpoints": {"internal": "x"}, "conditions": [{"type": "x"}]},
}
CLUSTER_STATE = ClusterState(
    id="c1",
    name="prod-1",
    alias="Prod",
    phase="Available",
    version="v1.33",
    flavor="cce.s2.small",
    vpc="v1",
    tags={"env": "prod"},
)


@pytest.mark.parametrize(
    "endpoints", [None, [{"Internal": "x"}], {"internal": "x"}, [{"url": "u", "type": "Internal"}], 3]
)
def test_clusters_are_read_whatever_their_endpoints_look_like(endpoints):
    document = CLUSTER | {"status": {"phase": "Available", "endpoints": endpoints, "conditions": {}}}

    assert read(ListClusters(), {"kind": "Cluster", "items": [document]}) == [CLUSTER_STATE]
    assert read(ShowCluster(cluster_id="c1"), document) == CLUSTER_STATE


def test_a_cluster_may_lack_everything_but_its_id():
    assert read(ListClusters(), {"items": [{"metadata": {"uid": "c1"}, "spec": None}]}) == [ClusterState(id="c1")]
    assert read(ListClusters(), {"items": None}) == []
    assert read(ListClusters(), {"items": [{"metadata": {"name": "x"}}]}) is None


def test_the_reason_of_an_unavailable_cluster_is_kept():
    found = read(ShowCluster(cluster_id="c1"), CLUSTER | {"status": {"phase": "Unavailable", "message": "no master"}})

    assert (found.phase, found.reason) == ("Unavailable", "no master")


def test_tags_of_a_cluster_leave_out_those_of_the_system():
    call = ClusterTags(cluster_id="c1")

    document = {
        "tags": [{"key": "env", "value": "prod"}, {"key": "empty"}],
        "sys_tags": [{"key": "_sys", "value": "x"}],
    }
    assert read(call, document) == {"env": "prod", "empty": ""}
    assert read(call, {"tags": None}) == {}
    assert read(call, {"tags": {"env": "prod"}}) == {"env": "prod"}
    assert read(call, {"error_code": "x"}) is None


def test_cluster_ids_are_read_in_lower_case():
    body = {"items": [{"metadata": {"uid": "A870253F-5DC7-11EE-BF71-0255AC100B03", "name": "one"}}]}
    assert [cluster.id for cluster in read(ListClusters(), body)] == ["a870253f-5dc7-11ee-bf71-0255ac100b03"]
