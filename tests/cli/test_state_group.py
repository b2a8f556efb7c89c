"""`--state-group`: colleagues on call read runs and steer them, and can change nothing else. Other users are real ones."""

import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import batch_deployer

SERVICE, MEMBER, OUTSIDER, OPS = 2001, 2002, 2003, 2100
PLAYER = """
import os, sys
uid, groups, folder, act = int(sys.argv[1]), [int(each) for each in sys.argv[2].split(",") if each], sys.argv[3], sys.argv[4]
os.chdir(folder)
os.setgroups(groups)
os.setgid(uid)
os.setuid(uid)
if act == "program":
    from batch_deployer.cli.main import main
    sys.exit(main(sys.argv[5:]))
exec(act)
"""


def opened(folder):
    """A command prefix by which other users can read the interpreter, in a mount namespace of its own where that needs one."""
    needed = {Path(sys.base_prefix), Path(sys.prefix), Path(batch_deployer.__file__).parents[1]}
    closed = {each for path in needed for each in path.parents if not each.stat().st_mode & stat.S_IXOTH}
    if not closed:
        return []
    top = min(closed, key=lambda each: len(each.parts))
    lines = [f"mount -t tmpfs -o mode=755 tmpfs {folder}"]
    for path in sorted(each for each in needed if top in each.parents):
        place = folder / path.relative_to(top)
        lines += [f"mkdir -p {place}", f"mount --bind {path} {place}"]
    script = " && ".join([*lines, f"mount --rbind {folder} {top}", 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="other users can only be played by root")


class Stage:
    """The project's folder, in which the service runs and others look."""

    def __init__(self, folder, manifest):
        self.folder = folder
        self.state = folder / "srv" / "state"
        folder.chmod(0o755)
        (folder / "m.yaml").write_text(manifest)
        (self.folder / "srv").mkdir()
        os.chown(self.folder / "srv", SERVICE, SERVICE)
        (self.folder / "opened").mkdir()
        self.prefix = opened(self.folder / "opened")
        self.environment = {**os.environ, "BATCH_DEPLOYER_STATE_DIR": str(self.state), "HOME": "/nonexistent"}

    def start(self, uid, groups, act, *arguments, **environment):
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-c", PLAYER, str(uid), ",".join(map(str, groups)), str(self.folder), act, *map(str, arguments)],
            env=self.environment | environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def program(self, uid, *arguments, groups=None, **environment):
        """The program as a user: (exit code, stdout, stderr). The service and the member are in the group."""
        groups = [OPS] if groups is None and uid in (SERVICE, MEMBER) else groups or []
        process = self.start(uid, groups, "program", *arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def deploy(self, *more, **environment):
        return self.program(SERVICE, "run", "m.yaml", "--yes", "--run-id", "tonight", *more, **environment)

    def attempt(self, uid, code, groups=(OPS,)):
        """Python code as a user; its standard error."""
        return self.start(uid, list(groups), code).communicate(timeout=60)


@pytest.fixture
def stage(project):
    # Not a folder of pytest's: each of its sessions closes the folder above all of them to other users.
    with tempfile.TemporaryDirectory(prefix="state-group-") as folder:
        yield Stage(Path(folder), (project.folder / "m.yaml").read_text())


def modes(folder):
    return {
        str(path.relative_to(folder)): (oct(stat.S_IMODE(path.lstat().st_mode)), path.lstat().st_gid)
        for path in (folder, *folder.rglob("*"))
    }


def test_a_member_reads_runs_and_reports_and_nobody_else_does(stage):
    code, _, err = stage.deploy("--state-group", OPS)
    assert code == 0, err
    for arguments in (
        ["runs"],
        ["status", "tonight"],
        ["report", "tonight", "--format", "json"],
        ["explain", "tonight", "prod-1/shop/web"],
    ):
        code, out, err = stage.program(MEMBER, *arguments)
        assert code == 0, (arguments, err)
        assert out
    assert json.loads(stage.program(MEMBER, "report", "latest", "--format", "json")[1])["run"]["id"] == "tonight"
    code, out, _ = stage.program(OUTSIDER, "status", "tonight")
    assert (code, out) == (2, "") or code != 0
    read = "import sys; sys.stdout.write(open('srv/state/runs/tonight/report/report.json').read())"
    assert stage.attempt(MEMBER, read)[0].startswith("{")
    assert "PermissionError" in stage.attempt(OUTSIDER, read, groups=())[1]


def test_digests_and_keys_stay_the_owner_s(stage):
    assert stage.deploy("--state-group", OPS)[0] == 0
    for name in ("key", "state.db", "runs/tonight/secrets.json"):
        assert stat.S_IMODE((stage.state / name).stat().st_mode) == 0o600, name
        assert "PermissionError" in stage.attempt(MEMBER, f"open('srv/state/{name}')")[1]


def test_folders_and_files_have_the_group_and_no_more_than_it_needs(stage):
    assert stage.deploy("--state-group", OPS)[0] == 0
    found = modes(stage.state)
    assert found["."] == ("0o2750", OPS)
    assert found["runs/tonight"] == ("0o2750", OPS)
    assert found["runs/tonight/report"] == ("0o2750", OPS)
    for name in ("plan.json", "run.json", "journal.db", "report/report.json", "report/junit.xml"):
        assert found[f"runs/tonight/{name}"] == ("0o640", OPS), name
    assert found["runs/tonight/control"] == ("0o660", OPS)
    assert found["numbers"][0] == "0o700"
    assert not [name for name, (mode, _) in found.items() if int(mode, 8) & 0o007]
    assert [name for name, (mode, _) in found.items() if int(mode, 8) & 0o020] == ["runs/tonight/control"]


@pytest.mark.parametrize(
    "code",
    [
        "open('srv/state/runs/tonight/journal.db', 'r+b')",
        "open('srv/state/runs/tonight/run.json', 'a')",
        "open('srv/state/runs/tonight/plan.json', 'w')",
        "open('srv/state/runs/tonight/report/report.json', 'w')",
        "__import__('os').rename('srv/state/runs/tonight', 'srv/state/runs/other')",
        "__import__('os').unlink('srv/state/runs/tonight/journal.db')",
        "__import__('os').unlink('srv/state/runs/tonight/control')",
        "__import__('os').replace('srv/state/runs/tonight/control', 'srv/state/runs/tonight/journal.db')",
        "__import__('os').symlink('/etc/passwd', 'srv/state/runs/tonight/x')",
        "__import__('os').mkdir('srv/state/runs/mine')",
        "open('srv/state/runs/tonight/new', 'x')",
        "open('srv/state/locks/new', 'x')",
        "open('srv/state/numbers/00000009', 'x')",
        "__import__('os').chmod('srv/state/runs/tonight/control', 0o777)",
    ],
)
def test_a_member_replaces_and_changes_nothing(stage, code):
    assert stage.deploy("--state-group", OPS)[0] == 0
    before = modes(stage.state)
    assert "PermissionError" in stage.attempt(MEMBER, code)[1]
    assert modes(stage.state) == before


@pytest.mark.parametrize("speed", [5.0])
def test_a_member_steers_a_live_run_and_what_else_it_writes_is_passed_over(stage, speed):
    process = stage.start(
        SERVICE, [OPS], "program", "run", "m.yaml", "--yes", "--run-id", "tonight", BATCH_DEPLOYER_STATE_GROUP=str(OPS)
    )
    inbox = stage.state / "runs" / "tonight" / "control"
    wait_until(lambda: inbox.exists() and (inbox.parent / "journal.db-wal").exists())
    garbage = "open('srv/state/runs/tonight/control', 'ab').write(b'\\xff' * 70000 + b'\\n__import__\\nskip \\nhalt now\\n' * 99)"
    assert stage.attempt(MEMBER, garbage)[1] == ""
    code, _, err = stage.program(MEMBER, "status", "tonight")
    assert code == 0, err
    assert "running" in stage.program(MEMBER, "status", "tonight")[1]
    code, _, err = stage.program(MEMBER, "control", "tonight", "pause")
    assert (code, "is told to pause" in err) == (0, True), err
    wait_until(lambda: "paused" in stage.program(MEMBER, "explain", "tonight", "prod-3/shop/db")[1])
    assert stage.program(MEMBER, "control", "tonight", "skip", "prod-3/*")[0] == 0
    assert stage.program(MEMBER, "control", "tonight", "continue")[0] == 0
    code, _, err = stage.program(OUTSIDER, "control", "tonight", "halt")
    assert code != 0
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told = json.loads(stage.program(MEMBER, "report", "tonight", "--format", "json")[1])
    assert {word: count for word, count in told["totals"]["outcomes"].items() if count} == {
        "deployed": 4,
        "deferred": 2,
    }


def wait_until(done):
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_run_that_was_killed_can_be_read_by_a_member(stage):
    assert stage.deploy("--state-group", OPS)[0] == 0
    code = """
import os, sqlite3
base = sqlite3.connect("srv/state/runs/tonight/journal.db", isolation_level=None)
base.execute("DELETE FROM events WHERE 0")
base.execute("INSERT INTO events (data) SELECT data FROM events LIMIT 0")
base.execute("BEGIN IMMEDIATE")
base.execute("COMMIT")
base.execute("PRAGMA user_version=1")
os._exit(0)
"""
    assert stage.attempt(SERVICE, code)[1] == ""
    assert (stage.state / "runs/tonight/journal.db-wal").exists()
    code, _, err = stage.program(MEMBER, "status", "tonight")
    assert code == 0, err


def test_an_existing_state_folder_is_shared_with_its_runs_from_then_on(stage):
    assert stage.deploy()[0] == 0
    assert modes(stage.state)["runs/tonight"][0] == "0o700"
    assert stage.program(MEMBER, "status", "tonight")[0] != 0
    code, _, err = stage.program(
        SERVICE, "run", "m.yaml", "--yes", "--run-id", "later", BATCH_DEPLOYER_STATE_GROUP=str(OPS)
    )
    assert code == 0, err
    for run in ("tonight", "later"):
        assert stage.program(MEMBER, "status", run)[0] == 0
        assert modes(stage.state)[f"runs/{run}/control"] == ("0o660", OPS)
    # What the folder says holds for the commands that are not told.
    assert stage.program(SERVICE, "run", "m.yaml", "--yes", "--run-id", "third")[0] == 0
    assert stage.program(MEMBER, "status", "third")[0] == 0


def test_without_a_group_nothing_is_shared(stage):
    assert stage.deploy()[0] == 0
    assert not [name for name, (mode, _) in modes(stage.state).items() if int(mode, 8) & 0o077]


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("nosuchgroup", "there is no group 'nosuchgroup'"),
        ("99999999999999999999", "there is no group"),
        ("-1", "there is no group '-1'"),
        ("2999", "user 2001 is not a member of the group '2999'"),
        ("daemon", "user 2001 is not a member of the group 'daemon'"),
    ],
)
def test_a_group_that_cannot_be_used_is_told_in_one_line(stage, group, said):
    code, _, err = stage.deploy(f"--state-group={group}")
    assert (code, said in err) == (2, True), err
    assert not (stage.state / "runs").exists()


def test_a_group_is_named_too(stage):
    code, _, err = stage.program(SERVICE, "run", "m.yaml", "--yes", "--state-group", "daemon", groups=[1])
    assert code == 0, err
    assert modes(stage.state)["runs"] == ("0o2750", 1)


def test_what_a_member_put_into_a_folder_that_was_open_to_the_group_is_refused(stage):
    assert stage.deploy("--state-group", OPS)[0] == 0
    run = stage.state / "runs" / "tonight"
    run.chmod(0o2770)
    swap = "import os; os.rename('srv/state/runs/tonight/journal.db', 'srv/state/runs/tonight/old'); open('srv/state/runs/tonight/journal.db', 'x')"
    assert stage.attempt(MEMBER, swap)[1] == ""
    code, _, err = stage.program(SERVICE, "run", "m.yaml", "--yes", "--state-group", OPS)
    assert (code, "belongs to user 2002" in err) == (2, True), err
    assert stage.program(SERVICE, "resume", "tonight", "--state-group", OPS)[0] in (1, 2)


def test_a_member_cannot_run_in_the_folder(stage):
    assert stage.deploy("--state-group", OPS)[0] == 0
    code, _, err = stage.program(MEMBER, "run", "m.yaml", "--yes")
    assert (code, "belongs to user 2001" in err) == (2, True), err
