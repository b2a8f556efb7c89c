"""Live progress on a terminal (rich)."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batch_deployer.model import events as e
from batch_deployer.observe.counters import RunCounters, WaveCounts
from batch_deployer.plan.plan import Plan
from batch_deployer.util.text import clean, span

_PER_SECOND = 4
_OTHER_LINES = 12
_STYLES = {
    "deployed": "green",
    "unchanged": "cyan",
    "failed": "red",
    "rejected": "magenta",
    "timed_out": "yellow",
    "unreachable": "bright_magenta",
    "deferred": "bright_blue",
    "not_started": "bright_black",
    "rolled_back": "yellow",
}


class LiveProgress:
    """A display that repaints itself at most four times a second; hearing an event costs nothing.

    The tally does the counting (it comes first among the listeners); this only draws it. Use as a context manager.
    """

    def __init__(
        self, tally: RunCounters, plan: Plan, console: Console | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        """`console`: where to draw; None: stderr. `now`: the wall clock of the events."""
        self._tally = tally
        self._waves = [clean(wave.name, 40) for wave in plan.waves]
        self._console = console or Console(stderr=True)
        self._now = now
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        """Start to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave the terminal clean for the summary."""
        self._live.stop()

    def on_event(self, event: e.Event) -> None:
        """Nothing to do: the next repaint reads the tally."""

    def render(self) -> Group:
        """The whole display; also what a test looks at."""
        now = self._now() - self._tally.clock_steps
        return Group(self._headline(now), self._lanes(), self._rates(now), *self._troubles(now))

    def _headline(self, now: float) -> Text:
        tally = self._tally
        line = Text(f"{clean(tally.run, 60) or 'starting'}  ", style="bold", no_wrap=True, overflow="ellipsis")
        line.append(f"{tally.ended:,}/{tally.total:,}", style="bold")
        for word, count in sorted(tally.outcomes.items(), key=lambda pair: -pair[1]):
            if count:
                line.append(f"  {count:,} {word.replace('_', ' ')}", style=_STYLES.get(word, ""))
        line.append(f"  {tally.in_flight:,} in flight", style="blue")
        if tally.deferred:
            line.append(f"  {tally.deferred:,} deferred", style=_STYLES["deferred"])
        if tally.started is not None:
            line.append(f"  {span(max(0.0, now - tally.started))}", style="dim")
        return line

    def _lanes(self) -> Table:
        table = Table.grid(padding=(0, 2))
        room = max(3, self._console.size.height - _OTHER_LINES)
        lanes = sorted(self._tally.lanes.items(), key=lambda item: (_rank(item[1]), item[0]))
        shown = dict(lanes[:room])
        for (wave, cloud), lane in sorted(shown.items()):
            name = self._waves[wave] if 0 <= wave < len(self._waves) else str(wave)
            bar = ProgressBar(total=max(1, lane.total), completed=lane.ended, width=30)
            bad = lane.ended - lane.succeeded - lane.deferred
            table.add_row(
                Text(name),
                Text(clean(cloud, 40)),
                bar,
                Text(f"{lane.ended:,}/{lane.total:,}", justify="right"),
                Text(f"{lane.in_flight:,} in flight" if lane.in_flight else "", style="blue"),
                Text(f"{bad:,} not good" if bad else "", style="red"),
            )
        if len(lanes) > room:
            table.add_row(Text(f"and {len(lanes) - room} more", style="dim"))
        return table

    def _rates(self, now: float) -> Text:
        tally = self._tally
        line = Text(no_wrap=True, overflow="ellipsis", style="dim")
        line.append(f"{60 * tally.rate(now):.1f} a minute")
        eta = tally.eta(now)
        line.append(f", about {span(eta)} left" if eta is not None else "")
        line.append(f", {tally.writes:,} writes, {tally.refusals:,} refused, {tally.uncertain:,} uncertain")
        return line

    def _troubles(self, now: float) -> list[Text]:
        tally = self._tally
        lines = [
            Text(f"{clean(cloud, 40)}: {bucket} throttled for {span(left)}", style="yellow")
            for cloud, bucket, left in tally.throttled(now)[:4]
        ]
        lines += [
            Text(f"{clean(cloud, 40)}: limits shared with {', '.join(clean(run, 60) for run in runs)}", style="dim")
            for cloud, runs in list(tally.shared_with.items())[:4]
            if runs
        ]
        if tally.paused:
            lines.append(Text("paused by an operator: no new writes", style="yellow"))
        if tally.stopping:
            lines.append(Text("stopping: watching what is in flight; once more to end at once", style="yellow"))
        if tally.halted:
            lines.append(Text(f"halted by {tally.halted}", style="red"))
        for failed in list(tally.failed)[-3:]:
            told = f"{failed.name} {failed.outcome.replace('_', ' ')}: {failed.reason}"
            lines.append(Text(told, style="red", no_wrap=True, overflow="ellipsis"))
        return lines


def _rank(lane: WaveCounts) -> int:
    """What is moving is shown first, then what is to come, then what is over."""
    if lane.in_flight or 0 < lane.ended < lane.total:
        return 0
    return 1 if lane.ended < lane.total else 2
