import asyncio
import gzip
import json
import tracemalloc
import zlib

import pytest
from aiohttp import web

from batch_deployer.model.api import ListCharts, ListReleases
from batch_deployer.transport.channel import Reply
from batch_deployer.transport.receiving import unpacked

RELEASE = {"name": "web", "namespace": "monitoring", "cluster_id": "c1", "version": 1, "status": "DEPLOYED"}


def test_an_oversized_body_is_refused_by_its_announced_length(answer_of):
    answer = answer_of(lambda: web.Response(body=b"x" * 2000), ListCharts(), max_body=1000)

    assert (answer.status, answer.body) == (200, None)
    assert answer.message == "the answer of 2000 bytes is larger than the 1000 allowed"


def test_an_endless_body_is_cut_off_at_the_bound(serve_raw, api_at):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"[" * 4096 + b"\r\n")
            await writer.drain()

    async def scenario():
        async with serve_raw(talk) as url, api_at(url, max_body=100_000) as api:
            return await api.call(ListCharts())

    assert asyncio.run(scenario()).message == "the answer is larger than the 100000 bytes allowed"


def packed(data, coding):
    return lambda: web.Response(body=data, headers={"Content-Encoding": coding}, content_type="application/json")


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_answer_is_unpacked(answer_of, coding, pack):
    data = pack(json.dumps([RELEASE]).encode())

    answer = answer_of(packed(data, coding), ListReleases(cluster_id="c1"))

    assert [release.name for release in answer.body] == ["web"]


def test_a_gzip_bomb_stops_at_the_bound(answer_of):
    bomb = gzip.compress(b" " * 5_000_000)
    assert len(bomb) < 10_000

    answer = answer_of(packed(bomb, "gzip"), ListCharts(), max_body=10_000)

    assert (answer.status, answer.body) == (200, None)
    assert answer.message == "the answer unpacks to more than the 10000 bytes allowed"


def test_a_bomb_takes_no_more_memory_than_the_bound():
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    try:
        reply = unpacked(Reply(200, {"content-encoding": "gzip"}, bomb, ""), 10_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reply.fault == "the answer unpacks to more than the 10000 bytes allowed"
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("data", "coding", "message"),
    [
        (b"rubbish", "gzip", "the answer is packed and cannot be unpacked"),
        (gzip.compress(b"[]" * 50, mtime=0)[:-9], "gzip", "the answer broke off before its end"),
        (b"x", "br", "the answer is packed as 'br', which was not asked for"),
    ],
)
def test_a_badly_packed_answer_keeps_its_status(answer_of, data, coding, message):
    answer = answer_of(packed(data, coding), ListCharts())

    assert (answer.status, answer.body, answer.message) == (200, None, message)
