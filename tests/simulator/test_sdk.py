"""The provider's public SDK, unchanged, drives the simulator with AK/SK signing."""

import json

import pytest
from huaweicloudsdkcce.v3 import (
    CceClient,
    CreateReleaseReqBody,
    CreateReleaseRequest,
    DeleteReleaseRequest,
    ListChartsRequest,
    ListClustersRequest,
    ListReleasesRequest,
    ReleaseReqBodyParams,
    ShowChartRequest,
    ShowChartValuesRequest,
    ShowClusterRequest,
    ShowReleaseHistoryRequest,
    ShowReleaseRequest,
    ShowUserChartsQuotasRequest,
    UpdateReleaseReqBody,
    UpdateReleaseRequest,
)
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

WHERE = {"cluster_id": "00000000-0000-4000-8000-000000000001", "namespace": "sdk", "name": "by-sdk"}
CHART = "00000000-0000-4000-8000-0000000000c1"
VALUES = {"image": {"tag": "v2"}, "replicas": 3, "list": [1, None, "ü"]}


@pytest.fixture
def client(simulator):
    account = simulator.world.account
    credentials = BasicCredentials(account.access_key, account.secret_key, simulator.world.clouds[0].project_id)
    made = CceClient.new_builder().with_credentials(credentials).with_endpoints([simulator.url]).build()
    yield made
    made.close()


def until(client, status):
    """Look, and look again; an install takes 40 ms of real time, a handful of looks."""
    for _ in range(5000):
        shown = client.show_release(ShowReleaseRequest(**WHERE))
        if shown.status == status:
            return shown
    raise AssertionError(f"never became {status}")


def test_the_sdk_creates_shows_lists_updates_rolls_back_and_deletes(client):
    body = CreateReleaseReqBody(
        chart_id=CHART, name="by-sdk", namespace="sdk", version="1.0.0", values=VALUES, description="by the SDK"
    )
    created = client.create_release(CreateReleaseRequest(cluster_id=WHERE["cluster_id"], body=body))
    assert (created.status, created.version, created.chart_version) == ("PENDING_INSTALL", 1, "1.0.0")
    with pytest.raises(ClientRequestException) as caught:
        client.create_release(CreateReleaseRequest(cluster_id=WHERE["cluster_id"], body=body))
    assert caught.value.status_code == 409
    shown = until(client, "DEPLOYED")
    assert json.loads(shown.values) == VALUES
    listed = client.list_releases(ListReleasesRequest(cluster_id=WHERE["cluster_id"], namespace="sdk")).body
    assert [one.name for one in listed] == ["by-sdk"]

    upgrade = UpdateReleaseReqBody(chart_id=CHART, action="upgrade", parameters=ReleaseReqBodyParams(), values={"v": 2})
    assert client.update_release(UpdateReleaseRequest(**WHERE, body=upgrade)).status == "PENDING_UPGRADE"
    assert until(client, "DEPLOYED").version == 2
    back = UpdateReleaseReqBody(
        chart_id=CHART, action="rollback", parameters=ReleaseReqBodyParams(release_version=1), values={}
    )
    client.update_release(UpdateReleaseRequest(**WHERE, body=back))
    assert json.loads(until(client, "DEPLOYED").values) == VALUES
    history = client.show_release_history(ShowReleaseHistoryRequest(**WHERE)).body
    assert [(one.version, one.status) for one in history] == [(1, "SUPERSEDED"), (2, "SUPERSEDED"), (3, "DEPLOYED")]

    client.delete_release(DeleteReleaseRequest(**WHERE))
    with pytest.raises(ClientRequestException) as caught:
        until(client, "never")
    assert (caught.value.status_code, caught.value.error_code) == (404, "CCE_CM.0003")


def test_the_sdk_reads_charts_and_clusters(client, simulator):
    assert [one.id for one in client.list_charts(ListChartsRequest()).body] == [CHART]
    assert client.show_chart(ShowChartRequest(chart_id=CHART)).version == "1.1.0"
    client.show_chart_values(ShowChartValuesRequest(chart_id=CHART))
    quota = client.show_user_charts_quotas(ShowUserChartsQuotasRequest()).quotas.resources[0]
    assert (quota.type, quota.quota, quota.used) == ("Charts", 200, 1)
    clusters = client.list_clusters(ListClustersRequest()).items
    assert [(one.metadata.name, one.status.phase) for one in clusters] == [("alpha", "Available")]
    shown = client.show_cluster(ShowClusterRequest(cluster_id=WHERE["cluster_id"]))
    assert [(tag.key, tag.value) for tag in shown.spec.cluster_tags] == [("env", "prod")]


def test_the_sdk_with_a_wrong_secret_is_refused(simulator):
    account = simulator.world.account
    credentials = BasicCredentials(account.access_key, "wrong", simulator.world.clouds[0].project_id)
    made = CceClient.new_builder().with_credentials(credentials).with_endpoints([simulator.url]).build()
    with pytest.raises(ClientRequestException) as caught:
        made.list_charts(ListChartsRequest())
    made.close()
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
