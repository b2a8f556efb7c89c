"""Connections: kept, found dead, given back."""

import asyncio

import aiohttp
import pytest

from batch_deployer.model.api import CreateRelease, ListCharts, Sent

READ = ListCharts()
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")
CALLS = pytest.mark.parametrize("call", [CREATE, READ], ids=lambda call: call.kind)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


async def whole_request(reader):
    """Read one request; returns its method."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"Content-Length: " in head:
        await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
    return head.split(b" ")[0].decode()


def kept(api):
    """The idle connections."""
    return [channel for channel, _ in api._exchange._kept._idle]


async def until(condition):
    """Let the loop turn until it holds."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never")


class Script:
    """A server whose n-th connection gives the n-th list of answers; an answer is sent for each request, then it ends."""

    def __init__(self, *connections):
        self.answers = [list(answers) for answers in connections]
        self.arrived = []
        self.begun = 0

    async def talk(self, reader, writer):
        number, self.begun = self.begun, self.begun + 1
        for answer in self.answers[number]:
            self.arrived.append((number, await whole_request(reader)))
            writer.write(answer)
            await writer.drain()


def test_a_read_that_meets_a_dead_kept_connection_goes_once_more_on_a_new_one(serve_raw, api_at):
    server = Script([OK, b""], [OK])

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            return [await api.call(READ) for _ in range(2)]

    assert [answer.status for answer in asyncio.run(scenario())] == [200, 200]
    assert server.arrived == [(0, "GET"), (0, "GET"), (1, "GET")]


def test_the_second_try_of_a_read_trusts_no_other_kept_connection(serve_raw, api_at):
    server = Script([OK, b""], [OK, b""], [OK])

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            await asyncio.gather(api.call(READ), api.call(READ))
            assert len(kept(api)) == 2
            return await api.call(READ)

    assert asyncio.run(scenario()).status == 200
    assert server.begun == 3
    assert len(server.arrived) == 4


@pytest.mark.parametrize(
    ("server", "call"),
    [
        (Script([b""]), READ),
        (Script([OK, b"HTTP/1.1 2"]), READ),
        (Script([OK, b""], [b""]), READ),
        (Script([OK, b""]), CREATE),
    ],
    ids=["new", "answer-begun", "twice-dead", "write"],
)
def test_nothing_else_is_sent_twice(serve_raw, api_at, server, call):
    requests = sum(len(answers) for answers in server.answers)

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            if len(server.answers[0]) == 2:
                await api.call(READ)
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.MAYBE)
    assert (server.begun, len(server.arrived)) == (len(server.answers), requests)


@CALLS
def test_the_caller_hears_once_when_a_request_leaves_and_not_while_its_connection_is_made(
    serve_raw, api_at, monkeypatch, call
):
    server, told = Script([OK, b""], [OK]), []
    connect = aiohttp.TCPConnector.connect

    async def connected(*args, **more):
        told.append("connecting")
        connection = await connect(*args, **more)
        told.append("connected")
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connected)

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            for _ in range(2):
                await api.call(call, lambda: told.append("leaving"))

    asyncio.run(scenario())

    again = ["connecting", "connected"] if call is READ else []  # on a new connection, in the same attempt
    assert told == ["connecting", "connected", "leaving", "leaving", *again]


@CALLS
def test_a_kept_connection_that_the_server_has_closed_is_not_used(serve_raw, api_at, call):
    server = Script([OK], [OK])

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            await api.call(READ)
            (channel,) = kept(api)
            await until(lambda: not channel.usable)
            return await api.call(call)

    assert asyncio.run(scenario()).status == 200
    assert [number for number, _ in server.arrived] == [0, 1]


@CALLS
def test_bytes_that_came_while_idle_are_not_taken_for_the_next_answer(serve_raw, api_at, call):
    async def scenario():
        idle, arrived = asyncio.Event(), []

        async def talk(reader, writer):
            arrived.append(await whole_request(reader))
            writer.write(OK)
            if len(arrived) == 1:
                await idle.wait()
                writer.write(LATE)
                arrived.append(await reader.read(-1))

        async with serve_raw(talk) as url, api_at(url) as api:
            await api.call(READ)
            (channel,) = kept(api)
            idle.set()
            await until(lambda: not channel.usable)
            return await api.call(call), arrived

    answer, arrived = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (200, Sent.YES)
    assert b"" in arrived  # The first connection was ended and saw no second request.


@CALLS
@pytest.mark.parametrize("tls", [False, True], ids=["reading", "connecting"])
def test_a_cancelled_call_leaves_no_connection_behind(serve_raw, api_at, call, tls):
    async def scenario():
        arrived, ended = asyncio.Event(), asyncio.Event()

        async def talk(reader, _writer):
            await reader.read(1)  # With TLS the start of a handshake that nobody goes on with.
            arrived.set()
            while await reader.read(65536):
                pass
            ended.set()

        async with serve_raw(talk) as url, api_at(url.replace("http", "https") if tls else url, connections=1) as api:
            task = asyncio.ensure_future(api.call(call))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ended.wait()
            return len(api._exchange._connector._acquired), kept(api)

    assert asyncio.run(scenario()) == (0, [])


@CALLS
def test_a_connection_that_is_not_made_in_time_means_not_sent(serve_raw, api_at, call):
    async def talk(reader, _writer):
        await reader.read(-1)  # Never says its part of a TLS handshake.

    async def scenario():
        async with serve_raw(talk) as url, api_at(url.replace("http", "https"), connect=0.05) as api:
            answer = await api.call(call)
            return answer, len(api._exchange._connector._acquired)

    answer, acquired = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.NO, "no connection in time")
    assert acquired == 0
