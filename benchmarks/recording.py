"""A proxy that writes down every call which passes, so that another client can make the same ones."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_PASSED_ON = ("X-Auth-Token", "Content-Type", "Accept")
_BROUGHT_BACK = ("X-Subject-Token", "Content-Type", "X-Request-Id")


@dataclass(slots=True)
class Recorder:
    """What has passed, in order: method, path with query, body."""

    url: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def recording(server: str) -> Iterator[Recorder]:
    """Serve on a free loopback port in a thread, and pass all on to `server`. Addresses in answers become the proxy's."""
    recorder = Recorder()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as session:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                body = await request.read()
                recorder.calls.append((request.method, request.raw_path, body.decode()))
                headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
                async with session.request(
                    request.method, server + request.raw_path, data=body or None, headers=headers
                ) as answer:
                    text = (await answer.read()).replace(server.encode(), recorder.url.encode())
                    back = {name: answer.headers[name] for name in _BROUGHT_BACK if name in answer.headers}
                    return web.Response(status=answer.status, body=text, headers=back)

            runner = web.ServerRunner(web.Server(handle, access_log=None))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield recorder
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
