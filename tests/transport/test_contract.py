"""One contract, two transports: the fleet in process, and the same fleet behind HTTP.

In process the clock is virtual; over HTTP the fleet's time runs a million times faster, so neither waits.
"""

import asyncio
import contextlib
import json

import pytest

from batch_deployer.clock.system import SystemClock
from batch_deployer.clock.virtual import run_virtually, virtual_clock
from batch_deployer.errors import AuthFailed
from batch_deployer.model.api import (
    ClusterTags,
    CreateRelease,
    DeleteRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    Sent,
    ShowChart,
    ShowCluster,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation, Parameters
from batch_deployer.plan.frozen import AuthSpec, CloudSpec
from batch_deployer.rules.replies import Verdict, judge
from batch_deployer.settings import WireSettings
from batch_deployer.simulator import faults
from batch_deployer.simulator.fleet import Fleet
from batch_deployer.simulator.inventory import Account, SimChart, SimCloud, SimCluster
from batch_deployer.simulator.server import serve
from batch_deployer.simulator.transport import SimulatedApi
from batch_deployer.simulator.world import World
from batch_deployer.transport.connect import open_api

CLUSTER = "00000000-0000-4000-8000-000000000001"
CHART = "00000000-0000-4000-8000-0000000000c1"
PROJECT = "a" * 32
AT = {"cluster_id": CLUSTER, "namespace": "apps", "name": "web"}
CREATE = CreateRelease(**AT, chart_id=CHART, version="1.0.0", values_json='{"a":{"b":"ü"}}')
UPGRADE = UpdateRelease(**AT, operation=Operation.UPGRADE, chart_id=CHART, values_json='{"a":2}')
ROLLBACK = UpdateRelease(**AT, operation=Operation.ROLLBACK, chart_id=CHART, parameters=Parameters(release_version=1))
SHOW, HISTORY, DELETE = ShowRelease(**AT), ReleaseHistory(**AT), DeleteRelease(**AT)
LIST = ListReleases(cluster_id=CLUSTER)


def a_fleet(*rules, **more):
    world = World(
        clouds=(SimCloud(name="north", project_id=PROJECT, writes="1000/s", reads="1000/s"),),
        clusters=(SimCluster(id=CLUSTER, name="alpha", cloud="north", tags={"env": "prod"}),),
        charts=(SimChart(id=CHART, name="web-chart", versions=("1.0.0", "1.1.0"), description="d", spread=0.0),),
        account=Account(tokens={"for-ever": "north"}),
        **more,
    )
    return Fleet(world, seed=7, faults=faults.load_data(list(rules)))


@contextlib.asynccontextmanager
async def served(fleet):
    """The fleet behind HTTP; gives its URL."""
    url = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(fleet, speed=1_000_000.0, ready=url.set_result))
    try:
        await asyncio.wait({task, url}, return_when=asyncio.FIRST_COMPLETED)
        yield url.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def connected(url, method="password", **options):
    """Our HTTP side on a served fleet."""
    defaults = {"password": {"username": "demo", "password": "demo", "user_domain": "sim", "project": "north"}}
    spec = CloudSpec(
        name="north", endpoint=url, auth=AuthSpec(method=method, options=defaults.get(method, {}) | options)
    )
    api = await open_api(spec, wire=WireSettings(), connections=4, secrets=str, clock=SystemClock())
    try:
        yield api
    finally:
        await api.close()


def over_http(fleet, scene):
    async def play():
        async with served(fleet) as url, connected(url) as api:
            return await scene(api, lambda: asyncio.sleep(0))

    return asyncio.run(play())


def in_process(fleet, scene):
    async def play():
        clock = virtual_clock()
        return await scene(SimulatedApi(fleet, "north", clock), lambda: clock.sleep(5.0))

    return run_virtually(play())


@pytest.fixture(params=[in_process, over_http], ids=["in-process", "http"])
def play(request):
    """Play a scene `async (api, pause)` on a fleet, over either transport."""
    return request.param


async def until(api, pause, call, wanted):
    """Ask until the answer is as wanted."""
    for _ in range(500):
        answer = await api.call(call)
        if wanted(answer):
            return answer
        await pause()
    raise AssertionError(f"{call} stays at {answer}")


def deployed(revision):
    return lambda answer: answer.status == 200 and (answer.body.status, answer.body.revision) == ("DEPLOYED", revision)


def test_a_created_release_is_shown_listed_and_in_its_history(play):
    async def scene(api, pause):
        created = await api.call(CREATE)
        shown = await until(api, pause, SHOW, deployed(1))
        return created, shown, await api.call(LIST), await api.call(HISTORY)

    created, shown, listed, history = play(a_fleet(), scene)

    assert (created.status, created.sent, created.body.status, created.body.revision) == (
        201,
        Sent.YES,
        "PENDING_INSTALL",
        1,
    )
    release = shown.body
    assert (release.name, release.namespace, release.cluster_id) == ("web", "apps", CLUSTER)
    assert (release.chart_name, release.chart_version) == ("web-chart", "1.0.0")
    assert json.loads(release.values_json) == {"a": {"b": "ü"}}
    assert listed.body == [release]
    assert [revision.revision for revision in history.body] == [1]
    assert created.request_id
    assert created.request_id != shown.request_id


def test_upgrade_and_rollback_add_revisions(play):
    async def scene(api, pause):
        await api.call(CREATE)
        await until(api, pause, SHOW, deployed(1))
        upgraded = await api.call(UPGRADE)
        second = await until(api, pause, SHOW, deployed(2))
        await api.call(ROLLBACK)
        third = await until(api, pause, SHOW, deployed(3))
        return upgraded, second, third, await api.call(HISTORY)

    upgraded, second, third, history = play(a_fleet(), scene)

    assert upgraded.status == 200
    assert json.loads(second.body.values_json) == {"a": 2}
    assert (third.body.chart_version, json.loads(third.body.values_json)) == ("1.0.0", {"a": {"b": "ü"}})
    assert {revision.revision for revision in history.body} == {1, 2, 3}


def test_a_deleted_release_ends_in_absence(play):
    async def scene(api, pause):
        await api.call(CREATE)
        await until(api, pause, SHOW, deployed(1))
        deleted = await api.call(DELETE)
        gone = await until(api, pause, SHOW, lambda answer: answer.status == 404)
        return deleted, gone, await api.call(LIST)

    deleted, gone, listed = play(a_fleet(), scene)

    assert deleted.status == 200
    assert judge(SHOW, gone) is Verdict.ABSENT
    assert listed.body == []


def test_charts_and_clusters_are_read(play):
    async def scene(api, _pause):
        calls = (
            ListCharts(),
            ShowChart(chart_id=CHART),
            ListClusters(),
            ShowCluster(cluster_id=CLUSTER),
            ClusterTags(cluster_id=CLUSTER),
        )
        return [(await api.call(call)).body for call in calls]

    charts, chart, clusters, cluster, tags = play(a_fleet(), scene)

    assert charts == [chart]
    assert (chart.id, chart.name, chart.description) == (CHART, "web-chart", "d")
    assert clusters == [cluster]
    assert (cluster.id, cluster.name, cluster.phase, cluster.tags) == (CLUSTER, "alpha", "Available", {"env": "prod"})
    assert tags == {"env": "prod"}


def test_a_second_create_is_told_that_the_name_is_taken(play):
    async def scene(api, pause):
        await api.call(CREATE)
        await until(api, pause, SHOW, deployed(1))
        return await api.call(CREATE)

    answer = play(a_fleet(), scene)

    assert (answer.status, judge(CREATE, answer)) == (409, Verdict.EXISTS)


def test_a_connection_cut_after_the_server_acted_may_have_acted(play):
    async def scene(api, pause):
        cut = await api.call(CREATE)
        return cut, await until(api, pause, SHOW, deployed(1))

    cut, shown = play(a_fleet({"effect": "reset", "acts": "at_once", "calls": ["create_release"], "first": 1}), scene)

    assert (cut.status, cut.sent) == (0, Sent.MAYBE)
    assert judge(CREATE, cut) is Verdict.AMBIGUOUS
    assert shown.body.revision == 1


def test_a_lapsed_token_is_renewed_once_and_the_call_then_succeeds(play):
    async def scene(api, _pause):
        refused = await api.call(LIST)
        await api.renew(refused.credential)
        await api.renew(refused.credential)
        return refused, await api.call(LIST)

    refused, accepted = play(a_fleet({"effect": "expire_token", "calls": ["list_releases"], "first": 1}), scene)

    assert judge(LIST, refused) is Verdict.EXPIRED
    assert (accepted.status, accepted.credential) == (200, refused.credential + 1)


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"effect": "throttle"}, Verdict.THROTTLED),
        ({"effect": "locked"}, Verdict.UNSETTLED),
        ({"effect": "html", "status": 502}, Verdict.AMBIGUOUS),
        ({"effect": "error", "status": 504}, Verdict.AMBIGUOUS),
        ({"effect": "error", "status": 500}, Verdict.AMBIGUOUS),
        ({"effect": "forbidden"}, Verdict.DENIED),
        ({"effect": "unreachable"}, Verdict.AMBIGUOUS),
    ],
    ids=lambda value: value["effect"] if isinstance(value, dict) else value,
)
def test_what_goes_wrong_reads_the_same_over_both_transports(rule, verdict):
    async def scene(api, _pause):
        answer = await api.call(CREATE)
        seen = (answer.status, answer.sent, answer.code, answer.other_code, answer.shape, answer.retry_after)
        return seen, judge(CREATE, answer), bool(answer.request_id), answer.server_time is not None

    answers = [play(a_fleet(rule, retry_after="seconds"), scene) for play in (in_process, over_http)]

    assert answers[0] == answers[1]
    assert answers[0][1] is verdict


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
def test_every_way_to_authenticate_is_accepted_by_the_simulated_cloud(method, options):
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


def test_the_simulated_catalogue_leads_to_the_simulated_cloud():
    async def play():
        async with served(a_fleet()) as url:
            options = {"username": "demo", "password": "demo", "user_domain": "sim", "project": "north"}
            auth = AuthSpec(method="password", options=options | {"auth_url": f"{url}/v3"})
            api = await open_api(
                CloudSpec(name="north", auth=auth), wire=WireSettings(), connections=1, secrets=str, clock=SystemClock()
            )
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
def test_a_wrong_password_shows_before_any_call(method, options, told):
    fleet = a_fleet()

    async def play():
        async with served(fleet) as url, connected(url, method, **options):
            raise AssertionError("logged in")

    with pytest.raises(AuthFailed, match=told):
        asyncio.run(play())

    assert not fleet.releases(0.0)


def test_a_wrong_secret_key_is_refused_once_and_for_all():
    async def play():
        key = {"access_key": Account().access_key, "secret_key": "wrong", "project_id": PROJECT}
        async with served(a_fleet()) as url, connected(url, "aksk", **key) as api:
            answer = await api.call(LIST)
            with pytest.raises(AuthFailed, match="was refused"):
                await api.renew(answer.credential)
            return answer

    assert judge(LIST, asyncio.run(play())) is Verdict.AUTH
