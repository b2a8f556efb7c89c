"""One notification for a run, heard by a local receiver."""

import json

import pytest

from batch_deployer.app.fanout import Fanout
from batch_deployer.errors import InputError
from batch_deployer.model.events import RunFinished, RunStarted
from batch_deployer.observe import notify
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.notify import Notifier

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
IDLE = [RunStarted(at=1.0, run="run-1", manifest="nightly"), RunFinished(at=2.0, exit_code=0)]


@pytest.fixture
def send(plan, receiver):
    def _send(events, **options):
        tally, warnings = RunCounters(plan), []
        notifier = Notifier([f"json://127.0.0.1:{receiver.port}/hook"], tally, warnings.append, **options)
        fanout = Fanout([tally, notifier], warn=pytest.fail)
        for event in events:
            fanout.on_event(event)
        assert notifier.close()
        return warnings

    return _send


def test_a_run_sends_one_message_with_its_counts_and_failures(send, receiver, events):
    assert send(events) == []
    ((method, path, body),) = receiver.heard
    message = json.loads(body)
    assert (method, path) == ("POST", "/hook")
    assert message["type"] == "failure"
    assert message["title"] == "batch-deployer: run-1 ended with exit code 4"
    assert "3/3 ended (1 deployed, 1 failed, 1 not_started)" in message["message"]
    assert "- c2/apps/web failed: no such image" in message["message"]
    assert "halted by run: 1 of 3 failed" in message["message"]


def test_deferred_deployments_are_counted_and_are_no_failures(send, receiver, deferred):
    assert send(deferred) == []
    message = json.loads(receiver.heard[0][2])
    assert message["type"] == "success"
    assert "3/3 ended (2 deferred, 1 deployed)" in message["message"]
    assert "2 of 3 deployments are deferred" in message["message"]
    assert "\n- " not in message["message"]


def test_a_night_without_changes_can_be_silent(send, receiver):
    send(IDLE, unless_unchanged=True)
    assert receiver.heard == []
    send(IDLE)
    assert json.loads(receiver.heard[0][2])["type"] == "success"


def test_a_receiver_that_refuses_is_a_warning(send, receiver):
    receiver.statuses.append(500)
    assert send(IDLE) == ["notification: RuntimeError: at least one receiver did not take it"]


def test_a_url_that_means_nothing_is_bad_input_and_its_token_is_not_shown(plan):
    with pytest.raises(InputError, match=r"--notify URL number 1 \(nosuch://...\) is not one") as caught:
        Notifier(["nosuch://token-123/x"], RunCounters(plan), print)
    assert "token-123" not in str(caught.value)


def test_a_missing_extra_says_what_to_install(plan, monkeypatch):
    monkeypatch.setattr(notify, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"install it with `pip install 'batch-deployer\[notify\]'`"):
        Notifier(["json://127.0.0.1/"], RunCounters(plan), print)
