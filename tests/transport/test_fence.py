import asyncio
from dataclasses import dataclass

import pytest
from aiohttp import web

from batch_deployer.model.api import CreateRelease, DeleteRelease, ListCharts, Sent, UpdateRelease
from batch_deployer.model.deployment import Operation

AT = {"cluster_id": "c1", "namespace": "monitoring", "name": "web"}
WRITES = [
    CreateRelease(**AT, chart_id="ch", version="1.0.0"),
    UpdateRelease(**AT, chart_id="ch", operation=Operation.UPGRADE),
    DeleteRelease(**AT),
]


@dataclass
class Gate:
    """A fence that can be closed, and counts how often it was asked."""

    open: bool = True
    asked: int = 0

    def may_write(self):
        self.asked += 1
        return self.open


@pytest.mark.parametrize("warm", [False, True], ids=["new-connection", "kept-connection"])
@pytest.mark.parametrize("call", WRITES, ids=lambda call: call.kind)
def test_a_write_does_not_leave_once_the_fence_is_lost(serve, api_at, call, warm):
    gate, arrived = Gate(), []

    async def handler(request):
        arrived.append(request.method)
        return web.json_response([])

    async def scenario():
        async with serve(handler) as url, api_at(url, fence=gate) as api:
            if warm:
                await api.call(ListCharts())
            gate.open = False
            lost = await api.call(call, lambda: arrived.append("on_sent"))
            gate.open = True
            return lost, await api.call(call)

    lost, sent = asyncio.run(scenario())

    assert (lost.status, lost.sent, lost.message) == (0, Sent.NO, "fence lost")
    assert sent.status == 200
    assert [method for method in arrived if method != "GET"] == [
        {"create_release": "POST", "update_release": "PUT"}.get(call.kind, "DELETE")
    ]


def test_the_fence_is_asked_only_after_a_connection_was_obtained(serve, api_at):
    """A write that waits for a connection, while the lease is lost, must not leave when it gets one."""
    gate, arrived = Gate(), []

    async def scenario():
        release, holding = asyncio.Event(), asyncio.Event()

        async def handler(request):
            arrived.append(request.method)
            if request.method == "GET":
                holding.set()
                await release.wait()
            return web.json_response([])

        async with serve(handler) as url, api_at(url, fence=gate, connections=1) as api:
            reader = asyncio.ensure_future(api.call(ListCharts()))
            await holding.wait()
            writer = asyncio.ensure_future(api.call(WRITES[0]))
            for _ in range(10):
                await asyncio.sleep(0)
            assert gate.asked == 0
            gate.open = False
            release.set()
            await reader
            return await writer

    answer = asyncio.run(scenario())

    assert (answer.sent, answer.message) == (Sent.NO, "fence lost")
    assert arrived == ["GET"]
    assert gate.asked == 1


def test_reads_ask_no_fence(serve, api_at):
    gate = Gate(open=False)

    async def handler(_request):
        return web.json_response([])

    async def scenario():
        async with serve(handler) as url, api_at(url, fence=gate) as api:
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).status == 200
    assert gate.asked == 0
