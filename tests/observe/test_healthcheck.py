"""Dead-man pings, heard by a local receiver."""

import socket

import pytest

from batch_deployer.errors import InputError
from batch_deployer.model.events import RunFinished, RunStarted
from batch_deployer.observe.counters import RunCounters
from batch_deployer.observe.healthcheck import Healthcheck, with_suffix

BEGIN = RunStarted(at=1.0, run="run-1", manifest="nightly")


@pytest.fixture
def ping(plan, receiver):
    def _ping(*events, path="/secret-uuid"):
        warnings = []
        listener = Healthcheck(f"http://127.0.0.1:{receiver.port}{path}", RunCounters(plan), warnings.append)
        for event in events:
            listener.on_event(event)
        assert listener.close()
        return warnings

    return _ping


def test_a_good_run_pings_its_start_and_its_success(ping, receiver):
    assert ping(BEGIN, RunFinished(at=2.0, exit_code=0)) == []
    assert [(method, path) for method, path, _ in receiver.heard] == [
        ("POST", "/secret-uuid/start"),
        ("POST", "/secret-uuid"),
    ]
    assert receiver.heard[0][2] == "run run-1 started: 3 deployments"


def test_a_bad_run_pings_its_exit_code(ping, receiver):
    ping(BEGIN, RunFinished(at=2.0, exit_code=4))
    assert receiver.heard[-1][1] == "/secret-uuid/4"
    assert "exit code 4" in receiver.heard[-1][2]


def test_a_run_that_never_started_pings_fail(plan, receiver):
    listener = Healthcheck(f"http://127.0.0.1:{receiver.port}/x?rid=1", RunCounters(plan), pytest.fail)
    listener.fail("wrong password")
    assert listener.close()
    assert receiver.heard == [("POST", "/x/fail?rid=1", "wrong password")]


def test_a_refused_ping_is_tried_again_and_then_a_warning_without_the_secret(ping, receiver):
    receiver.statuses += [503, 200]
    assert ping(BEGIN) == []
    assert len(receiver.heard) == 2
    receiver.statuses += [500, 500, 500]
    assert ping(BEGIN) == ["ping to 127.0.0.1: RuntimeError: HTTP status 500"]
    receiver.statuses += [404]
    assert ping(BEGIN) == ["ping to 127.0.0.1: RuntimeError: HTTP status 404"]
    assert len(receiver.heard) == 6


def test_nobody_listening_is_a_warning_and_no_more(plan):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    warnings = []
    listener = Healthcheck(f"http://127.0.0.1:{port}/secret-uuid", RunCounters(plan), warnings.append)
    listener.on_event(BEGIN)
    assert listener.close()
    assert len(warnings) == 1
    assert "refused" in warnings[0]
    assert "secret-uuid" not in warnings[0]


def test_a_ping_that_hangs_does_not_hold_the_run_up(plan):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        warnings = []
        listener = Healthcheck(f"http://127.0.0.1:{silent.getsockname()[1]}/x", RunCounters(plan), warnings.append)
        listener.on_event(BEGIN)
        assert listener.close(timeout=0.05) is False
        assert warnings == ["ping to 127.0.0.1: gave up after 0.05 s"]


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "hc-ping.com/uuid", ""])
def test_only_http_urls_are_taken(plan, url):
    with pytest.raises(InputError, match="--ping needs an http or https URL"):
        Healthcheck(url, RunCounters(plan), print)


@pytest.mark.parametrize(
    ("url", "suffix", "expected"),
    [
        ("https://h/u", "start", "https://h/u/start"),
        ("https://h/u/", "3", "https://h/u/3"),
        ("https://h/u?a=b#c", "fail", "https://h/u/fail?a=b"),
        ("https://h/u", "", "https://h/u"),
    ],
)
def test_a_suffix_goes_before_the_query(url, suffix, expected):
    assert with_suffix(url, suffix) == expected
