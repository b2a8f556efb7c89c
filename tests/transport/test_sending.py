"""What leaves, byte for byte."""

import asyncio

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.api import CreateRelease, DeleteRelease, ListCharts, Sent
from batch_deployer.transport.auth.access_key import AccessKey
from batch_deployer.transport.auth.credential import FixedToken
from batch_deployer.transport.auth.signing import Key
from batch_deployer.transport.session import Session

AT = {"cluster_id": "c1", "namespace": "n", "name": "web"}
CREATE = CreateRelease(**AT, chart_id="ch", version="1.0.0")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@pytest.fixture
def heads_of(serve_raw, api_at):
    """`heads_of(path, *calls)`: the URL of a server, and the heads that arrive there as lists of lines."""

    def heads(path, *calls, credential=None):
        arrived = []

        async def talk(reader, writer):
            while head := await reader.readuntil(b"\r\n\r\n"):
                arrived.append(head.decode().split("\r\n")[:-2])
                lengths = [line for line in arrived[-1] if line.lower().startswith("content-length")]
                await reader.readexactly(int(lengths[0].split(": ")[1]) if lengths else 0)
                writer.write(OK)

        async def scenario():
            async with serve_raw(talk) as url, api_at(url + path, credential=credential) as api:
                for call in calls:
                    await api.call(call)
                return url

        return asyncio.run(scenario()), arrived

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
def test_the_host_is_named_with_its_port_unless_that_is_the_schemes_own(endpoint, host):
    async def scenario():
        session = Session(endpoint, connections=1, max_body=1, tls=None)
        await session.close()
        return session.host

    assert asyncio.run(scenario()) == host


def test_the_host_that_is_signed_is_the_host_that_is_sent(heads_of, clock):
    signer = AccessKey(Key(access="AK", secret="SK"), project_id="p1", who="cloud 'c'", clock=clock)

    url, (head,) = heads_of("", ListCharts(), credential=signer)

    assert [line for line in head if line.lower().startswith("host:")] == [f"Host: {url.removeprefix('http://')}"]


def test_paths_go_below_that_of_the_endpoint(heads_of):
    _, (head,) = heads_of("/gate/way/", ListCharts())

    assert head[0] == "GET /gate/way/v2/charts HTTP/1.1"


@pytest.mark.parametrize("path", ["", "/gate", "/gate%20way/x~y"])
def test_what_is_signed_is_what_is_sent_by_the_providers_own_signer(heads_of, clock, path):
    """The path of an endpoint is part of the path that a server sees, so it is signed with it."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    signer = AccessKey(Key(access="AK", secret="SK"), project_id="p1", who="cloud 'c'", clock=clock)

    url, (head,) = heads_of(path, ListCharts(), credential=signer)

    sent = dict(line.split(": ", 1) for line in head[1:])
    signed = sent["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = SdkRequest(
        method="GET",
        schema="http",
        host=url.removeprefix("http://"),
        resource_path=head[0].split(" ")[1],
        query_params=[],
        header_params={name: text for name, text in sent.items() if name.lower() in signed},
        body="",
    )
    assert (
        Signer(BasicCredentials("AK", "SK", "p1")).sign(request).header_params["Authorization"] == sent["Authorization"]
    )


def test_only_what_may_change_something_tells_a_length(heads_of):
    _, heads = heads_of("", ListCharts(), DeleteRelease(**AT), CREATE)
    lengths = [[line for line in head if line.startswith("Content-Length")] for head in heads]

    assert lengths[0] == []
    assert lengths[1] in ([], ["Content-Length: 0"])
    assert int(lengths[2][0].split(": ")[1]) > 0


def test_no_header_is_sent_twice_and_signatures_differ_with_the_request(heads_of, clock):
    signer = AccessKey(Key(access="AK", secret="SK"), project_id="p1", who="cloud 'c'", clock=clock)

    _, (first, second) = heads_of("", ListCharts(), CREATE, credential=signer)

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

    with pytest.raises(InputError, match="header") as refused:
        asyncio.run(scenario())

    assert "s3cret" not in str(refused.value)
    assert arrived == []


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
