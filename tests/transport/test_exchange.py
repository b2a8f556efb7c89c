"""Answers in every form that HTTP allows, and some that it does not."""

import asyncio

import pytest

from batch_deployer.model.api import CreateRelease, ListCharts, ListReleases, Sent

READ = ListReleases(cluster_id="c1")
CREATE = CreateRelease(cluster_id="c1", namespace="n", name="web", chart_id="ch", version="1.0.0")
RELEASE = b'{"name": "web", "namespace": "n", "cluster_id": "c1", "version": 1, "status": "DEPLOYED"}'
LIST = b"[" + RELEASE + b"]"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def ok(body=b"[]"):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
def ask(serve_raw, api_at):
    """`ask(answer, *calls)`: what the calls get from a server that says `answer` to each; and its connections."""

    def asked(answer, *calls, last=False, pieces=None, **wire):
        peers = []

        async def talk(reader, writer):
            peers.append(writer.get_extra_info("peername"))
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in pieces or [answer]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if last:
                    return

        async def scenario():
            async with serve_raw(talk) as url, api_at(url, **wire) as api:
                return [await api.call(call) for call in calls]

        return asyncio.run(scenario()), len(peers)

    return asked


@pytest.mark.parametrize(
    "answer",
    [
        ok(LIST),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(LIST),
        b"HTTP/1.1 200 OK\r\n"
        + CHUNKED
        + b"5\r\n"
        + LIST[:5]
        + b"\r\n%x\r\n" % len(LIST[5:])
        + LIST[5:]
        + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"%x;a=b\r\n" % len(LIST) + LIST + b"\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
        b"HTTP/1.1 200\r\ncontent-LENGTH: %d\r\n\r\n%b" % (len(LIST), LIST),
    ],
    ids=["length", "informational", "chunked", "trailers", "no-reason"],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "single-bytes"])
def test_an_answer_is_read_whole_and_its_connection_kept(ask, answer, bytewise):
    pieces = [answer[at : at + 1] for at in range(len(answer))] if bytewise else None

    answers, connections = ask(answer, READ, READ, pieces=pieces)

    assert [[release.name for release in each.body] for each in answers] == [["web"], ["web"]]
    assert connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_ends_with_its_head(ask, status):
    answers, connections = ask(b"HTTP/1.1 " + status + b"\r\n\r\n", CREATE, CREATE)

    assert [each.status for each in answers] == [int(status[:3])] * 2
    assert connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(LIST), LIST),
        b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LIST), LIST),
        b"HTTP/1.0 200 OK\r\n\r\n" + LIST,
        b"HTTP/1.1 200 OK\r\n\r\n" + LIST,
    ],
    ids=["close", "old", "old-until-end", "until-end"],
)
def test_a_connection_that_ends_with_its_answer_is_not_used_again(ask, answer):
    answers, connections = ask(answer, READ, READ, last=True)

    assert [[release.name for release in each.body] for each in answers] == [["web"], ["web"]]
    assert connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        ok() + b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"zz\r\n",
    ],
    ids=["two-answers", "upgrade", "bad-chunk"],
)
def test_a_connection_that_is_out_of_step_is_not_used_again(ask, answer):
    answers, connections = ask(answer, CREATE, CREATE)

    assert {(each.status, each.sent) for each in answers} <= {(200, Sent.YES), (101, Sent.YES), (0, Sent.MAYBE)}
    assert connections == 2


def test_a_body_that_turns_into_rubbish_keeps_its_status(ask):
    pieces = [b"HTTP/1.1 201 Created\r\n" + CHUNKED, b"2\r\n{", b'"\r\nrubbish\r\n']

    # aiohttp does not tell a waiting reader of what it could not parse: the bound of time does.
    answers, connections = ask(b"", CREATE, CREATE, pieces=pieces, write_timeout=0.1)

    assert [each.status for each in answers] == [201, 201]
    assert all(each.message.startswith("the answer ") and each.body is None for each in answers)
    assert connections == 2


@pytest.mark.parametrize(
    ("length", "status"), [(b"0" * 5000 + b"2", 200), (b"9" * 5000, 0)], ids=["zeros", "beyond-64-bits"]
)
def test_an_absurdly_written_length_ends_in_an_answer(ask, length, status):
    answers, _ = ask(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n[]", ListCharts())

    assert answers[0].status == status
