"""The simulated provider of a run holds no secret, and neither other users nor web pages can use it."""

import urllib.error
import urllib.request

import pytest

from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.world.world import World

SECRET = "value-that-stays-at-home"


@pytest.fixture(scope="module")
def simulator():
    """A served world."""
    with SimulatorProcess(World.generated(clouds=1, clusters=1)) as process:
        yield process


def ask(url, path, *, method="GET", **headers):
    """Status and text of one request."""
    request = urllib.request.Request(url + path, method=method, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("path", ["/_sim/ledger", "/_sim/entries", "/_sim/releases", "/_sim/stats", "/_sim/world"])
@pytest.mark.parametrize("token", ["", "wrong", "\u00e4"])
def test_administration_needs_its_token(simulator, path, token):
    """Every local user can open a connection."""
    status, text = ask(simulator.url, path, **{"X-Sim-Token": token.encode().decode("latin-1")})
    assert status == 401
    assert simulator.world.clouds[0].project_id not in text


@pytest.mark.parametrize("what", ["stop", "faults", "phase"])
def test_a_web_page_cannot_steer_it(simulator, what):
    """A form on any page can POST to loopback; without the token nothing happens, and with an Origin never."""
    assert ask(simulator.url, f"/_sim/{what}", method="POST")[0] == 401
    given = {"X-Sim-Token": simulator.admin_token, "Origin": "https://evil.example"}
    assert ask(simulator.url, f"/_sim/{what}", method="POST", **given)[0] == 403
    assert simulator.get("stats")["entries"] == 0


@pytest.mark.parametrize("path", ["/_sim/ledger", "/v3/auth/tokens", "/v2/charts"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "", "[::", "a b"]
)
def test_a_name_that_a_stranger_points_at_loopback_is_refused(simulator, path, host):
    """DNS rebinding: the page's own name resolves to 127.0.0.1."""
    given = {"Host": host, "X-Sim-Token": simulator.admin_token}
    assert ask(simulator.url, path, **given)[0] in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost", "localhost:80", "[::1]:80", "x.localhost"])
def test_loopback_names_are_answered(simulator, host):
    """Each way to name this machine."""
    assert ask(simulator.url, "/_sim/stats", **{"Host": host, "X-Sim-Token": simulator.admin_token})[0] == 200


def test_a_simulated_run_reads_no_secret(checkout, tmp_path):
    """Neither from the environment nor from a file."""
    checkout.write("password", SECRET)
    manifest = checkout.path / "m.yaml"
    values = "values: {a: '${secret:env:SPY}', b: '${secret:file:password}'}, targets"
    manifest.write_text(manifest.read_text().replace("targets", values))
    arguments = ("run", "m.yaml", "--simulate", "--yes", "--speed", "600", "--run-id", "r", "--state-dir")
    done = checkout.run(*arguments, str(tmp_path / "state"), env={"SPY": SECRET})
    assert done.returncode == 0, done.stderr
    # A run keeps a digest of each secret that it read.
    assert not (tmp_path / "state" / "runs" / "r" / "secrets.json").exists()


def test_each_simulated_account_is_new():
    """Nobody can guess how to log in."""
    from batch_deployer.app.simulation import world_of

    one, two = (world_of(None, clouds=1, clusters=1, seed=0).account for _ in range(2))
    assert one.password != two.password
    assert one.secret_key != two.secret_key
    assert len(one.password) >= 12
