"""A login is bounded in memory and time, and fails with one line, whatever answers it."""

import asyncio
import gzip
import json
import logging
import re
import resource
import subprocess
import sys
import threading
import time

import pytest

from batch_deployer.errors import AuthFailed, CloudUnreachable, InputError
from batch_deployer.settings import HttpSettings

PASSWORD = {"username": "robot", "password": "pass-word-1", "user_domain": "D", "project": "eu-de"}
MEGABYTE = 1024 * 1024


def log_in_once(serve_raw, log_in, talk, **wire):
    """Log in at a server that talks like this; (error, seconds)."""

    async def scenario():
        async with serve_raw(talk) as url:
            start = time.monotonic()
            with pytest.raises((CloudUnreachable, AuthFailed, InputError)) as failed:
                async with log_in("password", PASSWORD, endpoint=url, wire=HttpSettings(**wire)):
                    pass
            return failed.value, time.monotonic() - start

    return asyncio.run(scenario())


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(length)


def bomb(_size=256 * MEGABYTE):
    return gzip.compress(bytes(_size), 9)


@pytest.mark.parametrize(
    ("head", "chunk", "number"),
    [
        (b"Content-Length: 1073741824\r\n", bytes(MEGABYTE), 1024),
        (b"", bytes(MEGABYTE), 1024),
        (b"Transfer-Encoding: chunked\r\n", b"100000\r\n" + bytes(MEGABYTE) + b"\r\n", 1024),
        (b"Content-Encoding: gzip\r\n", bomb, 1),
    ],
    ids=["length", "until-close", "chunked", "gzip"],
)
def test_an_endless_answer_is_read_no_further_than_a_login_needs(serve_raw, log_in, clock, head, chunk, number):
    sent = 0
    data = chunk() if callable(chunk) else chunk

    async def talk(reader, writer):
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nX-Subject-Token: T\r\n" + head + b"\r\n")
        for _ in range(number):
            writer.write(data)
            await writer.drain()
            sent += len(data)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error, _ = log_in_once(serve_raw, log_in, talk)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert "login at http://127.0.0.1" in str(error)
    assert re.search("the answer is no token: the answer .*than the 4194304", str(error))
    assert sent < 4 * 32 * MEGABYTE
    assert grown < 100 * 1024, f"{grown} KB"


@pytest.mark.parametrize("where", ["head", "body", "chunks"])
def test_an_answer_that_drips_ends_with_the_deadline(serve_raw, log_in, clock, where):
    starts = {
        "head": b"HTTP/1.1 201 Created\r\nX: ",
        "body": b"HTTP/1.1 201 Created\r\nContent-Length: 99999\r\n\r\n",
        "chunks": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
    }
    drop = b"1\r\n{\r\n" if where == "chunks" else b"x"

    async def talk(reader, writer):
        await read_request(reader)
        writer.write(starts[where])
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    threads = threading.active_count()
    error, seconds = log_in_once(serve_raw, log_in, talk, connect=0.2, read_timeout=0.2)

    assert re.search("no answer within|the answer did not end in time", str(error))
    # Four tries of 0.6 s; without the deadline each would go on for ever. The clock of the pauses is not a real one.
    assert seconds < 30
    end = time.monotonic() + 10
    while threading.active_count() > threads + 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert threading.active_count() <= threads + 2, "threads of given-up logins are left"


DEEP = b"[" * 200_000
WRONG = [
    DEEP,
    b'{"token": ' + DEEP,
    b'{"token": 5}',
    b'{"token": []}',
    b'{"token": {"expires_at": 5, "issued_at": {}}}',
    b'{"token": {"catalog": 5, "project": []}}',
    b'{"token": {"project": {"id": 5}}}',
    b'{"token": {"project": null, "user": 3}}',
    b'"token"',
    b"null",
    b"1e400",
    b'{"token": "\xff"}',
    b"\x00",
]


@pytest.mark.parametrize("status", [201, 300, 400, 401, 404, 503])
@pytest.mark.parametrize("body", WRONG, ids=[repr(body[:40]) for body in WRONG])
def test_an_answer_of_another_shape_is_one_clear_line(serve_raw, log_in, clock, caplog, capfd, body, status):
    caplog.set_level(logging.DEBUG)

    async def talk(reader, writer):
        await read_request(reader)
        head = f"HTTP/1.1 {status} X\r\nX-Subject-Token: T\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    error, _ = log_in_once(serve_raw, log_in, talk)

    text = str(error)
    expected = f"HTTP {status}" if status >= 400 else "the answer is no token"
    assert expected in text or "a token of no project" in text
    assert "\n" not in text
    assert len(text) < 1000
    assert "pass-word-1" not in text + caplog.text
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


@pytest.mark.parametrize("value", ["", "a b", "t\tu"])
def test_a_token_that_cannot_be_sent_is_none(serve_raw, log_in, clock, value):
    body = json.dumps({"token": {"project": {"id": "p", "name": "eu-de"}}}).encode()

    async def talk(reader, writer):
        await read_request(reader)
        head = f"HTTP/1.1 201 Created\r\nX-Subject-Token: {value}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    error, _ = log_in_once(serve_raw, log_in, talk)
    assert "the answer is no token" in str(error)


def test_a_proxy_that_wants_another_password_is_named_and_asked_once(serve_raw, log_in, monkeypatch):
    asked = []

    async def talk(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async def scenario():
        async with serve_raw(talk) as proxy:
            monkeypatch.setenv("https_proxy", proxy.replace("http://", "http://u:wrong-one@"))
            options = PASSWORD | {"auth_url": "https://iam.example.test/v3"}
            async with log_in("password", options):
                pass

    with pytest.raises(AuthFailed, match=r"the proxy refused its user or password; correct") as failed:
        asyncio.run(scenario())

    assert len(asked) == 1
    assert asked[0].startswith(b"CONNECT iam.example.test:443 ")
    assert "wrong-one" not in str(failed.value)


READY = {
    "token": ({"method": "token", "options": {"token": "t"}}, {}),
    "access-key": ({"method": "aksk", "options": {"access_key": "A", "secret_key": "S", "project_id": "p"}}, {}),
    "token-of-the-environment": ({"method": "environment"}, {"OS_TOKEN": "t", "OS_AUTH_URL": "https://iam.example.test/v3"}),
    "key-of-the-environment": (
        {"method": "environment"},
        {"OS_ACCESS_KEY": "A", "OS_SECRET_KEY": "S", "OS_PROJECT_ID": "p"},
    ),
    "password": (
        {"method": "password", "options": PASSWORD | {"auth_url": "http://127.0.0.1:1/v3"}},
        {},
    ),
}  # fmt: skip
CODE = """
import asyncio, json, sys
from batch_deployer.clock.system import SystemClock
from batch_deployer.plan.plan import AuthSpec, CloudSpec
from batch_deployer.settings import HttpSettings
from batch_deployer.transport.connect import open_cloud
from batch_deployer.model.permissions import Permissions
async def main():
    spec = CloudSpec(name="c", endpoint="https://cce.example.test", auth=AuthSpec(**json.loads(sys.argv[1])))
    try:
        api = (await open_cloud(spec, wire=HttpSettings(), connections=1, secrets=str, clock=SystemClock(), tries=1, permissions=Permissions(hosts=("*",)))).api
    except Exception as error:
        assert "no connection" in str(error), error
    else:
        await api.close()
asyncio.run(main())
print(sorted({"requests", "keystoneauth1", "openstack", "urllib3", "stevedore"} & set(sys.modules)))
"""


@pytest.mark.parametrize(("auth", "variables"), READY.values(), ids=READY)
def test_what_needs_no_login_loads_no_library_for_logins(monkeypatch, auth, variables):
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(auth)], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = done.stdout.strip()
    assert (loaded != "[]") == (auth["method"] == "password")
