"""Connections: kept, found dead, given back."""

import asyncio
import contextlib
import socket

import pytest

from batch_deployer.model.api import CreateRelease, DeleteRelease, ListCharts, Sent, UpdateRelease
from batch_deployer.model.deployment import Operation
from batch_deployer.rules.responses import Verdict, judge

READ = ListCharts()
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")
AT = {"cluster_id": "c1", "namespace": "n", "name": "web"}
UPDATE = UpdateRelease(**AT, operation=Operation.UPGRADE, chart_id="ch")
DELETE = DeleteRelease(**AT)
CALLS = pytest.mark.parametrize("call", [CREATE, READ], ids=lambda call: call.kind)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def whole_request(reader):
    """Read one request; returns its method."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"Content-Length: " in head:
        await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
    return head.split(b" ")[0].decode()


def kept(api):
    """The idle connections."""
    return [protocol for idle in api._session._pool.connector._conns.values() for protocol, _ in idle]


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
        if number >= len(self.answers):
            await reader.read(-1)
            return
        for answer in self.answers[number]:
            self.arrived.append((number, await whole_request(reader)))
            writer.write(answer)
            await writer.drain()


@pytest.mark.parametrize(
    ("server", "call"),
    [
        (Script([b""]), READ),
        (Script([OK, b"HTTP/1.1 2"]), READ),
        (Script([OK, b""]), READ),
        (Script([OK, b""]), CREATE),
        (Script([OK, b""]), UPDATE),
        (Script([OK, b""]), DELETE),
    ],
    ids=["new", "answer-begun", "read", "create", "update", "delete"],
)
def test_nothing_is_sent_twice(serve_raw, api_at, server, call):
    requests = sum(len(answers) for answers in server.answers)

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            if len(server.answers[0]) == 2:
                await api.call(READ)
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.MAYBE, "the connection broke before an answer came")
    assert len(server.arrived) == requests


@CALLS
def test_on_sent_is_called_once_after_the_connection_and_before_the_request(serve_raw, api_at, call):
    """Also when aiohttp would send it again on a new connection."""
    told = []

    async def scenario():
        connections = []

        async def talk(reader, writer):
            connections.append(writer)
            told.append("connected")
            await whole_request(reader)
            told.append("arrived")
            if len(connections) == 1:
                writer.write(OK)
                await whole_request(reader)
                told.append("arrived")

        async with serve_raw(talk) as url, api_at(url) as api:
            for _ in range(2):
                await api.call(call, lambda: told.append("sent"))

    asyncio.run(scenario())

    assert [word for word in told if word != "connected"] == ["sent", "arrived", "sent", "arrived"]


@CALLS
def test_a_kept_connection_that_the_server_has_closed_is_not_used(serve_raw, api_at, call):
    server = Script([OK], [OK])

    async def scenario():
        async with serve_raw(server.talk) as url, api_at(url) as api:
            await api.call(READ)
            (channel,) = kept(api)
            await until(lambda: not channel.is_connected())
            return await api.call(call)

    assert asyncio.run(scenario()).status == 200
    assert [number for number, _ in server.arrived] == [0, 1]


@CALLS
def test_a_late_408_on_an_idle_connection_is_not_taken_for_an_answer_twice(serve_raw, api_at, call):
    """A gateway that gives up an idle connection says 408 and closes; a call that meets that is of unknown fate."""

    async def scenario():
        idle = asyncio.Event()

        async def talk(reader, writer):
            await whole_request(reader)
            writer.write(OK)
            if not idle.is_set():
                await idle.wait()
                writer.write(LATE)
                await reader.read(-1)

        async with serve_raw(talk) as url, api_at(url) as api:
            await api.call(READ)
            idle.set()
            for _ in range(100):
                await asyncio.sleep(0)
            return await api.call(call), await api.call(READ)

    met, after = asyncio.run(scenario())

    assert (met.status, judge(call, met)) in [
        (408, Verdict.AMBIGUOUS if call.writes else Verdict.TRANSIENT),
        (200, Verdict.OK),
    ]
    assert after.status == 200


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
            return len(api._session._pool.connector._acquired), kept(api)

    assert asyncio.run(scenario()) == (0, [])


@CALLS
def test_a_connection_that_is_not_made_in_time_means_not_sent(serve_raw, api_at, call):
    async def talk(reader, _writer):
        await reader.read(-1)  # Never says its part of a TLS handshake.

    async def scenario():
        async with serve_raw(talk) as url, api_at(url.replace("http", "https"), connect=0.05) as api:
            answer = await api.call(call)
            return answer, len(api._session._pool.connector._acquired)

    answer, acquired = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.NO, "no connection in time")
    assert acquired == 0


def test_a_name_is_looked_up_again_once_its_address_refuses(serve_raw, api_at, monkeypatch):
    """The address of a name moves; a cached one would be tried for minutes."""
    addresses = ["127.0.0.2", "127.0.0.1"]

    async def scenario():
        async def talk(reader, writer):
            await whole_request(reader)
            writer.write(OK)

        async with serve_raw(talk) as url:
            loop, port = asyncio.get_running_loop(), int(url.rsplit(":", 1)[1])

            async def getaddrinfo(_host, _port, **_more):
                address = addresses.pop(0)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            async with api_at(url.replace("127.0.0.1", "localhost")) as api:
                return await api.call(READ), await api.call(READ)

    refused, answered = asyncio.run(scenario())

    assert (refused.sent, refused.message.startswith("no connection to localhost")) == (Sent.NO, True)
    assert answered.status == 200


def test_after_a_call_timed_out_on_an_idle_connection_the_others_are_not_used(serve_raw, api_at):
    """A NAT drops the flows of all idle connections at once: each would cost a whole timeout."""

    async def scenario():
        swallowed, used = asyncio.Event(), []

        async def talk(reader, writer):
            old = not swallowed.is_set()
            while await whole_request(reader):
                used.append(old)
                if old and swallowed.is_set():
                    await reader.read(-1)  # Nothing of this flow arrives any more.
                    return
                writer.write(OK)

        async with serve_raw(talk) as url, api_at(url, read_timeout=0.3) as api:
            await asyncio.gather(*(api.call(READ) for _ in range(3)))
            assert len(kept(api)) > 1
            swallowed.set()
            used.clear()
            answers = [await api.call(READ) for _ in range(3)]
            return [answer.status for answer in answers], used

    assert asyncio.run(scenario()) == ([0, 200, 200], [True, False, False])


class Closed:
    """A fence that was lost."""

    trouble = ""

    def may_write(self):
        return False

    def missing(self):
        return ""

    def overtaken(self):
        return True


@pytest.mark.parametrize("idle", [False, True], ids=["new", "idle"])
@pytest.mark.parametrize("refused", ["fence", "repetition"])
def test_an_attempt_that_is_refused_leaves_no_connection_open(serve_raw, api_at, refused, idle):
    """aiohttp forgets a connection whose own hooks raise: the process then ends with an open one."""

    async def scenario():
        closed = []

        async def talk(reader, writer):
            number, ended = len(closed), asyncio.Event()
            closed.append(ended)
            with contextlib.suppress(asyncio.IncompleteReadError):
                while await whole_request(reader):
                    if refused == "repetition" and drops and number == 0:
                        break
                    writer.write(OK)
            ended.set()

        drops = False
        async with serve_raw(talk) as url:
            async with api_at(url, fence=Closed(), connections=4) as api:
                if refused == "repetition":
                    # Two idle connections, of which the one used first drops what it gets.
                    await asyncio.gather(*(api.call(READ) for _ in range(2 if idle else 1)))
                    drops = True
                    answer = await api.call(READ)
                else:
                    if idle:
                        await api.call(READ)
                    answer = await api.call(CREATE)
            for each in closed:
                await asyncio.wait_for(each.wait(), 10)
            return answer, len(closed)

    answer, connections = asyncio.run(scenario())

    assert connections >= 1
    if refused == "fence":
        assert (answer.sent, answer.message) == (Sent.NO, "fence lost")
    else:
        assert (answer.status, answer.sent) == (0, Sent.MAYBE)
