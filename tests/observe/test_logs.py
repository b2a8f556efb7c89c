"""Log lines."""

import io
import json

import pytest

from batch_deployer.model.events import Measured, Warned
from batch_deployer.model.redact import Redactor
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.logs import LogListener, make_logger


class Terminal(io.StringIO):
    def isatty(self):
        return True


def log_all(plan, events, stream=None, form="json", **options):
    stream = stream or io.StringIO()
    listener = LogListener(make_logger(form, stream=stream, **options), RunCounters(plan))
    for event in events:
        listener.on_event(event)
    return stream.getvalue()


def test_each_event_that_matters_is_one_json_line_with_run_key_cloud_and_request_id(plan, events):
    lines = [json.loads(line) for line in log_all(plan, events).splitlines()]
    accepted = next(line for line in lines if line["event"] == "accepted")
    assert accepted == {
        "event": "accepted",
        "level": "info",
        "timestamp": "2026-01-02T03:04:08.000Z",
        "run": "run-1",
        "name": "c1/apps/web",
        "cloud": "de",
        "key": "id-1/apps/web",
        "operation": "create",
        "request_id": "req-1",
    }
    assert [line["event"] for line in lines] == [
        *("run_started", "wave_started", "accepted", "finished", "wave_started", "throttled", "refused", "uncertain"),
        *("finished", "halted", "finished", "run_finished"),
    ]
    assert lines[-1]["exit_code"] == 4
    assert lines[1]["wave"] == 0


def test_debug_shows_intents_and_measurements_are_left_to_the_journal(plan, events):
    names = [json.loads(line)["event"] for line in log_all(plan, events, level="debug").splitlines()]
    assert names.count("intended") == 3
    assert "measured" not in names
    assert log_all(plan, [Measured(at=1.0, cloud="de")], level="debug") == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_of_a_server_never_reach_the_terminal(plan, events, form):
    text = log_all(plan, events, form=form)
    assert "\x1b" not in text
    assert "no such image" in text


def test_secrets_become_stars_in_every_form_and_also_when_learned_late(plan):
    known = []
    stream = io.StringIO()
    logger = make_logger("json", stream=stream, secrets=lambda: known)
    known += ['pa"ss word', "pa", "long\nlived-line"]
    logger.info("try", text='is pa"ss word', nested={"deep": ['pa"ss word']}, url="a=pa%22ss%20word", line="lived-line")
    try:
        int('bad pa"ss word')
    except ValueError:
        logger.exception("broke")
    text = stream.getvalue()
    assert "ss word" not in text
    assert "ss%20word" not in text
    assert "lived-line" not in text
    assert "Traceback" in text
    assert text.count("******") >= 5


def test_a_longer_secret_is_hidden_whole_when_a_shorter_one_is_part_of_it():
    assert Redactor(lambda: ["abc", "abcdef"]).text("x abcdef y abc") == "x ****** y ******"


def test_colours_need_a_terminal_and_no_no_color(plan, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    warned = [Warned(at=1.0, message="disk slow")]
    assert "\x1b[" in log_all(plan, warned, Terminal(), "console")
    assert "\x1b[" not in log_all(plan, warned, io.StringIO(), "console")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in log_all(plan, warned, Terminal(), "console")


def test_without_a_stream_lines_go_to_stderr_as_it_is_at_that_moment(monkeypatch):
    logger = make_logger("json")
    later = io.StringIO()
    monkeypatch.setattr("sys.stderr", later)
    logger.info("hello")
    assert json.loads(later.getvalue())["event"] == "hello"
