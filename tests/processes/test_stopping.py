"""Signals to a real runner, and an operator's orders from another shell."""

import shlex
import signal

import pytest


@pytest.fixture
def busy(make_stage, ordeal):
    """Installs take about a second."""
    stage = make_stage(0, ordeal.CALM, speed=40.0)
    stage.edit("writes: 12/s", "writes: 6/s")
    return stage


@pytest.fixture
def begin(told):
    def start(stage):
        runner = told(stage.start("run", "m.yaml", "--yes", "--run-id", "it", "--log-format", "json"))
        runner.until('"accepted"', times=2)
        return runner

    return start


def order(stage, told, word):
    code, out, err = told(stage.start("control", "it", word)).end()
    assert (code, out, err) == (0, "", f"run it is told to {word}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)]
)
def test_a_first_signal_starts_nothing_more_watches_what_is_under_way_and_can_be_resumed(
    busy, begin, told, events, report, number, code
):
    runner = begin(busy)
    runner.process.send_signal(number)
    ended, out, err = runner.end()
    assert ended == code, out + err
    assert out.startswith("ordeal: interrupted")
    assert err.endswith(f"resume it with: batch-deployer resume it --state-dir {shlex.quote(str(busy.state))}\n")
    story = events(busy, "it")
    kinds = [kind for kind, _ in story]
    after = kinds[kinds.index("Stopping") :]
    assert "Intended" not in after
    assert "Finished" in after
    outcomes = report(busy, "it")["totals"]["outcomes"]
    assert (outcomes["deployed"] > 0, outcomes["in_flight"], sum(outcomes.values())) == (True, 0, 12)
    assert busy.resume() == 0, busy.said[-1]
    assert set(dict(busy.outcomes()).values()) == {"deployed"}
    assert set(busy.provider.ledger()["creates"].values()) == {1}


@pytest.mark.slow
def test_a_second_signal_ends_at_once_with_a_report_of_what_is_in_flight(busy, begin, told, report):
    busy.provider.post("faults", [{"effect": "stuck"}])
    runner = begin(busy)
    runner.process.send_signal(signal.SIGINT)
    runner.until('"stopping"')
    assert runner.process.poll() is None
    runner.process.send_signal(signal.SIGINT)
    code, out, err = runner.end(patience=20)  # the grace is 30 s
    assert code == 130, out + err
    outcomes = report(busy, "it")["totals"]["outcomes"]
    assert outcomes["in_flight"] >= 2
    assert sum(outcomes.values()) == 12
    assert "resume it with: batch-deployer resume it" in err


@pytest.mark.slow
def test_an_operator_pauses_continues_and_halts_a_live_run_from_another_shell(busy, begin, told, events, report, post):
    busy.edit("writes: 6/s", "writes: 1/s")
    runner = begin(busy)
    order(busy, told, "pause")
    runner.until('"paused"')
    order(busy, told, "continue")
    runner.until('"continued"')
    runner.until('"accepted"')
    post(busy, "it", "pause")
    runner.until('"paused"')
    order(busy, told, "halt")
    code, out, err = runner.end()
    assert code == 4, out + err
    assert "an operator halted the run" in err
    kinds = [kind for kind, _ in events(busy, "it")]
    paused, continued, halted = (kinds.index(name) for name in ("Paused", "Continued", "Halted"))
    assert paused < continued < halted
    assert "Intended" not in kinds[paused:continued]
    assert "Intended" in kinds[continued:halted]
    assert "Intended" not in kinds[halted:]
    assert report(busy, "it")["totals"]["outcomes"]["not_started"] > 0
    code, _, err = told(busy.start("control", "it", "pause")).end()
    assert (code, err) == (2, "error: run it is finished, not live; only a live run can be told to pause\n")
