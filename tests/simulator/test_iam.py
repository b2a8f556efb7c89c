"""The identity service: keystoneauth1 logs in unchanged, and wrong passwords end in a lock."""

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import generic, v3
from msgspec.structs import replace

from batch_deployer.simulator.identity.accounts import Accounts, Caller
from batch_deployer.simulator.identity.iam import Iam
from batch_deployer.simulator.identity.signing import Received
from batch_deployer.simulator.provider import SimulatedProvider

AT = 1_767_322_800.0


def a_session(plugin, url, **more):
    given = {
        "username": "demo",
        "password": "demo",
        "user_domain_name": "sim",
        "project_name": "north",
        "project_domain_name": "sim",
    }
    return session.Session(auth=plugin(url, **given | more))


@pytest.mark.parametrize(
    ("plugin", "path"), [(v3.Password, "/v3"), (generic.Password, "/v3"), (generic.Password, "")], ids=str
)
def test_keystoneauth1_logs_in_and_finds_the_service_in_the_catalogue(simulator, plugin, path):
    logged_in = a_session(plugin, simulator.url + path)
    assert logged_in.get_project_id() == "a" * 32
    assert logged_in.get_endpoint(service_type="ccev2.0") == simulator.url
    assert logged_in.get_endpoint(service_type="iam") == simulator.url
    answer = logged_in.get("/v2/charts", endpoint_filter={"service_type": "ccev2.0"})
    assert answer.json()[0]["name"] == "web-chart"


def test_keystoneauth1_names_a_project_by_id_and_is_refused_with_a_wrong_password(simulator):
    by_id = a_session(
        v3.Password, simulator.url + "/v3", project_name=None, project_domain_name=None, project_id="b" * 32
    )
    assert by_id.get_project_id() == "b" * 32
    with pytest.raises(exceptions.Unauthorized):
        a_session(v3.Password, simulator.url + "/v3", user_domain_name="elsewhere", password="x").get_token()


def test_a_token_is_answered_as_documented(http):
    status, headers, body = http.log_in()
    assert status == 201
    assert headers["X-Subject-Token"]
    token = body["token"]
    assert token["project"] == {"id": "a" * 32, "name": "north", "domain": token["user"]["domain"]}
    assert token["expires_at"].endswith("Z")
    assert {entry["type"] for entry in token["catalog"]} == {"ccev2.0", "iam", "identity"}


def test_the_catalogue_can_be_left_out(http):
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": http.as_demo()["X-Auth-Token"]}}}}
    answer = http.ask("POST", "/v3/auth/tokens?nocatalog=true", body)
    assert answer[0] == 201
    assert "catalog" not in answer[2]["token"]


@pytest.mark.parametrize("field", ["xrole_name", "agency_name"])
def test_an_agency_is_assumed_by_either_name_of_its_field(http, field):
    role = {"domain_name": "sim", field: "deployers"}
    scope = {"project": {"name": "south"}}
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": role}, "scope": scope}}
    status, headers, answer = http.ask("POST", "/v3/auth/tokens", body, http.as_demo())
    assert (status, answer["token"]["project"]["id"]) == (201, "b" * 32)
    assert answer["token"]["assumed_by"]["user"]["name"] == "demo"
    assert http.ask("GET", "/v2/charts", headers={"X-Auth-Token": headers["X-Subject-Token"]})[0] == 200
    role[field] = "strangers"
    assert http.ask("POST", "/v3/auth/tokens", body, http.as_demo())[2]["error_code"] == "IAM.0004"
    assert http.ask("POST", "/v3/auth/tokens", body)[2]["error_code"] == "IAM.0066"


def test_a_token_without_a_project_opens_nothing(http):
    identity = {"methods": ["token"], "token": {"id": http.as_demo()["X-Auth-Token"]}}
    _, headers, _ = http.ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
    status, _, body = http.ask("GET", "/v2/charts", headers={"X-Auth-Token": headers["X-Subject-Token"]})
    assert (status, body["error_code"]) == (403, "APIGW.0302")


def test_projects_are_listed_by_name(http):
    headers = http.as_demo()
    assert [one["id"] for one in http.ask("GET", "/v3/projects?name=south", headers=headers)[2]["projects"]] == [
        "b" * 32
    ]
    assert len(http.ask("GET", "/v3/projects", headers=headers)[2]["projects"]) == 2
    assert http.ask("GET", "/v3/projects")[0] == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "IAM.0007"),
        ({"auth": {}}, 400, "IAM.0007"),
        ({"auth": {"identity": {"methods": ["telepathy"]}}}, 400, "IAM.0007"),
        ({"auth": {"identity": {"methods": ["password"]}}}, 400, "IAM.0007"),
        (b" " * 40_000, 400, "IAM.0011"),
    ],
)
def test_a_broken_login_is_refused(http, body, status, code):
    answer = http.ask("POST", "/v3/auth/tokens", body)
    assert (answer[0], answer[2]["error_code"]) == (status, code)


def test_a_project_nobody_knows_is_not_found(http):
    answer = http.log_in(project="east")
    assert (answer[0], answer[2]["error_code"]) == (404, "IAM.0004")


@pytest.fixture
def iam(make_world):
    """The identity service alone, so that locks do not reach other tests."""
    world = make_world()
    fleet = SimulatedProvider(world)
    accounts = Accounts(world, fleet.tokens)
    service = Iam(world.account, world.clouds, accounts, fleet.tokens)

    def log_in(password, now=AT):
        text = f'{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"demo","password":"{password}","domain":{{"name":"sim"}}}}}}}}}}}}'
        reply = service.answer("POST", "/v3/auth/tokens", {}, text.encode(), now=now, base="").reply
        return reply.problem.code if reply.problem else reply.status

    return log_in


def test_five_wrong_passwords_lock_the_account_for_a_while(iam):
    assert [iam("wrong") for _ in range(5)] == ["IAM.0062"] * 5
    assert iam("demo") == "IAM.0061"
    assert iam("demo", AT + 901) == 201


def test_a_right_password_forgives_the_wrong_ones_before(iam):
    for _ in range(4):
        iam("wrong")
    assert iam("demo") == 201
    assert [iam("wrong") for _ in range(4)] == ["IAM.0062"] * 4
    assert iam("demo") == 201


def test_wrong_signatures_lock_the_access_key(make_world):
    world = make_world()
    accounts = Accounts(world, SimulatedProvider(world).tokens)
    headers = {
        "Authorization": f"SDK-HMAC-SHA256 Access=SIMULATEDACCESSKEY00, SignedHeaders=x-sdk-date, Signature={'0' * 64}",
        "X-Sdk-Date": "20260102T030000Z",
        "x-sdk-date": "20260102T030000Z",
    }
    received = Received(method="GET", target="/v2/charts", headers=headers, body=b"")
    words = [accounts.admit(received, AT).problem.message for _ in range(6)]
    assert all("verify aksk signature fail" in one for one in words[:5])
    assert "AK access failed to reach the limit,forbidden" in words[5]


def test_a_fixed_token_is_valid_for_ever(make_world):
    world = make_world()
    world = replace(world, account=replace(world.account, tokens={"forever": "south"}))
    received = Received(method="GET", target="/v2/charts", headers={"X-Auth-Token": "forever"}, body=b"")
    caller = Accounts(world, SimulatedProvider(world).tokens).admit(received, 4e9)
    assert isinstance(caller, Caller)
    assert caller.cloud.name == "south"
