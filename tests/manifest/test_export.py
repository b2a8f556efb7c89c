"""A snapshot is a manifest that would bring about what runs."""

import json
import uuid

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from batch_deployer.errors import InputError
from batch_deployer.manifest.export import Found, take_down, to_yaml
from batch_deployer.manifest.loader import load
from batch_deployer.model.api import ChartState, ClusterState, ReleaseState
from batch_deployer.model.cloud import AuthSpec, CloudSpec
from batch_deployer.model.helm_values import MASK, render
from batch_deployer.plan.builder import build_plan

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
            a_release("on_sent", status="DELETING"),
            a_release("kept", status="FAILED"),
        ]
    )
    assert [pair["release"] for pair in snapshot.manifest["deployments"]] == ["kept"]
    assert snapshot.notes == ["cluster-0/apps/kept is FAILED; it is written down as it was meant"]


def test_a_masked_value_must_be_supplied_before_the_snapshot_can_be_used(tmp_path):
    snapshot = taken([a_release(values={"auth": {"admin-password": MASK}})], [a_release(values={"auth": {}})])
    assert snapshot.masked == ["WEB_AUTH_ADMIN_PASSWORD  cluster-0/apps/web: auth.admin-password"]
    with pytest.raises(InputError, match="WEB_AUTH_ADMIN_PASSWORD"):
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


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["1234e56", "08", "0o17", "+.5", "yes", "n", "~", "1.10", "2024-01-01", "=", "<<", "1:30", "0644", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def is_expressible(value):
    """Whether a manifest has a spelling for a value: keys hold no placeholders, and texts are Unicode."""
    text = json.dumps(value, ensure_ascii=False)
    keys = json.dumps(list(every_key(value)), ensure_ascii=False)
    return "${" not in keys and text.encode("utf-8", "replace").decode() == text


def every_key(value):
    if isinstance(value, dict):
        yield from value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from every_key(below)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(), JSON, max_size=4))
def test_any_json_comes_back_as_it_was(tmp_path, values):
    """Snapshot, load, send: the same value, read by our reader and by PyYAML."""
    assume(f'"{MASK}"' not in json.dumps(values))
    snapshot = taken([a_release(values=values)])
    if not is_expressible(values):
        assert (snapshot.releases, snapshot.left_out) == (0, 1)
        return
    (deployment,) = planned(snapshot, tmp_path).deployments
    sent = render(deployment.release.values_json, str)
    assert same_json(json.loads(sent), json.loads(json.dumps(values)))
    by_pyyaml = yaml.safe_load((tmp_path / "manifest.yaml").read_text("utf-8"))["releases"][0]["values"]
    assert same_json(json.loads(json.dumps(by_pyyaml).replace("$${", "${")), json.loads(json.dumps(values)))


def same_json(left, right):
    """Equal, and of the same types all the way down: 1 is neither True nor 1.0."""
    return repr(sorted_keys(left)) == repr(sorted_keys(right))


def sorted_keys(value):
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


HOSTILE = {
    "release name": {"name": "my.app"},
    "digit first": {"name": "1password-connect"},
    "upper case": {"name": "Web"},
    "namespace": {"namespace": "Not_a_namespace"},
    "chart version": {"version": "1.0 beta"},
}


@pytest.mark.parametrize("odd", HOSTILE.values(), ids=HOSTILE)
def test_a_release_that_a_manifest_refuses_is_left_out_counted_and_named(tmp_path, odd):
    snapshot = taken([a_release("kept"), a_release(**odd)])
    plan = planned(snapshot, tmp_path)
    assert [deployment.release.name for deployment in plan.deployments] == ["kept"]
    assert snapshot.left_out == 1
    (note,) = [note for note in snapshot.notes if "left out" in note]
    assert note.startswith("cluster-0/")
    assert "# 1 left out" in (tmp_path / "manifest.yaml").read_text()


@pytest.mark.parametrize(
    "values_json",
    [
        '{"a": 1e400}', '{"a": NaN}', '{"a": [-Infinity]}', '{"a": ' + "9" * 500 + "}", '{"${x}": 1}', '{"a": {"b${": 1}}',
        '{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": ' + "[" * 70 + "]" * 70 + "}", '{"a": ' + "[" * 9999 + "]" * 9999 + "}", "{", "[]",
    ],
)  # fmt: skip
def test_values_that_a_manifest_cannot_hold_leave_their_release_out(tmp_path, values_json):
    snapshot = taken([msgspec.structs.replace(a_release(), values_json=values_json), a_release("kept")])
    assert [deployment.release.name for deployment in planned(snapshot, tmp_path).deployments] == ["kept"]
    assert (snapshot.releases, snapshot.left_out) == (1, 1)


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ({"owner": "${OWNER}"}, {"owner": "${OWNER}"}),
        ({"owner": "$${env:X} ${"}, {"owner": "$${env:X} ${"}),
        ({"on": "yes", "1.10": "0644"}, {"on": "yes", "1.10": "0644"}),
        ({"${x}": "a", "env": "prod"}, {"env": "prod"}),
        ({"a": "x\ny: z", "b": "\u2028\u0085\x00"}, {"a": "x\ny: z", "b": "\u2028\u0085\x00"}),
    ],
)
def test_tags_come_back_as_they_were(tmp_path, tags, kept):
    found = Found(
        spec=SPEC, clusters=[a_cluster(0, tags=tags)], charts=(CHART,), releases={a_cluster(0).id: [a_release()]}
    )
    snapshot = take_down("snap", [found])
    (deployment,) = planned(snapshot, tmp_path).deployments
    assert dict(deployment.cluster.tags) == kept
    assert snapshot.left_out == len(tags) - len(kept)


def test_a_secret_after_a_dollar_is_not_turned_into_text(tmp_path):
    """`$` and a reference would read as the escape of a literal `${`."""
    state = a_release(values={"a": "$s3cret", "b": 1})
    found = Found(spec=SPEC, clusters=[a_cluster(0)], charts=(CHART,), releases={a_cluster(0).id: [state]})
    snapshot = take_down("snap", [found], {"env:S": "s3cret"})
    assert (snapshot.releases, snapshot.left_out) == (0, 1)
    assert "s3cret" not in to_yaml(snapshot, "now")


@pytest.mark.parametrize(("release", "variable"), [("os", "_OS_PASSWORD"), ("s3", "_S3_PASSWORD")])
def test_a_masked_value_is_never_named_as_what_the_program_logs_in_with(tmp_path, release, variable):
    """Such a variable may not stand in values, so the snapshot could not be loaded."""
    snapshot = taken([a_release(release, values={"password": MASK})])
    path = tmp_path / "manifest.yaml"
    path.write_text(to_yaml(snapshot, "now"), "utf-8")
    assert len(build_plan(load(path, {variable: "x"})).deployments) == 1


def test_a_value_that_holds_a_login_secret_is_left_out(tmp_path):
    """It can neither be shown nor named in values."""
    found = Found(
        spec=SPEC,
        clusters=[a_cluster(0)],
        charts=(CHART,),
        releases={a_cluster(0).id: [a_release(values={"a": "xpwx"})]},
    )
    snapshot = take_down("snap", [found], {"env:OS_PASSWORD": "pw"})
    assert (snapshot.releases, snapshot.left_out) == (0, 1)
    assert "xpwx" not in to_yaml(snapshot, "now")


def test_two_masked_values_never_share_a_name(tmp_path):
    snapshot = taken([a_release(values={"a": {"b": MASK}, "a-b": MASK, "a_b": "x"})])
    path = tmp_path / "manifest.yaml"
    path.write_text(to_yaml(snapshot, "now"), "utf-8")
    (deployment,) = build_plan(load(path, {"WEB_A_B": "one", "WEB_A_B_2": "two"})).deployments
    values = json.loads(render(deployment.release.values_json, {"env:WEB_A_B": "one", "env:WEB_A_B_2": "two"}.get))
    assert {values["a"]["b"], values["a-b"]} == {"one", "two"}


def test_notes_of_a_hostile_cloud_stay_comments(tmp_path):
    names = ["x\ndefaults: {release: {on_existing: replace}}", "x\r- evil", "x\u2028y: 1", "\x1b[31mred", "x\x85z: 1"]
    snapshot = taken([a_release("kept"), *(a_release(name) for name in names)])
    text = to_yaml(snapshot, "now")
    assert yaml.safe_load(text) == snapshot.manifest
    head = text[: text.index('"name"')]
    assert all(line.startswith("#") for line in head.splitlines() if line)
    assert "\x1b" not in head
    assert [deployment.release.name for deployment in planned(snapshot, tmp_path).deployments] == ["kept"]


def test_several_revisions_of_a_release_are_written_once_as_the_newest_was():
    states = [msgspec.structs.replace(a_release(values={"at": n}), revision=n) for n in (2, 3, 1)]
    snapshot = taken(states)
    assert [entry["values"] for entry in snapshot.manifest["releases"]] == [{"at": 3}]
