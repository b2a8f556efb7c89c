"""One notification for a whole run, through whatever Apprise can reach."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from batch_deployer.errors import InputError
from batch_deployer.model import events as e
from batch_deployer.observe.background import Background
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.plain_progress import status_line
from batch_deployer.util.text import clean, plain_text

_TIMEOUT = 30.0


class Notifier:
    """Sends one message to every URL when the run ends; its words come from the tally, never one per deployment."""

    def __init__(
        self, urls: Sequence[str], tally: RunCounters, warn: Callable[[str], None], *, unless_unchanged: bool = False
    ) -> None:
        """Raises InputError when Apprise is missing or a URL is none of its. `unless_unchanged`: silent if nothing changed."""
        if find_spec("apprise") is None:
            raise InputError("--notify needs Apprise; install it with `pip install 'batch-deployer[notify]'`")
        from apprise import Apprise, NotifyFormat, NotifyType  # noqa: PLC0415 - slow to import, and an extra

        logging.getLogger("apprise").addHandler(logging.NullHandler())  # its words may name URLs, which hold tokens
        self._apprise = Apprise()
        self._types = NotifyType
        self._format = NotifyFormat.TEXT
        for number, url in enumerate(urls, start=1):
            if not self._apprise.add(url):
                # the URL itself may hold a token
                scheme = clean(url.partition("://")[0], 40) if "://" in url else ""
                named = f" ({scheme}://...)" if scheme else ""
                raise InputError(
                    f"--notify URL number {number}{named} is not one that Apprise understands; see its wiki"
                )
        self._tally = tally
        self._quiet = unless_unchanged
        self._background = Background("notification", warn)

    def on_event(self, event: e.Event) -> None:
        """Send when the run ends."""
        if not isinstance(event, e.RunFinished):
            return
        idle = event.exit_code == 0 and self._tally.writes == 0
        if idle and self._quiet:
            return
        title, body = message(self._tally, event)
        kind = self._types.SUCCESS if event.exit_code == 0 else self._types.FAILURE
        self._background.do(lambda: self._send(title, body, kind))

    def close(self, timeout: float = _TIMEOUT) -> bool:
        """Wait for it to leave; whether it did in time."""
        return self._background.close(timeout)

    def _send(self, title: str, body: str, kind: Any) -> None:
        if not self._apprise.notify(title=title, body=body, notify_type=kind, body_format=self._format):
            raise RuntimeError("at least one receiver did not take it")


def message(tally: RunCounters, event: e.RunFinished) -> tuple[str, str]:
    """(title, body) for a run that ended, as plain text: names and reasons may be a stranger's words."""
    word = "succeeded" if event.exit_code == 0 else f"ended with exit code {event.exit_code}"
    lines = [status_line(tally, event.at)]
    lines += [clean(event.reason)] if event.reason else []
    lines += [f"halted by {tally.halted}"] if tally.halted else []
    lines += [f"- {failed.name} {failed.outcome}: {failed.reason}" for failed in list(tally.failed)]
    return plain_text(f"batch-deployer: {clean(tally.run)} {word}"), plain_text("\n".join(lines))
