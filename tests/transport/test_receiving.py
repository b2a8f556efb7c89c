import asyncio
import gzip
import json
import resource
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from batch_deployer.model.api import ListCharts, ListReleases

RELEASE = {"name": "web", "namespace": "monitoring", "cluster_id": "c1", "version": 1, "status": "DEPLOYED"}
TEXT = json.dumps([RELEASE]).encode()
BOMB = gzip.compress(b" " * 100_000_000)


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


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(TEXT[:9]) + gzip.compress(b"") + gzip.compress(TEXT[9:])),
        ("x-gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("identity", TEXT),
    ],
    ids=["members", "x-gzip", "upper-case", "raw-deflate", "identity"],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "single-bytes"])
def test_every_form_of_packing_is_read(serve_raw, api_at, coding, data, chunked):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        pieces = [data[at : at + 1] for at in range(len(data))] if chunked else [data]
        writer.write(head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(ListReleases(cluster_id="c1"))

    assert [release.name for release in asyncio.run(scenario()).body] == ["web"]


def test_a_header_that_is_folded_is_read(serve_raw, api_at):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Note: one\r\n two\r\nContent-Length: 2\r\n\r\n[]")

    async def scenario():
        async with serve_raw(talk) as url, api_at(url) as api:
            return await api.call(ListReleases(cluster_id="c1"))

    assert asyncio.run(scenario()).body == []


HOSTILE = {
    "announced": [b"Content-Length: 300000000\r\n\r\n"],
    "plain": [b"Transfer-Encoding: chunked\r\n\r\n"] + [b"10000\r\n" + b"[" * 65536 + b"\r\n"] * 1000,
    "until the end": [b"\r\n"] + [b"[" * 65536] * 1000,
    "bomb": [b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB],
    "bombs": [b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(BOMB) * 20), BOMB * 20],
    "many headers": [b"X-A: b\r\n"] * 200_000 + [b"\r\n"],
    "a long header": [b"X-A: "] + [b"b" * 65536] * 300 + [b"\r\n\r\n"],
    "error page": [b"Content-Length: 300000000\r\n\r\n"] + [b"x" * 65536] * 1000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_stays_bounded_over_fifty_hostile_answers(serve_raw, api_at, kind):
    """Resident memory, since what a library keeps outside of Python counts too."""
    status = b"HTTP/1.1 500 No\r\n" if kind == "error page" else b"HTTP/1.1 200 OK\r\n"

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(status)
        for piece in HOSTILE[kind]:
            writer.write(piece)
            await writer.drain()

    async def scenario():
        async with serve_raw(talk) as url, api_at(url, max_body=1_000_000, connections=10) as api:
            for _ in range(5):
                assert (await api.call(ListCharts())).body is None
            before = resident()
            for _ in range(5):
                await asyncio.gather(*(api.call(ListCharts()) for _ in range(10)))
            return resident() - before

    assert asyncio.run(scenario()) < 60_000_000


def resident():
    """Resident memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


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
