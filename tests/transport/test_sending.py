"""What leaves, byte for byte."""

import asyncio

import pytest

from batch_deployer.errors import BadInput
from batch_deployer.model.api import CreateRelease, DeleteRelease, ListCharts, Sent
from batch_deployer.transport.auth.access_key import AccessKey
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.auth.signing import Key
from batch_deployer.transport.channel import Reply
from batch_deployer.transport.sending import Attempt

AT = {"cluster_id": "c1", "namespace": "n", "name": "web"}
CREATE = CreateRelease(**AT, chart_id="ch", version="1.0.0")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@pytest.fixture
def leaving(api_at):
    """`leaving(endpoint, *calls)`: the heads that would leave, as lists of lines; nothing is connected."""

    def heads(endpoint, *calls, credential=None):
        left = []

        async def perform(request, **_):
            left.append(request.partition(b"\r\n\r\n")[0].decode().split("\r\n"))
            return Reply(200, {}, b"[]", "")

        async def scenario():
            async with api_at(endpoint, credential=credential) as api:
                api._exchange.perform = perform
                for call in calls:
                    await api.call(call)

        asyncio.run(scenario())
        return left

    return heads


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://cce.example.com", "cce.example.com"),
        ("https://CCE.example.com:443", "cce.example.com"),
        ("https://cce.example.com:8443", "cce.example.com:8443"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
        ("http://127.0.0.1:80", "127.0.0.1"),
    ],
)
def test_the_host_is_named_with_its_port_unless_that_is_the_schemes_own(leaving, endpoint, host):
    (head,) = leaving(endpoint, ListCharts())

    assert [line for line in head if line.lower().startswith("host:")] == [f"Host: {host}"]


def test_paths_go_below_that_of_the_endpoint(leaving):
    (head,) = leaving("https://cce.example.com/gate/way/", ListCharts())

    assert head[0] == "GET /gate/way/v2/charts HTTP/1.1"


def test_only_what_may_change_something_tells_a_length(leaving):
    heads = leaving("https://cce.example.com", ListCharts(), DeleteRelease(**AT), CREATE)
    lengths = [[line for line in head if line.startswith("Content-Length")] for head in heads]

    assert lengths[:2] == [[], ["Content-Length: 0"]]
    assert int(lengths[2][0].split(": ")[1]) > 0


def test_no_header_is_sent_twice_and_signatures_differ_with_the_request(leaving, clock):
    signer = AccessKey(Key(access="AK", secret="SK"), project_id="p1", who="cloud 'c'", clock=clock)

    first, second = leaving("https://cce.example.com", ListCharts(), CREATE, credential=signer)

    names = [line.partition(":")[0].lower() for line in first[1:]]
    assert len(names) == len(set(names))
    signatures = [line for line in first + second if line.startswith("Authorization: ")]
    assert len(set(signatures)) == 2


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7f", "\udc80"])
def test_a_token_that_would_break_out_of_its_header_is_bad_input_and_not_sent(serve_raw, api_at, token):
    arrived = []

    async def talk(reader, _writer):
        arrived.append(await reader.read())

    async def scenario():
        async with (
            serve_raw(talk) as url,
            api_at(url, credential=FixedToken("cloud 'c'", "s3cret" + token)) as api,
        ):
            await api.call(CREATE)

    with pytest.raises(BadInput, match="header") as refused:
        asyncio.run(scenario())

    assert "s3cret" not in str(refused.value)
    assert arrived == []


def test_nothing_is_put_onto_a_connection_that_is_closing():
    class Closing(asyncio.Transport):
        def is_closing(self):
            return True

        def write(self, data):
            raise AssertionError("written")

    attempt = Attempt(write=True, fence=None)

    with pytest.raises(ConnectionError):
        attempt.send(Closing(), b"POST")

    assert not attempt.left


async def head_of(reader):
    """The head of one request and the length of its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head, int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


BIG = CreateRelease(**AT, chart_id="ch", version="1.0.0", values_json='{"a": "' + "x" * 20_000_000 + '"}')


def test_a_body_larger_than_all_buffers_arrives_whole(serve_raw, api_at):
    bodies = []

    async def talk(reader, writer):
        _, length = await head_of(reader)
        bodies.append(len(await reader.readexactly(length)) == length)
        writer.write(OK)

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(BIG)

    assert asyncio.run(scenario()).status == 200
    assert bodies == [True]


def test_an_answer_before_the_body_was_read_counts_and_its_connection_is_not_used_again(serve_raw, api_at):
    async def scenario():
        connections, rest = [], asyncio.get_running_loop().create_future()

        async def talk(reader, writer):
            connections.append(writer)
            if b"POST" not in await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)
                return
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            rest.set_result(len(await reader.read(-1)))

        async with serve_raw(talk) as url, api_at(url) as api:
            statuses = [(await api.call(call)).status for call in (BIG, ListCharts())]
            return statuses, len(connections), await rest

    statuses, connections, rest = asyncio.run(scenario())

    assert (statuses, connections) == ([413, 200], 2)
    assert rest < len(BIG.values_json)


def test_what_of_a_write_has_not_left_in_time_never_leaves(serve_raw, api_at):
    """It will be read back, and perhaps be written again: no rest of it may then arrive."""

    async def scenario():
        over, came = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def talk(reader, _writer):
            await over.wait()
            came.set_result(len(await reader.read(-1)))

        async with serve_raw(talk) as url, api_at(url, write_timeout=0.2) as api:
            answer = await api.call(BIG)
            over.set()
            return answer, await came

    answer, came = asyncio.run(scenario())

    assert (answer.status, answer.sent, answer.message) == (0, Sent.MAYBE, "no answer in time")
    assert came < len(BIG.values_json)
