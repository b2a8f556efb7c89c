"""What every folder of tests may use."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.pop("CI", None)  # a run says one line more there; its tests set it


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("nginx")`: the path of an installed program.

    The test is skipped where the program is not installed, or fails if `REQUIRE_PROGRAMS` is set, as `.ci/run` does.
    """

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path:
            return path
        if os.environ.get("REQUIRE_PROGRAMS"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")

    return find


def pytest_configure() -> None:
    """Leave the terminal that the tests were started from: programs under test would ask their questions there."""
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # sent when the first process of a session leaves
        try:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        finally:
            signal.signal(signal.SIGHUP, before)
            os.close(terminal)


SQUID = """
http_port 127.0.0.1:{port}
hosts_file {folder}/hosts
dns_nameservers 127.0.0.1
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/passwords
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
pid_filename {folder}/squid.pid
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log
logfile_rotate 0
coredump_dir {folder}
shutdown_lifetime 0 seconds
visible_hostname proxy.test
"""


@pytest.fixture(scope="module")
def squid(program):
    """`squid(host)`: port and access log of a running squid that knows this host as loopback.

    It wants the user `deployer` with the password `pr0xy-pw`.
    """
    with contextlib.ExitStack() as stack:

        def start(host):
            found, openssl = program("squid"), program("openssl")
            # Started by root, squid works as another user, to which the folders of pytest are closed.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o777)
            return stack.enter_context(_serving(found, openssl, folder, host))

        yield start


@contextlib.contextmanager
def _serving(found, openssl, folder, host):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "hosts").write_text(f"127.0.0.1 {host}\n")
    hashed = subprocess.run([openssl, "passwd", "-1", "pr0xy-pw"], check=True, capture_output=True, text=True).stdout
    (folder / "passwords").write_text(f"deployer:{hashed.strip()}\n")
    (folder / "squid.conf").write_text(SQUID.format(port=port, folder=folder))
    command = [found, "-N", "-n", f"test{port}", "-f", folder / "squid.conf"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                if process.poll() is not None:
                    pytest.fail(process.stderr.read().decode())
                time.sleep(0.1)
            yield port, folder / "access.log"
        finally:
            process.terminate()
