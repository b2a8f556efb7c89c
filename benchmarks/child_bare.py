"""The bare loop: aiohttp on uvloop, a plain session, json. Makes recorded calls and nothing else."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop

_BREATH = 500
_PAUSE = 0.03
"""Calls between two pauses, and their seconds: a server that never rests would be what is measured."""


async def replay(url: str, calls: list[list[str]], workers: int) -> None:
    """Make every call once, in order, some at a time. The first ones log in."""
    token = ""
    async with aiohttp.ClientSession() as session:
        opening = [call for call in calls if "/v3/auth/" in call[1]]
        rest = [call for call in calls if not call[1].startswith("/v3")]
        for method, path, body in opening:
            async with session.request(method, url + path, json=json.loads(body)) as answer:
                await answer.json()
                token = answer.headers["X-Subject-Token"]

        async def work(share: Iterator[list[str]]) -> None:
            for method, path, body in share:
                given = {"json": json.loads(body)} if body else {}
                async with session.request(
                    method, url + path, headers={"X-Auth-Token": token, "Content-Type": "application/json"}, **given
                ) as answer:
                    await answer.json()
                    if answer.status >= 400:
                        raise RuntimeError(f"{method} {path}: {answer.status}")

        for first in range(0, len(rest), _BREATH):
            share = iter(rest[first : first + _BREATH])
            await asyncio.gather(*(work(share) for _ in range(workers)))
            await asyncio.sleep(_PAUSE)


def main() -> None:
    """Read the calls, make them, tell the CPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("calls", type=Path)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    calls = json.loads(options.calls.read_text())
    before, started = time.process_time(), time.monotonic()
    uvloop.run(replay(options.url, calls, options.workers))
    told = {"cpu": time.process_time() - before, "wall": time.monotonic() - started}
    options.result.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
