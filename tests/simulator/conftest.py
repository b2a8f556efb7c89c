"""A small world, a stage to play scenes on, and one simulator process for all tests that speak HTTP."""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request

import pytest

from batch_deployer.model.api import (
    CreateRelease,
    DeleteRelease,
    ListReleases,
    ReleaseHistory,
    ShowRelease,
    UpdateRelease,
)
from batch_deployer.model.deployment import Operation, Parameters
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import SimChart, SimCloud, SimCluster
from batch_deployer.simulator.world.world import World

CLUSTER = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
CHART = "00000000-0000-4000-8000-0000000000c1"
START = 1_767_322_800.0


def a_world(**more):
    """Two clouds with one cluster each and a chart that installs in exactly 40 s."""
    parts = {
        "clouds": (
            SimCloud(name="north", project_id="a" * 32, writes="1000/s", reads="1000/s"),
            SimCloud(name="south", project_id="b" * 32, writes="1000/s", reads="1000/s"),
        ),
        "clusters": (
            SimCluster(id=CLUSTER, name="alpha", cloud="north", tags={"env": "prod"}),
            SimCluster(id=OTHER, name="omega", cloud="south"),
        ),
        "charts": (SimChart(id=CHART, name="web-chart", versions=("1.0.0", "1.1.0"), spread=0.0),),
    }
    return World(**parts | more)


class Scene:
    """A fleet and a time that only moves when told."""

    def __init__(self, rules=(), *, seed=0, speed=1.0, **world):
        given = files.load_data(list(rules)) if not isinstance(rules, str) else files.load(rules)
        self.fleet = SimulatedProvider(a_world(**world), seed=seed, faults=given)
        self.fleet.start(START, speed=speed)
        self.now = START

    def wait(self, seconds):
        self.now += seconds
        return self

    def ask(self, call, **more):
        return self.fleet.handle("north", call, self.now, **more)

    def create(self, name="web", **more):
        given = {"chart_id": CHART, "version": "1.0.0", "namespace": "apps", "cluster_id": CLUSTER} | more
        return self.ask(CreateRelease(name=name, **given))

    def update(self, name="web", operation=Operation.UPGRADE, **more):
        where = {"cluster_id": CLUSTER, "namespace": "apps", "chart_id": CHART}
        return self.ask(UpdateRelease(name=name, operation=operation, **where | more))

    def rollback(self, revision=None, name="web"):
        return self.update(name, Operation.ROLLBACK, parameters=Parameters(release_version=revision))

    def delete(self, name="web"):
        return self.ask(DeleteRelease(cluster_id=CLUSTER, namespace="apps", name=name))

    def show(self, name="web"):
        return self.ask(ShowRelease(cluster_id=CLUSTER, namespace="apps", name=name))

    def list(self):
        return self.ask(ListReleases(cluster_id=CLUSTER)).body

    def history(self, name="web"):
        return self.ask(ReleaseHistory(cluster_id=CLUSTER, namespace="apps", name=name))

    def state(self, name="web"):
        """Status and revision as a reader sees them; None when there is no such release."""
        reply = self.show(name)
        return (reply.body.status, reply.body.version) if reply.status == 200 else None

    def ledger(self):
        return self.fleet.summary()


@pytest.fixture
def scene():
    return Scene


@pytest.fixture
def make_world():
    return a_world


class Http:
    """Plain requests to a simulator, with nothing between us and the wire."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, headers=None, **more):
        """Status, headers and decoded body."""
        data = body if body is None or not isinstance(body, dict | list) else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} | (headers or {})
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=given)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.loads(error.read() or b"null")

    def log_in(self, project="north", user="demo", password="demo", domain="sim"):
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "password": password, "domain": {"name": domain}}},
        }
        auth = {"identity": identity, "scope": {"project": {"name": project}}}
        return self.ask("POST", "/v3/auth/tokens", {"auth": auth})

    def as_demo(self, project="north"):
        """The header of a fresh token."""
        return {"X-Auth-Token": self.log_in(project)[1]["X-Subject-Token"]}


@pytest.fixture(scope="session")
def simulator():
    """A process that plays forty seconds of install in 40 ms."""
    with SimulatorProcess(a_world(), seed=1, speed=1000.0) as process:
        yield process


@pytest.fixture
def http(simulator):
    return Http(simulator.url)


@pytest.fixture
def wire(simulator):
    """Send bytes, and hear the beginning of what comes back."""

    def send(data):
        where = urllib.parse.urlsplit(simulator.url)
        with socket.create_connection((where.hostname, where.port), timeout=30) as line:
            line.sendall(data)
            return line.recv(65536)

    return send


@pytest.fixture
def http_to():
    return Http


@pytest.fixture
def ids():
    class Ids:
        cluster, other, chart, start = CLUSTER, OTHER, CHART, START

    return Ids
