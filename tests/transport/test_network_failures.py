import asyncio
import socket
import struct

import pytest
from aiohttp import web

from batch_deployer.model.api import CreateRelease, DeleteRelease, ListCharts, ListReleases, Sent, UpdateRelease
from batch_deployer.model.deployment import Operation

AT = {"cluster_id": "c1", "namespace": "monitoring", "name": "web"}
CREATE = CreateRelease(**AT, chart_id="ch", version="1.0.0")
UPDATE = UpdateRelease(**AT, chart_id="ch", operation=Operation.UPGRADE)
DELETE = DeleteRelease(**AT)
READ = ListReleases(cluster_id="c1")
WRITES = pytest.mark.parametrize("call", [CREATE, UPDATE, DELETE], ids=lambda call: call.kind)
CALLS = pytest.mark.parametrize("call", [CREATE, READ], ids=lambda call: call.kind)


def reset(writer):
    """Close with RST in place of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def whole_request(reader):
    """Read head and body of one request; returns the head."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head


@CALLS
def test_a_refused_connection_is_not_sent(api_at, call):
    async def scenario():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can take the port
            async with api_at(f"http://127.0.0.1:{free.getsockname()[1]}") as api:
                return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.NO)
    assert answer.message.startswith("no connection to 127.0.0.1:")


@CALLS
def test_a_host_that_does_not_exist_is_not_sent(api_at, monkeypatch, call):
    async def nowhere(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scenario():
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
        async with api_at("https://cce.nowhere.invalid") as api:
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.NO, "no such host: cce.nowhere.invalid")


@CALLS
def test_a_server_that_speaks_no_tls_is_not_sent_to(serve, api_at, call):
    async def handler(_request):
        raise AssertionError("reached")

    async def scenario():
        async with serve(handler) as url, api_at(url.replace("http:", "https:")) as api:
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.NO)
    assert answer.message.startswith("no TLS connection to 127.0.0.1:")


@WRITES
def test_a_reset_before_any_byte_of_an_answer_may_have_acted_and_is_not_sent_twice(serve_raw, api_at, call):
    arrived = []

    async def talk(reader, writer):
        arrived.append(await whole_request(reader))
        reset(writer)

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.MAYBE)
    assert answer.message == "the connection broke before an answer came"
    assert len(arrived) == 1


@WRITES
def test_a_kept_connection_that_drops_does_not_send_a_write_twice(serve_raw, api_at, call):
    arrived = []

    async def talk(reader, writer):
        await whole_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        arrived.append(await whole_request(reader))

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            assert (await api.call(ListCharts())).status == 200
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.MAYBE)
    assert len(arrived) == 1


@CALLS
def test_a_slow_answer_may_have_acted(serve, api_at, call):
    async def scenario():
        release = asyncio.Event()

        async def handler(_request):
            await release.wait()
            return web.json_response([])

        async with serve(handler) as url, api_at(url, read_timeout=0.5, write_timeout=0.5) as api:
            answer = await api.call(call)
            release.set()
            return answer

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.MAYBE, "no answer in time")


def test_a_time_out_while_waiting_for_a_connection_is_not_sent(serve, api_at):
    async def scenario():
        release, arrived = asyncio.Event(), asyncio.Event()

        async def handler(_request):
            arrived.set()
            await release.wait()
            return web.json_response([])

        async with serve(handler) as url, api_at(url, connections=1, read_timeout=60, write_timeout=0.05) as api:
            holder = asyncio.ensure_future(api.call(READ))
            await arrived.wait()
            answer = await api.call(CREATE)
            release.set()
            await holder
            return answer

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.NO, "no connection in time")


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100\r\n\r\n[{", b'Transfer-Encoding: chunked\r\n\r\n3\r\n[{"\r\n'],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize(("call", "status"), [(CREATE, b"201 Created"), (READ, b"200 OK"), (CREATE, b"409 Conflict")])
def test_a_truncated_body_keeps_its_status(serve_raw, api_at, head, call, status):
    async def talk(reader, writer):
        await whole_request(reader)
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + head)
        await writer.drain()

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(call)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.body) == (int(status[:3]), Sent.YES, None)
    assert answer.message == "the answer broke off before its end"


def test_a_body_that_never_ends_in_time_keeps_its_status(serve_raw, api_at):
    async def scenario():
        over = asyncio.Event()

        async def talk(reader, writer):
            await whole_request(reader)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
            await writer.drain()
            await over.wait()

        async with serve_raw(talk) as url, api_at(url, write_timeout=0.5) as api:
            answer = await api.call(CREATE)
            over.set()
            return answer

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (201, Sent.YES, "the answer did not end in time")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 10_000,
        b"\0\0",
    ],
    ids=["ssh", "status", "long-header", "endless-header", "many-headers", "many-heads", "binary"],
)
def test_an_answer_that_is_no_http_may_have_acted(serve_raw, api_at, rubbish):
    async def talk(reader, writer):
        await whole_request(reader)
        writer.write(rubbish)

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(CREATE)

    answer = asyncio.run(scenario())

    assert (answer.status, answer.sent) == (0, Sent.MAYBE)


def test_a_cancelled_call_stops_at_once_and_leaves_the_session_usable(serve, api_at):
    async def scenario():
        release, arrived = asyncio.Event(), asyncio.Event()

        async def handler(request):
            if request.method == "POST":
                arrived.set()
                await release.wait()
            return web.json_response([])

        async with serve(handler) as url, api_at(url, connections=1) as api:
            task = asyncio.ensure_future(api.call(CREATE))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            after = await api.call(ListCharts())
            release.set()
            return after

    assert asyncio.run(scenario()).status == 200


def test_secrets_of_a_request_are_in_no_failure_message(serve_raw, api_at):
    async def talk(reader, writer):
        await whole_request(reader)
        reset(writer)

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(CREATE)

    assert "the-token" not in repr(asyncio.run(scenario()))
