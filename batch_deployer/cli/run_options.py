"""Options of every command that runs something: where it leaves its traces, when it may start, how it is told."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from batch_deployer.cli.options import DURATION, FILE, FOLDER, Parsed, log_format_option, state_dir_option, together
from batch_deployer.errors import InputError, WindowMissed

if TYPE_CHECKING:
    from batch_deployer.rules.maintenance_window import Window
    from batch_deployer.rules.wall_clock import WindowOpening


def _window(text: str) -> "Window":
    from batch_deployer.rules.maintenance_window import Window

    return Window.parse(text)


def _moment(text: str, near: float) -> float:
    from batch_deployer.rules.maintenance_window import moment

    return moment(text, near)


def _start_by(text: str) -> str:
    """Checked now, meant later: the time of day nearest to the moment of the start."""
    _moment(text, 0.0)
    return text


_MAX_URL_BYTES = 64 * 1024
"""Size of a file of URLs."""

run_options = together(
    state_dir_option,
    click.option(
        "--state-group",
        metavar="NAME",
        envvar="BATCH_DEPLOYER_STATE_GROUP",
        show_envvar=True,
        help="Let this group read runs and reports in the state folder, and steer live runs with `control`.",
    ),
    click.option("--report", type=FOLDER, help="Also write the report files into this folder."),
    click.option("--deadline", type=DURATION, metavar="DURATION", help="Start nothing more after this long; exit 6."),
    click.option(
        "--overlap",
        type=click.Choice(["fail", "wait", "skip"]),
        default="fail",
        show_default=True,
        help="When another run of the manifest is under way: fail (exit 7), wait for it, or skip this one (exit 0).",
    ),
    click.option(
        "--start-by",
        type=Parsed("time", _start_by),
        metavar="TIME",
        help='Do not start later than this, for example "23:30 Europe/Berlin" or an ISO time; exit 6.',
    ),
    click.option(
        "--window",
        type=Parsed("window", _window),
        metavar="WINDOW",
        help='Start only within it and nothing new after it, for example "22:00-05:00 Europe/Berlin"; exit 6.',
    ),
    click.option("--jitter", type=DURATION, metavar="DURATION", help="Wait a random part of this before the start."),
    click.option("--ping", metavar="URL", help="Dead-man monitor: POSTs to URL/start, then URL or URL/EXITCODE."),
    click.option(
        "--ping-file", type=FILE, help="Read the URL of --ping from this file: arguments show in process lists."
    ),
    click.option(
        "--metrics-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Prometheus textfile to keep up to date.",
    ),
    click.option(
        "--notify", metavar="URL", multiple=True, help="One message at the end, to any Apprise URL; may be repeated."
    ),
    click.option("--notify-file", type=FILE, help="Read more URLs of --notify from this file, one per line."),
    click.option("--quiet", is_flag=True, help="Only failures; nothing at all when nothing was changed."),
    log_format_option,
)


def _urls_in(path: Path) -> Sequence[str]:
    """The lines of a file of URLs, without blank ones and comments."""
    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file that a URL can be read from")
        with path.open("rb") as stream:
            text = stream.read(_MAX_URL_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(text) > _MAX_URL_BYTES:
        raise InputError(f"{path} is longer than {_MAX_URL_BYTES} bytes; write one URL a line")
    try:
        lines = [line.strip() for line in text.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; write one URL a line") from None
    return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """These options, as given."""

    state_dir: Path | None
    state_group: str | None
    report: Path | None
    deadline: float | None
    overlap: Literal["fail", "wait", "skip"]
    start_by: str | None
    window: "Window | None"
    jitter: float | None
    ping: str | None
    ping_file: Path | None
    metrics_file: Path | None
    notify: Sequence[str]
    notify_file: Path | None
    quiet: bool
    log_format: Literal["json", "console"]

    @classmethod
    def from_click(cls, options: dict[str, Any]) -> "RunOptions":
        """Take them out of a command's options."""
        return cls(**{name: options.pop(name) for name in cls.__slots__})

    def ping_url(self) -> str:
        """The URL of --ping or --ping-file; empty without one. Raises InputError."""
        if self.ping_file is None:
            return self.ping or ""
        if self.ping is not None:
            raise InputError("--ping and --ping-file name two URLs; keep one")
        urls = _urls_in(self.ping_file)
        if len(urls) != 1:
            raise InputError(f"{self.ping_file} holds {len(urls)} URLs; --ping-file needs one")
        return urls[0]

    def notify_urls(self) -> Sequence[str]:
        """The URLs of --notify and --notify-file. Raises InputError."""
        return self.notify if self.notify_file is None else (*self.notify, *_urls_in(self.notify_file))

    def wait_for_start(self) -> None:
        """Wait out the jitter, then make sure that it is not too early or too late. Raises WindowMissed."""
        if self.jitter:
            time.sleep(random.uniform(0, self.jitter))  # noqa: S311 - spreads starts
        self.check_start(time.time())

    def check_start(self, now: float) -> None:
        """Raise WindowMissed when nothing may be started at `now` any more, or not yet."""
        if self.window is not None:
            opens, _ = self.window.around(now)
            if now < opens:
                raise WindowMissed(f"the window {self.window} is closed; it opens in {(opens - now) / 3600:.1f} h")
        if self.start_by is not None and now > _moment(self.start_by, now):
            raise WindowMissed(f"it is later than --start-by {self.start_by}; nothing was started")

    def opening(self, now: float) -> "WindowOpening | None":
        """The opening of --window around `now`; None without one."""
        if self.window is None:
            return None
        from batch_deployer.rules.wall_clock import WindowOpening

        opens, closes = self.window.around(now)
        return WindowOpening(opens=opens, closes=closes, name=str(self.window))
