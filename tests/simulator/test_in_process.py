"""The in-process transport: the same fleet, seen as a client sees it, on virtual time."""

import anyio
import pytest

from batch_deployer.clock.virtual import EPOCH, run_virtually, virtual_clock
from batch_deployer.model.api import (
    ChartState,
    ClusterTags,
    CreateRelease,
    ListCharts,
    ListClusters,
    ListReleases,
    ReleaseHistory,
    Sent,
    ShowChart,
    ShowCluster,
    ShowRelease,
)
from batch_deployer.settings import HttpSettings
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.in_process import SimulatedApi
from batch_deployer.simulator.provider import SimulatedProvider

CLUSTER = "00000000-0000-4000-8000-000000000001"
CHART = "00000000-0000-4000-8000-0000000000c1"
WEB = CreateRelease(
    cluster_id=CLUSTER, namespace="apps", name="web", chart_id=CHART, version="1.0.0", values_json='{"a":1}'
)
SHOW = ShowRelease(cluster_id=CLUSTER, namespace="apps", name="web")


@pytest.fixture
def with_api(make_world):
    """Run a scenario with an api, its fleet and a clock."""

    def run(scenario, rules="calm", *, fleet=None, wire=None, **world):
        given = fleet or SimulatedProvider(make_world(**world), faults=files.load(rules))

        async def main():
            clock = virtual_clock()
            api = SimulatedApi(given, "north", clock, wire=wire)
            try:
                return await scenario(api, given, clock)
            finally:
                await api.close()

        return run_virtually(main())

    return run


def test_every_read_is_decoded(with_api):
    async def scenario(api, fleet, clock):
        created = await api.call(WEB)
        assert (created.status, created.body.revision, created.body.status) == (201, 1, "PENDING_INSTALL")
        assert created.request_id
        await clock.sleep(60)
        shown = (await api.call(SHOW)).body
        assert (shown.status, shown.values_json, shown.chart_name) == ("DEPLOYED", '{"a":1}', "web-chart")
        assert shown.created_at == shown.updated_at == "2026-01-02T11:00:00+08:00"
        assert (await api.call(ListReleases(cluster_id=CLUSTER))).body == [shown]
        assert (await api.call(ListReleases(cluster_id=CLUSTER, namespace="other"))).body == []
        assert (await api.call(ListReleases(cluster_id=CLUSTER, chart_id=CHART))).body == [shown]
        assert (await api.call(ReleaseHistory(cluster_id=CLUSTER, namespace="apps", name="web"))).body == [shown]
        chart = ChartState(id=CHART, name="web-chart", version="1.1.0", updated_at="2025-12-31T03:00:00Z")
        assert (await api.call(ListCharts())).body == [chart]
        assert (await api.call(ShowChart(chart_id=CHART))).body == chart
        clusters = (await api.call(ListClusters())).body
        assert [(one.id, one.phase, one.tags) for one in clusters] == [(CLUSTER, "Available", {"env": "prod"})]
        assert (await api.call(ShowCluster(cluster_id=CLUSTER))).body == clusters[0]
        assert (await api.call(ClusterTags(cluster_id=CLUSTER))).body == {"env": "prod"}

    with_api(scenario)


def test_an_error_keeps_both_codes_and_its_shape(with_api):
    async def scenario(api, fleet, clock):
        return await api.call(SHOW)

    answer = with_api(scenario)
    assert (answer.status, answer.code, answer.other_code, answer.shape) == (404, "CCE.01404001", "CCE_CM.0003", "B")
    assert (answer.message, answer.sent, answer.body) == ("release apps/web not found", Sent.YES, None)


def test_a_reset_is_an_answer_that_may_have_been_sent(with_api):
    async def scenario(api, fleet, clock):
        answer = await api.call(WEB)
        return answer, fleet.summary()["creates"]

    answer, creates = with_api(scenario, "[{effect: reset, acts: at_once}]")
    assert (answer.sent, answer.status, len(creates)) == (Sent.MAYBE, 0, 1)


@pytest.mark.parametrize("effect", ["timeout", "slow"])
@pytest.mark.parametrize(("call", "patience"), [(WEB, 60.0), (SHOW, 30.0)])
def test_silence_ends_with_the_clients_own_timeout(with_api, call, patience, effect):
    async def scenario(api, fleet, clock):
        started = clock.monotonic()
        answer = await api.call(call)
        return answer.sent, clock.monotonic() - started

    sent, waited = with_api(scenario, f"[{{effect: {effect}, seconds: 10m}}]", wire=HttpSettings())
    assert (sent, round(waited, 3)) == (Sent.MAYBE, patience)


def test_an_answer_takes_a_little_while_and_always_the_same(with_api):
    async def scenario(api, fleet, clock):
        took = []
        for _ in range(20):
            started = clock.monotonic()
            await api.call(ListCharts())
            took.append(clock.monotonic() - started)
        return took

    took = with_api(scenario)
    assert took == with_api(scenario)
    assert 0.005 <= min(took) < max(took) <= 0.05


def test_a_dead_token_is_renewed_once_for_all_who_ask(with_api):
    async def scenario(api, fleet, clock):
        refused = await api.call(WEB)
        assert (refused.code, refused.credential) == ("APIGW.0307", 1)
        assert (await api.call(SHOW)).status == 401
        await api.renew(1)
        started = clock.monotonic()
        await api.renew(1)
        assert clock.monotonic() == started, "somebody else has done it"
        answer = await api.call(WEB)
        assert (answer.status, answer.credential) == (201, 2)

    with_api(scenario, "[{effect: expire_token, first: 1, calls: writes}]")


def test_a_token_dies_of_age(with_api):
    async def scenario(api, fleet, clock):
        await clock.sleep(99)
        before = (await api.call(SHOW)).status
        await clock.sleep(2)
        return before, (await api.call(SHOW)).status

    assert with_api(scenario, token_lifetime=100.0) == (404, 401)


def test_a_second_story_goes_on_where_the_fleet_stood(with_api, make_world):
    fleet = SimulatedProvider(make_world())

    async def first(api, fleet, clock):
        await api.call(WEB)
        await clock.sleep(1000)
        await api.call(SHOW)

    async def second(api, fleet, clock):
        await clock.sleep(5)
        return (await api.call(SHOW)).body.status, fleet.advance(0.0)

    with_api(first, fleet=fleet)
    status, now = with_api(second, fleet=fleet)
    assert (status, now > EPOCH + 1005) == ("DEPLOYED", True)


def test_a_call_cancelled_on_its_way_back_has_taken_effect(with_api):
    async def scenario(api, fleet, clock):
        with anyio.move_on_after(1):
            await api.call(WEB)
        return fleet.summary()["creates"]

    assert len(with_api(scenario, "[{effect: slow, seconds: 30}]")) == 1
