"""The requests session of a login: what keystoneauth sends over it leaves through our own HTTP session, with its bounds.

Used in a worker thread. Import this module late: requests takes a tenth of a second to load.
"""

import io
from collections.abc import Callable, Coroutine
from typing import Any

import requests
from anyio import from_thread
from requests.adapters import BaseAdapter

from batch_deployer.transport.session import RawResponse


class LoopAdapter(BaseAdapter):
    """Gives each request to a coroutine in the event loop, and waits for its response."""

    def __init__(self, exchange: Callable[[requests.PreparedRequest], Coroutine[Any, Any, RawResponse]]) -> None:
        super().__init__()
        self._exchange = exchange
        self.last: RawResponse | None = None
        """The latest response."""

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        """The response, read to its end. Raises what the coroutine raises."""
        self.last = raw = from_thread.run(self._exchange, request)
        response = requests.Response()
        response.status_code, response.raw = raw.status, io.BytesIO(raw.body)
        response.headers.update(raw.headers)
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None:
        """Nothing is kept open."""


def session_over(adapter: LoopAdapter) -> requests.Session:
    """A session that uses nothing but the adapter: neither `.netrc` nor proxies of the environment."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
