"""A small plan, a receiver for what is sent outside, and a list that hears events."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    Deferral,
    Deployment,
    Operation,
    Outcome,
    ReleaseSpec,
    key_of,
)
from batch_deployer.model.events import (
    Accepted,
    Deferred,
    Event,
    Finished,
    Halted,
    Intended,
    Measured,
    Planned,
    Refused,
    RunFinished,
    RunStarted,
    Throttled,
    Uncertain,
    WaveStarted,
)
from batch_deployer.plan.plan import CloudSpec, Plan, Wave

START = 1_767_323_045.0


def a_deployment(cluster: int, name: str) -> Deployment:
    release = ReleaseSpec(name=name, namespace="apps", chart=ChartRef(name="chart"), version="1.0.0")
    place = Cluster(id=f"id-{cluster}", name=f"c{cluster}", cloud="de" if cluster % 2 else "nl")
    return Deployment(key=key_of(place.id, "apps", name), cluster=place, release=release, wave=0 if cluster == 1 else 1)


@pytest.fixture
def start() -> float:
    """2026-01-02T03:04:05Z."""
    return START


@pytest.fixture
def plan() -> Plan:
    """c1 in the canary wave, c2 and c3 in the rest; one release each."""
    return Plan(
        name="nightly",
        clouds={"de": CloudSpec(name="de"), "nl": CloudSpec(name="nl")},
        deployments=tuple(a_deployment(number, "web") for number in (1, 2, 3)),
        waves=(Wave(name="canary"), Wave(name="rest")),
    )


@pytest.fixture
def events() -> list[Event]:
    """c1 deployed after 30 s, c2 failed, c3 not started; one throttle, one uncertain write."""
    one, two, three = (f"id-{number}/apps/web" for number in (1, 2, 3))
    return [
        RunStarted(at=START, run="run-1", manifest="nightly", pid=7, version="0.1.0"),
        WaveStarted(at=START, wave=0),
        Planned(at=START + 1, key=one, action=Action.CREATE),
        Intended(at=START + 2, key=one, operation=Operation.CREATE, attempt=1),
        Accepted(at=START + 3, key=one, operation=Operation.CREATE, request_id="req-1"),
        Finished(at=START + 32, key=one, outcome=Outcome.DEPLOYED, status="DEPLOYED", revision=1),
        WaveStarted(at=START + 33, wave=1),
        Intended(at=START + 34, key=two, operation=Operation.CREATE, attempt=1),
        Throttled(at=START + 35, cloud="nl", bucket="writes", wait=60.0, rate=0.1),
        Refused(at=START + 35, key=two, operation=Operation.CREATE, why="throttled", wait=60.0),
        Intended(at=START + 96, key=two, operation=Operation.CREATE, attempt=2),
        Uncertain(at=START + 100, key=two, operation=Operation.CREATE, why="reset", request_id="req-2"),
        Finished(
            at=START + 134,
            key=two,
            outcome=Outcome.FAILED,
            reason="\x1b[2Jno such\nimage",
            status="FAILED",
            fingerprint="f",
        ),
        Halted(at=START + 135, scope="run", reason="1 of 3 failed"),
        Finished(at=START + 136, key=three, outcome=Outcome.NOT_STARTED, reason="halted"),
        Measured(at=START + 137, cloud="de", calls={"create_release": 1}, answers={"ok": 1}, peaks={"writes": 1}),
        RunFinished(at=START + 138, exit_code=4, reason="halted"),
    ]


@pytest.fixture
def deferred() -> list[Event]:
    """c1 deployed, c2 and c3 deferred to the end because their clusters hibernate."""
    one, two, three = (f"id-{number}/apps/web" for number in (1, 2, 3))
    asleep = {"cause": Deferral.CLUSTER, "why": "the cluster is Hibernation", "phase": "Hibernation"}
    return [
        RunStarted(at=START, run="run-1", manifest="nightly", pid=7, version="0.1.0"),
        WaveStarted(at=START, wave=0),
        Deferred(at=START + 1, key=two, **asleep),
        Deferred(at=START + 1, key=three, **asleep),
        Planned(at=START + 1, key=one, action=Action.CREATE),
        Intended(at=START + 2, key=one, operation=Operation.CREATE, attempt=1),
        Accepted(at=START + 3, key=one, operation=Operation.CREATE, request_id="req-1"),
        Finished(at=START + 32, key=one, outcome=Outcome.DEPLOYED, status="DEPLOYED", revision=1),
        Finished(at=START + 33, key=two, outcome=Outcome.DEFERRED, reason="the cluster is Hibernation"),
        Finished(at=START + 33, key=three, outcome=Outcome.DEFERRED, reason="the cluster is Hibernation"),
        RunFinished(at=START + 34, exit_code=0, reason="2 of 3 deployments are deferred"),
    ]


@dataclass
class Receiver:
    """An HTTP server on loopback that remembers what came and answers as it is told."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when there are none left."""
    heard: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path with query, body)."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listens on a free port until the test is over."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            state.heard.append((self.command, self.path, body))
            self.send_response(state.statuses.pop(0) if state.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        server.shutdown()
        thread.join()
