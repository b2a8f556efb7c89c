"""One contract, two transports: the fleet in process, and the same fleet behind HTTP.

In process the clock is virtual; over HTTP the fleet's time runs a million times faster, so neither waits.
"""

import asyncio
import json

import pytest

from batch_deployer.clock.virtual import run_virtually, virtual_clock
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
from batch_deployer.ports import HeldBack
from batch_deployer.rules.responses import Verdict, judge
from batch_deployer.simulator.in_process import SimulatedApi

CLUSTER = "00000000-0000-4000-8000-000000000001"
CHART = "00000000-0000-4000-8000-0000000000c1"
AT = {"cluster_id": CLUSTER, "namespace": "apps", "name": "web"}
CREATE = CreateRelease(**AT, chart_id=CHART, version="1.0.0", values_json='{"a":{"b":"ü"}}')
UPGRADE = UpdateRelease(**AT, operation=Operation.UPGRADE, chart_id=CHART, values_json='{"a":2}')
ROLLBACK = UpdateRelease(**AT, operation=Operation.ROLLBACK, chart_id=CHART, parameters=Parameters(release_version=1))
SHOW, HISTORY, DELETE = ShowRelease(**AT), ReleaseHistory(**AT), DeleteRelease(**AT)
LIST = ListReleases(cluster_id=CLUSTER)


@pytest.fixture
def over_http(served, connected):
    def play(fleet, scene):
        async def act():
            async with served(fleet) as url, connected(url) as api:
                return await scene(api, lambda: asyncio.sleep(0))

        return asyncio.run(act())

    return play


@pytest.fixture
def in_process():
    def play(fleet, scene):
        async def act():
            clock = virtual_clock()
            return await scene(SimulatedApi(fleet, "north", clock), lambda: clock.sleep(5.0))

        return run_virtually(act())

    return play


@pytest.fixture(params=["in_process", "over_http"])
def play(request):
    """Play a scene `async (api, pause)` on a fleet, over either transport."""
    return request.getfixturevalue(request.param)


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


def test_a_created_release_is_shown_listed_and_in_its_history(play, a_fleet):
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


def test_upgrade_and_rollback_add_revisions(play, a_fleet):
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


def test_a_deleted_release_ends_in_absence(play, a_fleet):
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


def test_charts_and_clusters_are_read(play, a_fleet):
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


def test_a_second_create_is_told_that_the_name_is_taken(play, a_fleet):
    async def scene(api, pause):
        await api.call(CREATE)
        await until(api, pause, SHOW, deployed(1))
        return await api.call(CREATE)

    answer = play(a_fleet(), scene)

    assert (answer.status, judge(CREATE, answer)) == (409, Verdict.EXISTS)


def test_a_call_that_is_held_back_as_it_leaves_is_not_sent_and_the_next_one_is(play, a_fleet):
    def hold_back():
        raise HeldBack("not now")

    async def scene(api, pause):
        held = await api.call(CREATE, hold_back)
        absent = await api.call(SHOW)
        await api.call(CREATE)
        return held, absent, await until(api, pause, SHOW, deployed(1))

    held, absent, _ = play(a_fleet(), scene)

    assert (held.status, held.sent, held.message) == (0, Sent.NO, "not now")
    assert absent.status == 404


def test_a_connection_cut_after_the_server_acted_may_have_acted(play, a_fleet):
    async def scene(api, pause):
        cut = await api.call(CREATE)
        return cut, await until(api, pause, SHOW, deployed(1))

    cut, shown = play(a_fleet({"effect": "reset", "acts": "at_once", "calls": ["create_release"], "first": 1}), scene)

    assert (cut.status, cut.sent) == (0, Sent.MAYBE)
    assert judge(CREATE, cut) is Verdict.AMBIGUOUS
    assert shown.body.revision == 1


def test_a_lapsed_token_is_renewed_once_and_the_call_then_succeeds(play, a_fleet):
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
def test_what_goes_wrong_reads_the_same_over_both_transports(in_process, over_http, a_fleet, rule, verdict):
    async def scene(api, _pause):
        answer = await api.call(CREATE)
        seen = (answer.status, answer.sent, answer.code, answer.other_code, answer.shape, answer.retry_after)
        return seen, judge(CREATE, answer), bool(answer.request_id), answer.server_time is not None

    answers = [play(a_fleet(rule, retry_after="seconds"), scene) for play in (in_process, over_http)]

    assert answers[0] == answers[1]
    assert answers[0][1] is verdict
