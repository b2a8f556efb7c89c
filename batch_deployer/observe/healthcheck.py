"""Dead-man pings: a monitor that hears nothing raises the alarm (healthchecks.io and its likes)."""

import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from batch_deployer.errors import InputError
from batch_deployer.model import events as e
from batch_deployer.observe.background import Background
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.plain_progress import status_line

_TIMEOUT = 5.0
_TRIES = 3


class Healthcheck:
    """POSTs to `URL/start` when a run starts, `URL` when it ends with 0, `URL/CODE` when it ends with another code.

    `fail` POSTs to `URL/fail`: for a run that could not even start. Each is tried three times, 5 s at most, in a thread.
    A ping that fails is a warning, never a failed run. The URL's path is a secret: only its host is ever named.
    """

    def __init__(self, url: str, tally: RunCounters, warn: Callable[[str], None]) -> None:
        """Raises InputError for anything but an http(s) URL. `warn` is called from the thread."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("--ping needs an http or https URL, for example https://hc-ping.com/your-check-uuid")
        self._url = url
        self._host = parts.hostname
        self._tally = tally
        self._background = Background(f"ping to {self._host}", warn)

    def on_event(self, event: e.Event) -> None:
        """Ping at the start and the end."""
        if isinstance(event, e.RunStarted):
            self._send("start", f"run {event.run} started: {self._tally.total} deployments")
        elif isinstance(event, e.RunFinished):
            text = f"run {self._tally.run} ended with exit code {event.exit_code}: {status_line(self._tally, event.at)}"
            self._send(str(event.exit_code) if event.exit_code else "", text)

    def fail(self, text: str) -> None:
        """Tell the monitor that no run took place."""
        self._send("fail", text)

    def close(self, timeout: float = _TIMEOUT * _TRIES + 1) -> bool:
        """Wait for what is under way; whether all left in time."""
        return self._background.close(timeout)

    def _send(self, suffix: str, text: str) -> None:
        url = with_suffix(self._url, suffix)
        self._background.do(lambda: _post(url, text))


def with_suffix(url: str, suffix: str) -> str:
    """The URL with one more path segment, its query kept."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{suffix}" if suffix else parts.path
    return urlunsplit(parts._replace(path=path, fragment=""))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A monitor that sends its pings elsewhere gets none: its URL is a secret of that one host."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Follow nothing; the answer counts as it is."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _post(url: str, text: str) -> None:
    """One ping; raises RuntimeError without the URL in it when all tries fail."""
    why = ""
    for _ in range(_TRIES):
        request = urllib.request.Request(url, data=text.encode("utf-8", "replace")[:10_000], method="POST")  # noqa: S310
        request.add_header("Content-Type", "text/plain; charset=utf-8")
        try:
            with _OPENER.open(request, timeout=_TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            error.close()
            why = f"HTTP status {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except OSError as error:
            why = str(getattr(error, "reason", error))
    raise RuntimeError(why)
