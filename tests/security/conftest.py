"""A provider with bad manners: a gateway before the simulated one that changes its answers."""

import http.server
import importlib
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "soak"))
_ordeal = importlib.import_module("ordeal")


@dataclass(frozen=True)
class Exchange:
    """A request as it came, and the answer as the simulator gave it."""

    method: str
    path: str
    token: str
    asked: bytes
    status: int
    body: bytes
    headers: dict

    def answer(self, status, body, **headers):
        """Another answer in its place."""
        kept = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return replace(self, status=status, body=body, headers=kept)


def _handler(upstream, twist, tokens):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            exchange = twist(self._ask(asked))
            self.send_response(exchange.status)
            for name, text in exchange.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(exchange.body)))
            self.end_headers()
            with suppress(OSError):  # the program may have had enough
                self.wfile.write(exchange.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

        def _ask(self, asked):
            kept = {name: self.headers[name] for name in ("Content-Type", "X-Auth-Token") if name in self.headers}
            request = urllib.request.Request(
                upstream + self.path, data=asked or None, method=self.command, headers=kept
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(request, timeout=30) as reply:
                    status, headers, body = reply.status, reply.headers, reply.read()
            except urllib.error.HTTPError as error:
                with error:
                    status, headers, body = error.code, error.headers, error.read()
            shown = {name: headers[name] for name in ("Content-Type", "X-Subject-Token") if name in headers}
            if "X-Subject-Token" in shown:
                tokens.append(shown["X-Subject-Token"])
            token = self.headers.get("X-Auth-Token", "")
            return Exchange(self.command, self.path, token, asked, status, body, shown)

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def _gateway(stage, twist):
    tokens = []
    handler = _handler(stage.provider.url, twist, tokens)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stage.edit(stage.provider.url, f"http://127.0.0.1:{server.server_port}")
        stage.tokens = tokens
        try:
            yield stage
        finally:
            server.shutdown()


@pytest.fixture
def ordeal():
    return _ordeal


@pytest.fixture
def behind():
    """`with behind(twist) as stage`: a calm stage whose every exchange goes through `twist`."""

    @contextmanager
    def make(twist):
        with _ordeal.Theatre(0, _ordeal.CALM) as calm, _gateway(calm, twist) as stage:
            yield stage

    return make
