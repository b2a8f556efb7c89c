"""A snapshot is a manifest that would bring about what runs."""

import json
import uuid

import pytest

from batch_deployer.errors import BadInput
from batch_deployer.manifest.cloud import AuthSpec, CloudSpec
from batch_deployer.manifest.load import load
from batch_deployer.manifest.snapshot import Found, take_down, to_yaml
from batch_deployer.model.api import ChartState, ClusterState, ReleaseState
from batch_deployer.model.values import MASK
from batch_deployer.plan.build import build_plan

CHART = ChartState(id="3c138b72-7ce4-6d76-7c55-604cdb2ce423", name="web", version="1.0.0")
SPEC = CloudSpec(name="otc", auth=AuthSpec(method="clouds", options={"cloud": "otc"}))


def a_cluster(number, **more):
    return ClusterState(id=str(uuid.UUID(int=number + 1)), name=f"cluster-{number}", **more)


def a_release(name="web", *, namespace="apps", version="1.0.0", status="DEPLOYED", values=None):
    return ReleaseState(
        name=name, namespace=namespace, chart_name="web", chart_version=version, revision=3, status=status,
        values_json=json.dumps(values or {}),
    )  # fmt: skip


def taken(*releases_by_cluster, charts=(CHART,), spec=SPEC, **more):
    clusters = [a_cluster(number, tags={"env": "prod"}) for number in range(len(releases_by_cluster))]
    releases = {cluster.id: found for cluster, found in zip(clusters, releases_by_cluster, strict=True)}
    return take_down("snap", [Found(spec=spec, clusters=clusters, charts=charts, releases=releases, **more)])


def planned(snapshot, tmp_path, environ=None):
    path = tmp_path / "manifest.yaml"
    path.write_text(to_yaml(snapshot, "2026-01-02"), "utf-8")
    return build_plan(load(path, environ or {}))


def test_what_was_taken_plans_to_exactly_what_runs(tmp_path):
    values = {"image": {"tag": "v1"}, "list": [1, {"a": None}], "text": "${not.ours} $${x}"}
    plan = planned(taken([a_release(values=values)], [a_release(values=values), a_release("db")]), tmp_path)
    assert {deployment.key for deployment in plan.deployments} == {
        f"{uuid.UUID(int=1)}/apps/web",
        f"{uuid.UUID(int=2)}/apps/db",
        f"{uuid.UUID(int=2)}/apps/web",
    }
    spec = plan.deployments[0].release
    assert (spec.chart.id, spec.version) == (CHART.id, "1.0.0")
    assert dict(plan.deployments[0].cluster.tags) == {"env": "prod"}


def test_values_come_back_as_they_were(tmp_path):
    from batch_deployer.model.values import render

    values = {"text": "${not.ours} $${x} ${secret:env:NO}", "deep": {"n": [1.5, True]}}
    (deployment,) = planned(taken([a_release(values=values)]), tmp_path).deployments
    assert json.loads(render(deployment.release.values_json, str)) == values


def test_releases_that_are_alike_are_written_once_and_others_get_an_alias(tmp_path):
    snapshot = taken([a_release(values={"a": 1})], [a_release(values={"a": 1})], [a_release(values={"a": 2})])
    assert [entry.get("alias", entry["name"]) for entry in snapshot.manifest["releases"]] == ["web", "web-2"]
    plan = planned(snapshot, tmp_path)
    assert [deployment.release.name for deployment in plan.deployments] == ["web"] * 3
    assert plan.deployments[2].release.values_json == '{"a":2}'


def test_the_platforms_own_and_vanishing_releases_are_left_out():
    snapshot = taken(
        [
            a_release("cceaddon-coredns", namespace="kube-system"),
            a_release("x", namespace="kube-system"),
            a_release("cceaddon-other"),
            a_release("leaving", status="DELETING"),
            a_release("kept", status="FAILED"),
        ]
    )
    assert [pair["release"] for pair in snapshot.manifest["deployments"]] == ["kept"]
    assert snapshot.notes == ["cluster-0/apps/kept is FAILED; it is written down as it was meant"]


def test_a_masked_value_must_be_supplied_before_the_snapshot_can_be_used(tmp_path):
    snapshot = taken([a_release(values={"auth": {"admin-password": MASK}})], [a_release(values={"auth": {}})])
    assert snapshot.masked == ["WEB_AUTH_ADMIN_PASSWORD  cluster-0/apps/web: auth.admin-password"]
    with pytest.raises(BadInput, match="WEB_AUTH_ADMIN_PASSWORD"):
        planned(snapshot, tmp_path)
    plan = planned(snapshot, tmp_path, {"WEB_AUTH_ADMIN_PASSWORD": "hunter2"})
    assert "hunter2" not in plan.deployments[0].release.values_json
    assert MASK not in to_yaml(snapshot, "now")


def test_a_chart_that_the_cloud_no_longer_offers_is_named_and_kept_by_name():
    snapshot = taken([a_release(version="0.9.0")])
    assert snapshot.manifest["releases"][0]["chart"] == {"name": "web", "version": "0.9.0"}
    assert snapshot.notes == ["cluster-0/apps/web: the cloud no longer offers web 0.9.0; upload it"]


def test_a_cluster_that_could_not_be_listed_is_noted():
    snapshot = taken([], unread={str(uuid.UUID(int=1)): "HTTP 500"})
    assert snapshot.manifest["clusters"] == []
    assert snapshot.notes == ["cluster cluster-0 left out: HTTP 500"]


def test_a_cloud_with_credentials_of_its_own_is_written_with_their_markers_only(tmp_path):
    auth = AuthSpec(
        method="password",
        options={
            "username": "u", "password": "${secret:env:PW}", "user_domain": "d", "project": "p",
            "auth_url": "https://iam.example.com/v3",
        },
    )  # fmt: skip
    spec = CloudSpec(name="otc", endpoint="https://cce.example.com", auth=auth)
    plan = planned(taken([a_release()], spec=spec), tmp_path, {"PW": "hunter2"})
    assert plan.clouds["otc"].auth.options == auth.options
    assert plan.clouds["otc"].endpoint == spec.endpoint
