import asyncio

import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.errors import AuthFailed
from batch_deployer.model.api import CreateRelease, ListReleases
from batch_deployer.plan.plan import AuthSpec, CloudSpec
from batch_deployer.rules.responses import Verdict, judge
from batch_deployer.settings import HttpSettings
from batch_deployer.simulator.world.entities import Account
from batch_deployer.transport.connect import open_cloud

CLUSTER = "00000000-0000-4000-8000-000000000001"
CHART = "00000000-0000-4000-8000-0000000000c1"
PROJECT = "a" * 32
CREATE = CreateRelease(cluster_id=CLUSTER, namespace="apps", name="web", chart_id=CHART, version="1.0.0")
LIST = ListReleases(cluster_id=CLUSTER)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("password", {}),
        ("password", {"project_id": PROJECT}),
        ("token", {"token": "for-ever"}),
        ("agency", {
            "username": "demo", "password": "demo", "user_domain": "sim",
            "agency": "deployers", "agency_domain": "sim", "project": "north",
        }),
        ("aksk", {"form": "access"}),
        ("aksk", {"form": "legacy"}),
    ],
    ids=["password", "project-id", "token", "agency", "aksk-access", "aksk-legacy"],
)  # fmt: skip
def test_every_way_to_authenticate_is_accepted_by_the_simulated_cloud(a_fleet, served, connected, method, options):
    if method == "aksk":
        account = Account()
        options = options | {
            "access_key": account.access_key, "secret_key": account.secret_key, "project_id": PROJECT,
        }  # fmt: skip

    async def play():
        async with served(a_fleet()) as url, connected(url, method, **options) as api:
            return [await api.call(call) for call in (CREATE, LIST, ListReleases(cluster_id=CLUSTER, namespace="a/b"))]

    created, listed, filtered = asyncio.run(play())

    assert (created.status, listed.status, filtered.status) == (201, 200, 200)
    assert [release.name for release in listed.body] == ["web"]
    assert filtered.body == []


def test_the_simulated_catalogue_leads_to_the_simulated_cloud(a_fleet, served):
    async def play():
        async with served(a_fleet()) as url:
            options = {"username": "demo", "password": "demo", "user_domain": "sim", "project": "north"}
            auth = AuthSpec(method="password", options=options | {"auth_url": f"{url}/v3"})
            api = (
                await open_cloud(
                    CloudSpec(name="north", auth=auth),
                    wire=HttpSettings(),
                    connections=1,
                    secrets=str,
                    clock=SystemClock(),
                )
            ).api
            try:
                return await api.call(LIST)
            finally:
                await api.close()

    assert asyncio.run(play()).body == []


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("password", {"password": "wrong"}, "user 'demo' of domain 'sim' was refused"),
        ("password", {"username": "nobody"}, "user 'nobody' of domain 'sim' was refused"),
    ],
)
def test_a_wrong_password_shows_before_any_call(a_fleet, served, connected, method, options, told):
    fleet = a_fleet()

    async def play():
        async with served(fleet) as url, connected(url, method, **options):
            raise AssertionError("logged in")

    with pytest.raises(AuthFailed, match=told):
        asyncio.run(play())

    assert not fleet.releases(0.0)


def test_a_wrong_secret_key_is_refused_once_and_for_all(a_fleet, served, connected):
    async def play():
        key = {"access_key": Account().access_key, "secret_key": "wrong", "project_id": PROJECT}
        async with served(a_fleet()) as url, connected(url, "aksk", **key) as api:
            answer = await api.call(LIST)
            with pytest.raises(AuthFailed, match="was refused"):
                await api.renew(answer.credential)
            return answer

    assert judge(LIST, asyncio.run(play())) is Verdict.AUTH
