"""The server is as strict as the API: one table of what it refuses, over real HTTP."""

import json

import pytest

RELEASES = "/cce/cam/v3/clusters/00000000-0000-4000-8000-000000000001/releases"
ONE = "/cce/cam/v3/clusters/00000000-0000-4000-8000-000000000001/namespace/apps/releases/"
GOOD = {
    "chart_id": "00000000-0000-4000-8000-0000000000c1",
    "name": "strict",
    "namespace": "apps",
    "version": "1.0.0",
    "values": {},
}
UPDATE = {"chart_id": GOOD["chart_id"], "action": "upgrade", "parameters": {}, "values": {}}


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize("name", list(GOOD))
def test_each_mandatory_field_of_a_create_is_asked_for(http, name):
    status, _, body = http.ask("POST", RELEASES, without(GOOD, name), http.as_demo())
    assert (status, body["errorCode"], body["error_code"]) == (400, "CCE.01400001", "CCE_CM.0004")
    assert f"`{name}`" in body["message"]


@pytest.mark.parametrize("name", list(UPDATE))
def test_each_mandatory_field_of_an_update_is_asked_for(http, name):
    status, _, body = http.ask("PUT", ONE + "whatever", without(UPDATE, name), http.as_demo())
    assert (status, body["errorCode"]) == (400, "CCE.01400001")
    assert f"`{name}`" in body["message"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"values": "{}"}, "$.values"),
        ({"values": []}, "$.values"),
        ({"values": None}, "$.values"),
        ({"version": 1}, "$.version"),
        ({"name": 7}, "$.name"),
        ({"namespace": None}, "$.namespace"),
        ({"chart_id": ["x"]}, "$.chart_id"),
        ({"parameters": []}, "$.parameters"),
        ({"parameters": {"dry_run": "true"}}, "$.parameters.dry_run"),
        ({"parameters": {"release_version": "1"}}, "$.parameters.release_version"),
        ({"parameters": {"name_template": True}}, "$.parameters.name_template"),
        ({"description": 5}, "$.description"),
        ({"name": "Upper"}, "release name 'Upper' is invalid"),
        ({"name": "dash-"}, "release name 'dash-' is invalid"),
        ({"namespace": "No_Good"}, "namespace 'No_Good' is invalid"),
        ({"version": "7.7.7"}, "has no version '7.7.7'"),
    ],
)
def test_a_wrong_type_or_value_is_refused(http, changed, word):
    status, _, body = http.ask("POST", RELEASES, GOOD | changed, http.as_demo())
    assert status == 400
    assert word in body["message"]


def test_an_action_must_be_upgrade_or_rollback(http):
    status, _, body = http.ask("PUT", ONE + "whatever", UPDATE | {"action": "destroy"}, http.as_demo())
    assert status == 400
    assert "$.action" in body["message"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"'])
def test_a_body_that_is_no_json_object_is_refused(http, text):
    assert http.ask("POST", RELEASES, text, http.as_demo())[0] == 400


def test_fields_nobody_knows_are_ignored(http):
    body = GOOD | {"name": "extra", "colour": "blue", "parameters": {"speed": 11}}
    assert http.ask("POST", RELEASES, body, http.as_demo())[0] == 201


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_another_content_type_is_refused(http, given):
    status, _, body = http.ask("POST", RELEASES, json.dumps(GOOD).encode(), http.as_demo() | {"Content-Type": given})
    assert (status, body["errorCode"]) == (400, "CCE.01400006")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", RELEASES + "/"),
        ("POST", RELEASES + "/"),
        ("GET", ONE + "web/"),
        ("GET", ONE),
        ("PATCH", ONE + "web"),
        ("DELETE", RELEASES),
        ("GET", "/cce/cam/v3/clusters"),
        ("GET", ONE.replace("namespace", "namespaces") + "web"),
        ("GET", "/v2/charts/"),
        ("POST", "/v2/charts"),
        ("GET", "/v3/nowhere"),
    ],
)
def test_a_wrong_path_or_method_is_the_gateways_404(http, method, path):
    status, _, body = http.ask(method, path, headers=http.as_demo())
    assert (status, body["error_code"]) == (404, "APIGW.0101")


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (ONE + "absent", "release apps/absent"),
        (ONE + "absent/history", "release apps/absent"),
        (RELEASES.replace("000000000001", "000000000009"), "cluster"),
        ("/v2/charts/nope", "chart nope"),
        ("/v2/charts/nope/values", "chart nope"),
    ],
)
def test_an_absent_thing_is_the_services_404(http, path, what):
    status, _, body = http.ask("GET", path, headers=http.as_demo())
    assert (status, body["errorCode"], body["kind"]) == (404, "CCE.01404001", "Status")
    assert what in body["message"]


def test_a_chart_or_cluster_nobody_knows_is_refused_on_create(http):
    unknown = GOOD | {"chart_id": "00000000-0000-4000-8000-00000000ffff"}
    assert http.ask("POST", RELEASES, unknown, http.as_demo())[0] == 404
    assert http.ask("POST", RELEASES.replace("000000000001", "000000000009"), GOOD, http.as_demo())[0] == 404


def test_a_cluster_of_another_cloud_is_not_found(http):
    assert http.ask("GET", RELEASES, headers=http.as_demo("south"))[0] == 404


def test_a_project_in_the_path_must_be_the_tokens(http):
    headers = http.as_demo()
    assert http.ask("GET", f"/api/v3/projects/{'a' * 32}/clusters", headers=headers)[0] == 200
    status, _, body = http.ask("GET", f"/api/v3/projects/{'b' * 32}/clusters", headers=headers)
    assert (status, body["errorCode"]) == (403, "CCE.01403001")


def test_a_body_announced_as_more_than_12_mb_is_refused_unread(http, wire):
    token = http.as_demo()["X-Auth-Token"]
    head = f"POST {RELEASES} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {token}\r\nContent-Length: 12582913\r\n\r\n"
    assert wire(head.encode()).startswith(b"HTTP/1.1 413")


def test_a_body_that_grows_beyond_12_mb_is_refused(http):
    pieces = (b" " * 1048576 for _ in range(13))
    headers = http.as_demo() | {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    status, _, body = http.ask("POST", RELEASES, pieces, headers)
    assert (status, body["error_code"]) == (413, "APIGW.0201")


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Auth-Token": "made-up"}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic ZGVtbzpkZW1v"}],
)
def test_nobody_comes_in_without_a_credential(http, headers):
    status, _, body = http.ask("GET", RELEASES, headers=headers)
    assert (status, body["error_code"]) == (401, "APIGW.0301")
