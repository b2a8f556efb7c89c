import asyncio
import logging
import socket
import traceback

import pytest
from aiohttp import web

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.model.api import ListCharts, ListClusters


class Cloud:
    """Identity service and API in one; remembers logins and the headers of calls."""

    def __init__(self, token_answer):
        self.answer = token_answer
        self.bodies, self.calls, self.paths = [], [], []

    async def __call__(self, request):
        if request.method == "POST":
            self.bodies.append((await request.json())["auth"])
            return self.answer()
        self.paths.append(request.path)
        self.calls.append(request.headers)
        if request.path.rstrip("/").endswith("/v3") or request.path == "/":
            return web.Response(status=404)  # no version discovery
        return web.json_response([])


@pytest.fixture
def cloud(token_answer):
    return Cloud(token_answer)


@pytest.fixture(autouse=True)
def _files_of_the_test_alone(monkeypatch, tmp_path):
    """openstacksdk settles where its files lie when it is first imported, so the test's folder is named outright."""
    from openstack.config import loader

    for kind in ("CONFIG_FILES", "SECURE_FILES", "VENDOR_FILES"):
        monkeypatch.setattr(loader, kind, [])
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))


def run(serve, log_in, cloud, method, options, prepare, *, call=None, with_endpoint=True, **more):
    """Prepare files or variables for the server's address, log in, make one call."""

    async def scenario():
        async with serve(cloud) as url:
            prepare(url)
            async with log_in(method, options, endpoint=url if with_endpoint else "", **more) as api:
                return await api.call(call or ListCharts())

    return asyncio.run(scenario())


def write_clouds(text, name="clouds.yaml"):
    def prepare(url):
        with open(name, "w") as file:  # noqa: PTH123 - in the test's own folder
            file.write(text.replace("URL", url))

    return prepare


PASSWORD_ENTRY = """
clouds:
  otc-prod:
    identity_api_version: 3
    region_name: eu-de
    auth:
      auth_url: URL/v3
      username: robot
      password: pass-word-1
      user_domain_name: D
      project_name: eu-de
"""


def test_an_entry_of_clouds_yaml_logs_in(serve, log_in, cloud):
    answer = run(serve, log_in, cloud, "clouds", {"cloud": "otc-prod"}, write_clouds(PASSWORD_ENTRY))

    assert answer.status == 200
    assert cloud.bodies[0]["identity"]["password"]["user"] == {
        "name": "robot",
        "password": "pass-word-1",
        "domain": {"name": "D"},
    }
    assert cloud.bodies[0]["scope"]["project"]["name"] == "eu-de"
    assert cloud.calls[-1]["X-Auth-Token"] == "T1"


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (401, AuthFailed, "user 'robot' of domain 'D' was refused (HTTP 401 IAM.0062 bad ******)"),
        (404, AuthFailed, "HTTP 404 IAM.0062 bad ******; check auth_url"),
        (503, CloudUnreachable, "HTTP 503 IAM.0062 bad ******"),
        (302, CloudUnreachable, "the answer is no token; check that auth_url"),
    ],
)
def test_a_refused_login_of_clouds_yaml_is_one_clear_line_without_its_password(
    serve, log_in, cloud, caplog, status, kind, told
):
    caplog.set_level(logging.DEBUG)
    body = {"error_code": "IAM.0062", "error_msg": "bad pass-word-1"}
    cloud.answer = lambda: web.json_response(body, status=status, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(kind) as failed:
        run(serve, log_in, cloud, "clouds", {"cloud": "otc-prod"}, write_clouds(PASSWORD_ENTRY))
    text = str(failed.value)
    assert text.startswith("cloud 'c': login at http://127.0.0.1:")
    assert told in text
    assert "\n" not in text
    assert "pass-word-1" not in "".join(traceback.format_exception(failed.value)) + caplog.text


def test_a_login_of_clouds_yaml_that_nobody_answers_makes_the_cloud_unreachable(log_in):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        async def scenario():
            write_clouds(PASSWORD_ENTRY)(url)
            async with log_in("clouds", {"cloud": "otc-prod"}, endpoint=url):
                pass

        with pytest.raises(CloudUnreachable, match=r"no connection to .*; check auth_url"):
            asyncio.run(scenario())


def test_the_entry_is_named_as_the_cloud_unless_told_and_secure_yaml_adds_the_password(serve, log_in, cloud):
    def prepare(url):
        write_clouds(PASSWORD_ENTRY.replace("otc-prod", "c").replace("      password: pass-word-1\n", ""))(url)
        write_clouds("clouds: {c: {auth: {password: from-secure}}}", "secure.yaml")(url)

    run(serve, log_in, cloud, "clouds", {}, prepare)

    assert cloud.bodies[0]["identity"]["password"]["user"]["password"] == "from-secure"


def test_the_entrys_region_chooses_the_endpoint_from_the_catalogue(serve, log_in, cloud, token_answer):
    entry = PASSWORD_ENTRY

    def prepare(url):
        endpoints = [
            {"interface": "public", "region": "eu-nl", "url": "https://elsewhere"},
            {"interface": "public", "region": "eu-de", "url": url},
        ]
        cloud.answer = lambda: token_answer(catalog=[{"type": "ccev2.0", "name": "cce", "endpoints": endpoints}])
        write_clouds(entry)(url)

    run(serve, log_in, cloud, "clouds", {"cloud": "otc-prod"}, prepare, with_endpoint=False)

    assert "/v2/charts" in cloud.paths


@pytest.mark.parametrize(
    "entry",
    [
        "clouds: {otc: {ak: AK1, sk: SK1, security_token: ST1, auth: {auth_url: URL/v3, project_id: p7}}}",
        "clouds: {otc: {auth: {ak: AK1, sk: SK1, security_token: ST1, auth_url: URL/v3, project_id: p7}}}",
        "clouds: {otc: {access_key: AK1, secret_key: SK1, security_token: ST1, auth: {project_id: p7}}}",
    ],
    ids=["beside-auth", "inside-auth", "long-names"],
)
def test_an_access_key_of_clouds_yaml_is_found_in_each_of_its_places(serve, log_in, cloud, entry):
    run(serve, log_in, cloud, "clouds", {"cloud": "otc", "form": "legacy"}, write_clouds(entry), call=ListClusters())

    assert cloud.bodies == []
    assert cloud.paths == ["/api/v3/projects/p7/clusters"]
    assert cloud.calls[0]["X-Security-Token"] == "ST1"
    assert "Credential=AK1/" in cloud.calls[0]["Authorization"]


def test_an_agency_of_clouds_yaml_assumes_the_role(serve, log_in, cloud):
    entry = """
clouds:
  otc:
    auth_type: agency
    auth: {auth_url: URL/v3, username: u, password: p, user_domain_name: D,
           target_domain_name: CUSTOMER, target_agency_name: deployers, target_project_name: eu-de}
"""
    run(serve, log_in, cloud, "clouds", {"cloud": "otc"}, write_clouds(entry))

    assert [body["identity"]["methods"] for body in cloud.bodies] == [["password"], ["assume_role"]]
    assert cloud.bodies[1]["identity"]["assume_role"] == {"domain_name": "CUSTOMER", "xrole_name": "deployers"}
    assert cloud.bodies[1]["scope"] == {"project": {"name": "eu-de"}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("clouds: {other: {}}", "entry 'otc' of clouds.yaml: Cloud otc was not found"),
        ("clouds: {otc: {auth: {username: u}}}", "entry 'otc' of clouds.yaml: .*auth_url"),
        ("clouds: {otc: {password: 'pass-word-1\n", "Cloud otc was not found; check .* that it is YAML"),
        (PASSWORD_ENTRY.replace("otc-prod:", "otc:\n    verify: false"), "TLS cannot be left unverified"),
        (PASSWORD_ENTRY.replace("otc-prod:", "otc:\n    insecure: true"), "TLS cannot be left unverified"),
        (PASSWORD_ENTRY.replace("otc-prod", "otc").replace("URL", "http://iam.example.com"), "is not encrypted"),
        ("clouds: {otc: {auth_type: none, auth: {}}}", "auth_type 'none' brings no token"),
        ("clouds: {otc: {ak: AK1, auth: {project_id: p}}}", "needs both access_key and secret_key"),
    ],
)
def test_an_entry_that_cannot_work_is_one_clear_line(serve, log_in, cloud, entry, message):
    with pytest.raises(InputError, match=f"cloud 'c'.*{message}") as bad:
        run(serve, log_in, cloud, "clouds", {"cloud": "otc"}, write_clouds(entry))

    assert "\n" not in str(bad.value)
    assert "pass-word-1" not in str(bad.value)
    assert bad.value.__context__ is None


def variables(monkeypatch, **names):
    def prepare(url):
        for name, text in names.items():
            monkeypatch.setenv(name, text.replace("URL", url))

    return prepare


def test_os_variables_log_in(serve, log_in, cloud, monkeypatch):
    prepare = variables(
        monkeypatch,
        OS_AUTH_URL="URL/v3",
        OS_USERNAME="robot",
        OS_PASSWORD="pw",
        OS_USER_DOMAIN_NAME="D",
        OS_PROJECT_NAME="eu-de",
        OS_IDENTITY_API_VERSION="3",
    )

    run(serve, log_in, cloud, "environment", {}, prepare)

    assert cloud.bodies[0]["identity"]["password"]["user"]["name"] == "robot"
    assert cloud.calls[-1]["X-Auth-Token"] == "T1"


def test_os_cloud_names_an_entry_of_clouds_yaml(serve, log_in, cloud, monkeypatch):
    def prepare(url):
        write_clouds(PASSWORD_ENTRY)(url)
        monkeypatch.setenv("OS_CLOUD", "otc-prod")
        monkeypatch.setenv("OS_ACCESS_KEY", "not-this")

    run(serve, log_in, cloud, "environment", {}, prepare)

    assert cloud.bodies[0]["identity"]["methods"] == ["password"]


@pytest.mark.parametrize("name", ["OS_TOKEN", "OS_AUTH_TOKEN"])
def test_a_token_of_the_environment_is_used_as_it_is(serve, log_in, cloud, monkeypatch, name):
    prepare = variables(monkeypatch, **{name: "ready", "OS_PROJECT_ID": "p5"})

    run(serve, log_in, cloud, "environment", {}, prepare, call=ListClusters())

    assert cloud.bodies == []
    assert cloud.paths == ["/api/v3/projects/p5/clusters"]
    assert cloud.calls[0]["X-Auth-Token"] == "ready"


@pytest.mark.parametrize(
    "family",
    [
        ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
        ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SECURITY_TOKEN"),
    ],
)
def test_an_access_key_of_the_environment_signs(serve, log_in, cloud, monkeypatch, family):
    values = dict(zip(family, ("AK2", "SK2", "ST2"), strict=True))

    run(serve, log_in, cloud, "environment", {}, variables(monkeypatch, **values, OS_PROJECT_ID="p6"))

    assert cloud.calls[0]["Authorization"].startswith("SDK-HMAC-SHA256 Access=AK2,")
    assert (cloud.calls[0]["X-Security-Token"], cloud.calls[0]["X-Project-Id"]) == ("ST2", "p6")


def test_an_object_storage_key_does_not_displace_a_password(serve, log_in, cloud, monkeypatch):
    prepare = variables(
        monkeypatch,
        S3_ACCESS_KEY_ID="AK",
        S3_SECRET_ACCESS_KEY="SK",
        OS_AUTH_URL="URL/v3",
        OS_USERNAME="robot",
        OS_PASSWORD="pw",
        OS_USER_DOMAIN_NAME="D",
        OS_PROJECT_NAME="eu-de",
    )

    run(serve, log_in, cloud, "environment", {}, prepare)

    assert len(cloud.bodies) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "no credential is given; write auth into the manifest"),
        ({"OS_REGION_NAME": "eu-de"}, "no credential is given"),
        ({"OS_ACCESS_KEY": "AK"}, "OS_ACCESS_KEY is set but OS_SECRET_KEY is not"),
        ({"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "SK"}, "needs project_id"),
        ({"OS_CLOUD": "nowhere"}, "entry 'nowhere' of clouds.yaml: .*"),
    ],
)
def test_an_environment_that_cannot_work_is_one_clear_line(serve, log_in, cloud, monkeypatch, names, message):
    with pytest.raises(InputError, match=f"cloud 'c'.*{message}"):
        run(serve, log_in, cloud, "environment", {}, variables(monkeypatch, **names))
