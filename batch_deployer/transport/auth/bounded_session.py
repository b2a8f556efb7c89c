"""A requests session for logins: bounded in time and in the size of its answers, without redirects, cookies and `.netrc`.

keystoneauth sends whatever a login needs over it. Import this module late: requests takes a tenth of a second to load.
"""

import contextlib
import io
import socket
import threading
import time
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from batch_deployer.errors import BadInput
from batch_deployer.transport.address import checked
from batch_deployer.transport.response_body import Unpacker
from batch_deployer.transport.wire.headers import retry_after

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A token with the catalogue of a large cloud has some 100 KB."""
_CHUNK_BYTES = 64 * 1024


class AnswerTooLarge(Exception):
    """The answer is larger than any login's."""


class UnsafeAddress(Exception):
    """A plugin wants to send credentials to an address that is neither https nor loopback."""


class Deadline:
    """Shuts the connections of one login down when its time is over.

    The time-outs of requests apply to each wait on the network, so a server that sends one byte now and then passes them.
    """

    def __init__(self, seconds: float) -> None:
        """Starts at once."""
        self.passed = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down too. A duplicate of it is kept, as TLS takes the original over."""
        with self._lock:
            self._sockets.append(connection.dup())
        if self.passed:
            self._end()

    def close(self) -> None:
        """The login has ended."""
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    def _end(self) -> None:
        self.passed = True
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class BoundedAdapter(HTTPAdapter):
    """Reads each answer at once, up to a limit, before anything else sees it."""

    def __init__(self, deadline: Deadline) -> None:
        """`deadline`: of all requests together."""
        self.last: tuple[int, bytes, float] | None = None
        """Status, body and `Retry-After` (seconds) of the latest answer."""
        self._pools = _watched_pools(deadline)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does it, on watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As requests does it, on watched connections."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Raises UnsafeAddress and AnswerTooLarge beside what requests raises."""
        try:
            checked((request.url or "").partition("?")[0], "the address")
        except BadInput as error:
            raise UnsafeAddress(str(error)) from None
        kwargs["stream"] = True
        response = super().send(request, *args, **kwargs)
        try:
            body = _read(response)
        finally:
            response.raw.close()
        response.raw = io.BytesIO(body)
        response.headers.pop("Content-Encoding", None)
        self.last = response.status_code, body, retry_after(response.headers.get("Retry-After"), time.time()) or 0.0
        return response


@contextlib.contextmanager
def bounded_session(seconds: float, proxy: str) -> Any:
    """Yield a session, its adapter and its deadline; `seconds` for everything that is sent over it. `proxy`: empty for none."""
    deadline = Deadline(seconds)
    try:
        with Session() as session:
            adapter = BoundedAdapter(deadline)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            if proxy:
                session.proxies = {"http": proxy, "https": proxy}
            yield session, adapter, deadline
    finally:
        deadline.close()


def _read(response: Response) -> bytes:
    """The whole body, unpacked if the server packed it although it was asked not to."""
    packed = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        packed += chunk
        if len(packed) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
    if response.headers.get("Content-Encoding", "").strip().lower() != "gzip":
        return bytes(packed)
    unpacker = Unpacker("gzip", MAX_ANSWER_BYTES)
    body = unpacker.feed(bytes(packed))
    if unpacker.too_large:
        raise AnswerTooLarge
    return b"" if unpacker.fault else body


def _watched_pools(deadline: Deadline) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools, whose connections the deadline watches from their first byte."""

    class WatchedHttp(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            deadline.watch(connection)
            return connection

    class WatchedHttps(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            deadline.watch(connection)
            return connection

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = WatchedHttp

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedHttps

    return {"http": HttpPool, "https": HttpsPool}
