"""The live display, looked at without a terminal."""

import io

import pytest
from rich.console import Console

from batch_deployer.app.fanout import Fanout
from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.model.events import Continued, Deferred, Finished, Paused, Stopping
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.live_progress import LiveProgress


@pytest.fixture
def show(plan, start):
    def _show(events, at=65.0, height=24, width=100):
        tally = RunCounters(plan)
        console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
        display = LiveProgress(tally, plan, console, now=lambda: start + at)
        fanout = Fanout([tally, display], warn=pytest.fail)
        for event in events:
            fanout.on_event(event)
        console.print(display.render())
        return console.file.getvalue()

    return _show


def test_it_shows_counts_lanes_and_the_throttle(show, events):
    text = show(events[:9])
    assert "run-1  1/3  1 deployed  1 in flight  1m 05s" in text
    assert "nl: writes throttled for 30s" in text
    lanes = [line.split() for line in text.splitlines()[1:4]]
    assert [(lane[0], lane[1]) for lane in lanes] == [("canary", "de"), ("rest", "de"), ("rest", "nl")]
    assert "1/1" in lanes[0]
    assert lanes[2][-3:] == ["1", "in", "flight"]


def test_it_shows_halts_failures_and_an_operators_hand(show, events, start):
    text = show([*events[:14], Paused(at=start + 135), Stopping(at=start + 136, signal=2)], at=136.0)
    assert "halted by run: 1 of 3 failed" in text
    assert "c2/apps/web failed: no such image" in text
    assert "paused by an operator" in text
    assert "stopping: watching what is in flight" in text
    assert "paused" not in show([Paused(at=start), Continued(at=start + 1)])


def test_nothing_of_a_server_can_move_the_cursor(show, events):
    assert "\x1b" not in show(events, at=140.0)


def test_many_lanes_fit_a_small_terminal_with_the_moving_ones_first(show, events):
    lines = show(events[:9], height=13).splitlines()
    assert any("and" not in line and line.startswith("rest") and "1 in flight" in line for line in lines)
    text = show(events[:9], height=5)
    assert len(text.splitlines()) <= 8


def test_it_repaints_at_most_four_times_a_second_whatever_it_hears(plan, events):
    tally = RunCounters(plan)
    display = LiveProgress(tally, plan, Console(file=io.StringIO()))
    assert display._live.refresh_per_second == 4
    drawn = []
    display.render = lambda: drawn.append(1)
    for event in events:
        display.on_event(event)
    assert drawn == []


def test_it_starts_and_stops_cleanly(plan):
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with LiveProgress(RunCounters(plan), plan, console) as display:
        assert display._live.is_started
    assert not display._live.is_started
    assert "starting" in console.file.getvalue()


def test_it_shows_what_is_deferred_and_calls_none_of_it_not_good(show):
    why = "the cluster is Hibernation"
    aside = [Deferred(at=1.0, key=f"id-{number}/apps/web", cause=Deferral.CLUSTER, why=why) for number in (1, 2)]
    assert "2 deferred" in show(aside)
    shown = show([*aside, *(Finished(at=2.0, key=each.key, outcome=Outcome.DEFERRED) for each in aside)])
    assert "2 deferred" in shown
    assert "not good" not in shown
