"""Small runs to tell stories of."""

from collections.abc import Callable

import pytest

from batch_deployer.model.deployment import (
    Action,
    ChartRef,
    Cluster,
    Deployment,
    Operation,
    Outcome,
    ReleaseSpec,
    key_of,
)
from batch_deployer.model.events import (
    Accepted,
    Confirmed,
    Event,
    Finished,
    Halted,
    Intended,
    Measured,
    Planned,
    Refused,
    RunFinished,
    RunStarted,
    Seen,
    Throttled,
    Uncertain,
    WavePassed,
    WaveStarted,
)
from batch_deployer.plan.plan import CloudSpec, Plan, Wave
from batch_deployer.settings import GateSettings, IntOrPercent

START = 1_767_323_045.0
"""2026-01-02T03:04:05Z."""
HOSTILE = "\x1b[31m=cmd|' /C calc'!A0 <script>alert(\"x\")</script>\x07 & ]]> \u202e|`@team`\x00\ud800"


def a_plan(clusters: int = 3, releases: tuple[str, ...] = ("web", "agent"), **changes) -> Plan:
    """Clusters c1.. with every release; c1 is the canary wave; odd clusters in cloud `de`, even ones in `nl`."""
    deployments = []
    for number in range(1, clusters + 1):
        cluster = Cluster(id=f"id-{number}", name=f"c{number}", cloud="de" if number % 2 else "nl")
        for name in releases:
            release = ReleaseSpec(name=name, namespace="apps", chart=ChartRef(name=f"{name}-chart"), version="1.2.3")
            key = key_of(cluster.id, "apps", name)
            deployments.append(Deployment(key=key, cluster=cluster, release=release, wave=0 if number == 1 else 1))
    given = {
        "name": "nightly",
        "clouds": {"de": CloudSpec(name="de"), "nl": CloudSpec(name="nl")},
        "deployments": tuple(deployments),
        "waves": (Wave(name="canary", max_failures=IntOrPercent(0), soak=60.0), Wave(name="rest")),
        "gates": GateSettings(max_failures=IntOrPercent(50, percent=True)),
    }
    return Plan(**(given | changes))


def created(key: str, at: float, took: float = 30.0) -> list[Event]:
    """A create that went well: written at `at`, deployed `took` seconds after it was accepted."""
    return [
        Planned(at=at - 1, key=key, action=Action.CREATE, reason="absent"),
        Intended(at=at, key=key, operation=Operation.CREATE, attempt=1),
        Accepted(at=at + 1, key=key, operation=Operation.CREATE, request_id=f"req-{key}"),
        Seen(at=at + 6, key=key, status="PENDING_INSTALL", revision=1),
        Finished(at=at + 1 + took, key=key, outcome=Outcome.DEPLOYED, status="DEPLOYED", revision=1),
    ]


def a_bad_night() -> list[Event]:
    """c1 fine; c2/web fails with hostile text, c2/agent was there; c3/web times out; c3/agent is not started."""
    web2, agent2, web3, agent3 = "id-2/apps/web", "id-2/apps/agent", "id-3/apps/web", "id-3/apps/agent"
    return [
        RunStarted(at=START, run="run-1", manifest="nightly", pid=7, version="0.1.0"),
        WaveStarted(at=START + 1, wave=0),
        *created("id-1/apps/web", START + 2),
        *created("id-1/apps/agent", START + 40),
        WavePassed(at=START + 140, wave=0),
        WaveStarted(at=START + 140, wave=1),
        Planned(at=START + 141, key=web2, action=Action.UPGRADE, status="DEPLOYED", revision=4),
        Intended(at=START + 142, key=web2, operation=Operation.UPGRADE, attempt=1, revision=4),
        Throttled(at=START + 143, cloud="nl", bucket="writes", wait=60.0, rate=0.1, message="over ratelimit"),
        Refused(at=START + 143, key=web2, operation=Operation.UPGRADE, why="throttled", code="APIGW.0308", wait=60.0),
        Intended(at=START + 204, key=web2, operation=Operation.UPGRADE, attempt=2, revision=4),
        Uncertain(at=START + 264, key=web2, operation=Operation.UPGRADE, why="timeout", request_id="req-lost"),
        Confirmed(at=START + 270, key=web2, operation=Operation.UPGRADE, status="PENDING_UPGRADE", revision=5),
        Finished(
            at=START + 300,
            key=web2,
            outcome=Outcome.FAILED,
            reason=HOSTILE,
            status="FAILED",
            revision=5,
            fingerprint="helm",
        ),
        Planned(at=START + 141, key=agent2, action=Action.UNCHANGED, status="DEPLOYED", revision=2),
        Finished(at=START + 141, key=agent2, outcome=Outcome.UNCHANGED, status="DEPLOYED", revision=2),
        Planned(at=START + 141, key=web3, action=Action.CREATE),
        Intended(at=START + 150, key=web3, operation=Operation.CREATE, attempt=1),
        Accepted(at=START + 151, key=web3, operation=Operation.CREATE),
        Seen(at=START + 160, key=web3, status="PENDING_INSTALL", revision=1),
        Finished(at=START + 1051, key=web3, outcome=Outcome.TIMED_OUT, reason="still PENDING_INSTALL after 15m"),
        Halted(at=START + 1051, scope="run", reason="2 of 6 failed, at most 1 allowed"),
        Finished(at=START + 1052, key=agent3, outcome=Outcome.NOT_STARTED, reason="halted: 2 of 6 failed"),
        Measured(
            at=START + 1053,
            cloud="de",
            calls={"create_release": 3, "list_releases": 20},
            answers={"ok": 23},
            peaks={"writes": 3, "reads": 4, "in_flight": 2, "per_cluster": 1, "connections": 2},
            rates={"writes": 0.16},
        ),
        Measured(
            at=START + 1053,
            cloud="nl",
            calls={"update_release": 2, "list_releases": 9},
            answers={"ok": 9, "throttled": 1, "ambiguous": 1},
            peaks={"writes": 1, "reads": 2, "in_flight": 1, "per_cluster": 1},
        ),
        RunFinished(at=START + 1054, exit_code=4, reason="halted by its failure budget"),
    ]


@pytest.fixture
def start() -> float:
    """When the runs of these tests start."""
    return START


@pytest.fixture
def hostile() -> str:
    """What a hostile server may say."""
    return HOSTILE


@pytest.fixture
def plan() -> Plan:
    """3 clusters x 2 releases."""
    return a_plan()


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """Builds plans of other sizes."""
    return a_plan


@pytest.fixture
def create() -> Callable[..., list[Event]]:
    """Builds the events of a create that went well."""
    return created


@pytest.fixture
def bad_night() -> list[Event]:
    """A run with one of most things in it."""
    return a_bad_night()
