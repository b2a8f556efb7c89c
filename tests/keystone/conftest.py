"""A real Keystone behind a real name with a real certificate, and the program beside it.

`make test-keystone` makes the environment that Keystone needs. Without it these tests are skipped, or fail if
`REQUIRE_KEYSTONE` is set. The program runs where `iam.example.test` is a name, so nothing that holds for loopback holds here.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("KEYSTONE_PYTHON", ROOT / ".venv-keystone/bin/python"))
SERVER = Path(__file__).with_name("server.py")
PASSWORD = "Secret-of-deployer-1"
NAMES = [
    "iam.example.test",
    *(f"cce-{region}-{kind}.example.test" for region in ("eu-de", "eu-nl") for kind in ("public", "internal")),
    "cce-own.example.test",
]
MANIFEST = """\
name: nightly
clouds:
  otc: {cloud}
limits: {{writes: 50/s, reads: 50/s}}
poll: {{initial_delay: 50ms, min_interval: 50ms, max_interval: 500ms}}
clusters:
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b01, name: one, cloud: otc, tags: {{tier: canary}}}}
  - {{id: a870253f-5dc7-11ee-bf71-0255ac100b02, name: two, cloud: otc}}
releases:
  - {{name: web, namespace: shop, chart: {{id: c-1}}, version: 1.0.0, targets: "*"}}
{more}"""


@dataclass
class Keystone:
    """A served copy of the prepared database."""

    folder: Path
    port: int
    ids: dict

    @property
    def url(self):
        return f"https://iam.example.test:{self.port}/v3"

    def notes(self, kind):
        path = self.folder / "notes.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [note for note in map(json.loads, lines) if note["kind"] == kind]

    def forget(self):
        for file in (self.folder / "notes.jsonl", *self.folder.glob("release-*")):
            file.unlink(missing_ok=True)

    def writes(self):
        """(host, project) of each write, without doubles."""
        return {
            (note["host"].partition(".")[0], note["project"]) for note in self.notes("call") if note["method"] != "GET"
        }


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Program:
    """The program, in a folder of its own and in an environment that holds nothing but what a test says."""

    folder: Path
    ca_file: Path
    hosts: Path
    unshare: str

    def manifest(self, cloud, more=""):
        text = MANIFEST.format(cloud=cloud, more=more)
        (self.folder / "m.yaml").write_text(text)

    def clouds(self, text, name="clouds.yaml"):
        (self.folder / name).write_text(text)

    def start(self, *arguments, **variables):
        environment = {"PATH": "/usr/bin:/bin:/sbin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        environment |= {"BATCH_DEPLOYER_ALLOW_HOSTS": "*.example.test", "BATCH_DEPLOYER_CLOUDS_FROM_CWD": "1"}
        environment |= {"BATCH_DEPLOYER_RUN_MAX_WRITES": "50/s", "BATCH_DEPLOYER_RUN_MAX_READS": "100/s"}
        inside = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        command = [self.unshare, "--mount", "sh", "-c", inside, "sh", str(self.hosts)]
        command += [sys.executable, "-m", "batch_deployer", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **variables):
        process = self.start(*(arguments or ("run", "m.yaml", "--yes", "--state-dir", "state")), **variables)
        out, err = process.communicate(timeout=100)
        return Result(process.returncode, out, err)

    def left(self):
        """Runs and reports in the state folder."""
        return [str(path) for path in (self.folder / "state").glob("runs/*")]


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A prepared database; each server gets a copy."""
    if not PYTHON.exists():
        if os.environ.get("REQUIRE_KEYSTONE"):
            pytest.fail(f"{PYTHON} is not there; run make test-keystone")
        pytest.skip("the environment of Keystone is not there; run make test-keystone")
    folder = tmp_path_factory.mktemp("keystone")
    command = [PYTHON, "-W", "ignore", SERVER, "prepare", folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def authority(tmp_path_factory, program):
    """A test CA and a certificate of it for all names: (folder of ca.pem, cert.pem and key.pem)."""
    folder = tmp_path_factory.mktemp("authority")
    openssl = program("openssl")

    def run(*arguments):
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.csr", "-subj", "/CN=example.test")
    names = ",".join(f"DNS:{name}" for name in NAMES)
    (folder / "ext.cnf").write_text(
        f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nkeyUsage=digitalSignature\n"
    )
    run("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "cert.pem", "-days", "2",
        "-extfile", "ext.cnf")  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def serve(base, authority, tmp_path_factory):
    """`serve(expiration=...)`: start a Keystone of one's own."""
    processes = []

    def start(expiration=3600):
        folder = tmp_path_factory.mktemp("served") / "keystone"
        shutil.copytree(base, folder)
        (folder / "settings.json").write_text(json.dumps({"expiration": expiration}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        files = (authority / "cert.pem", authority / "key.pem")
        command = [PYTHON, "-W", "ignore", SERVER, "serve", folder, str(port), *files]
        with (folder / "server.log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        processes.append(process)
        assert process.stdout.readline() == "ready\n", (folder / "server.log").read_text()[-3000:]
        return Keystone(folder, port, json.loads((folder / "ids.json").read_text()))

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def shared(serve):
    return serve()


@pytest.fixture
def keystone(shared):
    """A Keystone that tests share, its notes empty."""
    shared.forget()
    return shared


@pytest.fixture
def deployer(tmp_path, authority, program):
    """The program where the names of the certificate lead to this machine."""
    if os.geteuid():
        if os.environ.get("REQUIRE_KEYSTONE"):
            pytest.fail("only root can mount another /etc/hosts")
        pytest.skip("only root can mount another /etc/hosts")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost " + " ".join(NAMES) + "\n")
    return Program(tmp_path, authority / "ca.pem", tmp_path / "hosts", program("unshare"))


@pytest.fixture
def until():
    """`until(check)`: wait for a condition, at most a minute."""

    def wait(check):
        end = time.monotonic() + 60
        while not check():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.05)

    return wait
