"""What runs leave behind: nothing in it is secret, and nobody else may read it. Real processes, a provider that echoes."""

import json
import signal
import stat

import pytest

from batch_deployer.app import runner
from batch_deployer.cli.main import main

AWKWARD = 'quote" back\\slash and ümlaut'
"""A secret that looks different wherever it is written."""
FORMATS = ("text", "json", "junit", "csv", "markdown", "html")
KEY = "four/shop/web"


def echo(exchange):
    """Creates on `four` are refused with everything that the request held; whatever is listed tells it too."""
    told = exchange.asked.decode() + f" token={exchange.token}"
    if (
        exchange.method == "POST"
        and b"100b04" in exchange.asked + exchange.path.encode()
        and "/releases" in exchange.path
    ):
        message = f"admission webhook denied {told}"
        return exchange.answer(400, json.dumps({"error_code": "CCE.01400001", "error_msg": message}).encode())
    if exchange.method == "GET" and exchange.path.endswith("/releases") and exchange.status == 200:
        releases = json.loads(exchange.body)
        for release in releases:
            release["status_description"] = f"installed with {AWKWARD} by {exchange.token}"
        return exchange.answer(200, json.dumps(releases).encode())
    return exchange


@pytest.fixture
def stage(behind, monkeypatch, ordeal):
    with behind(echo) as stage:
        stage.edit(
            '{password: "${secret:env:HIDDEN}"}', '{password: "${secret:env:HIDDEN}", pin: "${secret:file:pin}"}'
        )
        (stage.folder / "pin").write_text(AWKWARD + "\n")
        for name, text in ordeal.SECRETS.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(stage.state))
        monkeypatch.chdir(stage.folder)
        yield stage


def spellings(secret):
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}


@pytest.mark.slow
def test_no_artifact_of_any_command_holds_a_secret(stage, ordeal, capfd, monkeypatch):
    told = {}

    def keep(name, texts):
        told[name] = "".join(texts)

    process = stage.start("run", "m.yaml", "--yes", "--run-id", "it", MORTAL_AT="replied:6", umask=0)
    keep("stdout and stderr of the killed run", process.communicate(timeout=60))
    assert process.returncode == -signal.SIGKILL
    log = stage.state / "runs/it/journal.db-wal"
    keep("the killed run's log", [log.read_bytes().decode("latin-1")])
    process = stage.start("resume", "latest", "--log-format", "json", "--report", "reports", umask=0)
    keep("stdout and stderr of the resumed run", process.communicate(timeout=60))
    assert process.returncode == 1
    commands = [["report", "it", "--format", kind] for kind in FORMATS]
    commands += [["explain", "it", KEY], ["plan", "m.yaml", "--format", "json"], ["plan", "m.yaml"], ["status"]]
    commands += [["snapshot", "sim", "--manifest", "m.yaml", "--output", "backup"], ["validate", "m.yaml"]]
    for command in commands:
        assert main(command) in (0, 1, 8), command
        shown = capfd.readouterr()
        keep(" ".join(command), [shown.out, shown.err])

    async def crash(self):
        text = str(ordeal.SECRETS) + AWKWARD
        raise RuntimeError(text)

    monkeypatch.setattr(runner.Runner, "run", crash)
    assert main(["run", "m.yaml", "--yes", "--run-id", "crashed"]) == 3
    keep("a crash's stdout and stderr", capfd.readouterr())
    assert list(stage.state.glob("crash-*.txt"))

    told |= {str(path): path.read_bytes().decode("latin-1") for path in stage.folder.rglob("*") if path.is_file()}
    del told[str(stage.folder / "pin")]
    # What the provider echoed is told, so that there was something to hide; which release it hit depends on the kill.
    assert "admission webhook denied" in told["report it --format json"]
    assert "******" in told["report it --format json"]
    secrets = [ordeal.HIDDEN, ordeal.PASSWORD, AWKWARD, *stage.tokens]
    assert len(stage.tokens) >= 2
    forms = {form.encode().decode("latin-1") for secret in secrets for form in spellings(secret)}
    forms |= {form for secret in secrets for form in spellings(secret)}
    assert [(place, form) for place, text in told.items() for form in forms if form in text] == []


@pytest.mark.slow
def test_everything_that_is_left_behind_is_for_its_owner_alone_whatever_the_umask(stage):
    process = stage.start("run", "m.yaml", "--yes", "--run-id", "it", "--report", "reports", umask=0)
    process.communicate(timeout=60)
    process = stage.start("control", "it", "pause", umask=0)
    process.communicate(timeout=60)
    left = [stage.state, *stage.state.rglob("*"), stage.folder / "reports", *(stage.folder / "reports").rglob("*")]
    assert len(left) > 15
    modes = {str(path): oct(stat.S_IMODE(path.stat().st_mode)) for path in left}
    wanted = {str(path): "0o700" if path.is_dir() else "0o600" for path in left}
    assert modes == wanted
