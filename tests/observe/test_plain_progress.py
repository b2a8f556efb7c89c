"""Plain progress lines."""

import io
import threading

import pytest

from batch_deployer.app.fanout import Fanout
from batch_deployer.model.deployment import Deferral, Outcome
from batch_deployer.model.events import Deferred, Finished, Requeued, Throttled
from batch_deployer.observe import plain_progress
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.plain_progress import PlainProgress


@pytest.fixture
def heard(plan):
    def _heard(events, now=lambda: 0.0, **options):
        tally, stream = RunCounters(plan), io.StringIO()
        progress = PlainProgress(tally, plan, stream, now=now, **options)
        fanout = Fanout([tally, progress], warn=pytest.fail)
        for event in events:
            fanout.on_event(event)
        return progress, stream

    return _heard


def test_a_run_reads_as_these_lines(heard, events):
    _, stream = heard(events)
    ended = "3/3 ended (1 deployed, 1 failed, 1 not_started), 0 in flight"
    assert stream.getvalue().splitlines() == [
        "2026-01-02T03:04:05.000Z run run-1 started: 3 deployments",
        "2026-01-02T03:04:05.000Z wave 'canary' started",
        "2026-01-02T03:04:38.000Z wave 'rest' started",
        "2026-01-02T03:04:40.000Z cloud nl throttles writes: waiting 1m 00s",
        "2026-01-02T03:06:19.000Z c2/apps/web failed: no such image",
        "2026-01-02T03:06:20.000Z halted (run): 1 of 3 failed",
        "2026-01-02T03:06:23.000Z run run-1 ended, exit code 4: " + ended,
    ]


def test_quiet_tells_only_failures_halts_and_the_end(heard, events):
    _, stream = heard(events, quiet=True)
    assert [line.split(" ", 1)[1].split(":")[0] for line in stream.getvalue().splitlines()] == [
        "c2/apps/web failed",
        "halted (run)",
        "run run-1 ended, exit code 4",
    ]


def test_a_tick_tells_counts_rate_and_throttles_once_until_they_change(heard, events, start):
    progress, stream = heard(events[:9], now=lambda: start + 65)
    before = len(stream.getvalue())
    progress.tick()
    progress.tick()
    assert stream.getvalue()[before:] == (
        "2026-01-02T03:05:10.000Z 1/3 ended (1 deployed), 1 in flight; nl writes throttled for 30s\n"
    )


def test_a_storm_of_throttles_is_one_line(heard):
    storm = [Throttled(at=float(at), cloud="nl", bucket="writes", wait=1.0, rate=0.1) for at in range(20)]
    _, stream = heard(storm)
    assert len(stream.getvalue().splitlines()) == 1


def test_a_flood_of_failures_is_cut_with_a_word(heard, monkeypatch):
    monkeypatch.setattr(plain_progress, "_MOST_FAILURES", 2)
    _, stream = heard([Finished(at=1.0, key=f"id-{n}/apps/web", outcome=Outcome.FAILED, reason="x") for n in (1, 2, 3)])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("(further failures are only counted)")


def test_as_a_context_manager_it_ticks_by_itself_and_stops(plan):
    ticked = threading.Event()

    class Stream(io.StringIO):
        def write(self, text):
            assert "0/3 ended" in text
            ticked.set()
            return super().write(text)

    with PlainProgress(RunCounters(plan), plan, Stream(), every=0.01) as progress:
        assert ticked.wait(30)
        thread = progress._thread
    assert not thread.is_alive()


def test_what_is_deferred_is_told_once_each_and_a_whole_cloud_only_by_its_warning(heard):
    def deferred(number, cause):
        return Deferred(at=1.0, key=f"id-{number}/apps/web", cause=cause, why="the cluster is Hibernation")

    _, told = heard([deferred(1, Deferral.CLUSTER), deferred(2, Deferral.CLOUD), Requeued(at=2.0, key="id-1/apps/web")])
    assert [line.split(" ", 1)[1] for line in told.getvalue().splitlines()] == [
        "c1/apps/web deferred: the cluster is Hibernation",
        "c1/apps/web is no longer deferred",
    ]
