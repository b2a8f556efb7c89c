"""The fleet over real HTTP: connections that break, headers, the simulator's own doors."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest

from batch_deployer.errors import InputError
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.http.server import serve
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import SimCloud

RELEASES = "/cce/cam/v3/clusters/00000000-0000-4000-8000-000000000001/releases"
KEY = "00000000-0000-4000-8000-000000000001/apps/web"
WEB = {
    "chart_id": "00000000-0000-4000-8000-0000000000c1",
    "name": "web",
    "namespace": "apps",
    "version": "1.0.0",
    "values": {},
}


@asynccontextmanager
async def serving(fleet, **more):
    """A server on this very loop; gives its URL."""
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(fleet, admin_token="admin", ready=ready.set_result, **more))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield ready.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def speak(url, method, path, body=None, **headers):
    """One request on a connection of its own: status, headers, body; IncompleteReadError if the server hangs up."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        data = json.dumps(body).encode() if body is not None else b""
        given = {
            "Host": "localhost",
            "X-Sim-Token": "admin",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            "Connection": "close",
        }
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in (given | headers).items()),
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answered = dict(line.split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), answered, await reader.read()
    finally:
        writer.close()


def fleet_of(world, rules="calm"):
    return SimulatedProvider(world, faults=files.load(rules))


def token(fleet):
    return {"X-Auth-Token": fleet.issue_token("north", 4e9)}


@pytest.mark.parametrize(("acts", "creates"), [("never", {}), ("at_once", {KEY: 1})])
def test_a_reset_is_a_real_one(make_world, acts, creates):
    async def scenario():
        fleet = fleet_of(make_world(), f"[{{effect: reset, acts: {acts}, calls: writes}}]")
        async with serving(fleet) as url:
            with pytest.raises(ConnectionResetError):
                await speak(url, "POST", RELEASES, WEB, Connection="keep-alive", **token(fleet))
            assert fleet.summary()["creates"] == creates
            assert fleet.summary()["calls"]["north"]["create_release"] == {"0": 1}

    asyncio.run(scenario())


def test_a_slow_answer_keeps_nobody_else_waiting(make_world):
    async def scenario():
        fleet = fleet_of(make_world(), "[{effect: slow, seconds: 1h, calls: writes}]")
        async with serving(fleet) as url:
            applied = asyncio.Event()
            fleet.ledger.listener = lambda entry: applied.set()
            slow = asyncio.ensure_future(speak(url, "POST", RELEASES, WEB, **token(fleet)))
            await applied.wait()
            status, _, body = await speak(url, "GET", RELEASES, **token(fleet))
            assert (status, json.loads(body)[0]["status"]) == (200, "PENDING_INSTALL")
            assert not slow.done()
            slow.cancel()

    asyncio.run(scenario())


def test_speed_makes_a_slow_answer_quick(make_world):
    async def scenario():
        fleet = fleet_of(make_world(), "[{effect: slow, seconds: 1h, calls: writes}]")
        async with serving(fleet, speed=1e9) as url:
            assert (await speak(url, "POST", RELEASES, WEB, **token(fleet)))[0] == 201

    asyncio.run(scenario())


def test_errors_have_the_shapes_of_whoever_sends_them(make_world):
    async def scenario():
        rules = "[{effect: html, attempts: [1]}, {effect: error, status: 504, attempts: [2]}, {effect: error, attempts: [3]}]"
        fleet = fleet_of(make_world(), rules)
        async with serving(fleet) as url:
            status, headers, body = await speak(url, "GET", RELEASES, **token(fleet))
            assert (status, headers["Content-Type"].split(";")[0], body[:6]) == (502, "text/html", b"<html>")
            status, headers, body = await speak(url, "GET", RELEASES, **token(fleet))
            request_id = headers["X-Request-Id"]
            said = {"error_code": "APIGW.0201", "error_msg": "Backend timeout", "request_id": request_id}
            assert (status, json.loads(body)) == (504, said)
            status, _, body = await speak(url, "GET", RELEASES, **token(fleet))
            assert (status, json.loads(body)["errorCode"]) == (500, "CCE.01500001")
            status, headers, body = await speak(url, "GET", RELEASES, **token(fleet))
            assert (status, body) == (200, b"[]"), "a bare array"
            assert headers["X-Request-Id"] != request_id

    asyncio.run(scenario())


@pytest.mark.parametrize(("said", "pattern"), [("seconds", r"\d+"), ("date", r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")])
def test_retry_after_is_said_as_the_world_wants(make_world, said, pattern):
    async def scenario():
        clouds = (SimCloud(name="north", project_id="a" * 32, reads="1/min"),)
        fleet = fleet_of(make_world(clouds=clouds, clusters=(), retry_after=said))
        async with serving(fleet) as url:
            assert (await speak(url, "GET", "/v2/charts", **token(fleet)))[0] == 200
            status, headers, body = await speak(url, "GET", "/v2/charts", **token(fleet))
            assert (status, json.loads(body)["error_code"]) == (429, "APIGW.0308")
            assert re.fullmatch(pattern, headers["Retry-After"])

    asyncio.run(scenario())


def test_what_cannot_be_read_counts_against_the_limit_too(make_world):
    async def scenario():
        clouds = (SimCloud(name="north", project_id="a" * 32, writes="2/min"),)
        fleet = fleet_of(make_world(clouds=clouds, clusters=()))
        async with serving(fleet) as url:
            said = [(await speak(url, "POST", RELEASES, {}, **token(fleet)))[0] for _ in range(3)]
            assert said == [400, 400, 429]

    asyncio.run(scenario())


def test_the_ledger_is_told_over_http_and_kept_in_a_file(make_world, tmp_path):
    async def scenario():
        fleet = fleet_of(make_world())
        async with serving(fleet, ledger_file=tmp_path / "ledger.jsonl") as url:
            assert [(await speak(url, "POST", RELEASES, WEB, **token(fleet)))[0] for _ in range(2)] == [201, 409]
            told = json.loads((await speak(url, "GET", "/_sim/ledger"))[2])
            assert (told["creates"], told["refused_creates"], told["duplicates"]) == ({KEY: 1}, {KEY: 1}, [])
            assert told["calls"] == {"north": {"create_release": {"201": 1, "409": 1}}}
            assert told["connections"]["opened"] == 3
            assert told["peaks"]["north"]["writes"]["peak"] == 2
            entries = json.loads((await speak(url, "GET", "/_sim/entries"))[2])
            assert [entry["operation"] for entry in entries] == ["create", "create_refused"]
            assert json.loads((await speak(url, "GET", "/_sim/releases"))[2])[KEY]["version"] == 1
            assert json.loads((await speak(url, "GET", "/_sim/stats"))[2])["entries"] == 2
            assert json.loads((await speak(url, "GET", "/_sim/world"))[2])["clusters"][0]["name"] == "alpha"
            return entries

    entries = asyncio.run(scenario())
    assert [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()] == entries


def test_phases_and_faults_change_while_it_serves(make_world):
    async def scenario():
        fleet = fleet_of(make_world())
        async with serving(fleet) as url:
            phase = {"cluster_id": KEY[:36], "phase": "Hibernation"}
            assert (await speak(url, "POST", "/_sim/phase", phase))[0] == 200
            assert (await speak(url, "GET", RELEASES, **token(fleet)))[0] == 403
            assert (await speak(url, "POST", "/_sim/phase", phase | {"phase": ""}))[0] == 200
            assert (await speak(url, "POST", "/_sim/faults", [{"effect": "error", "status": 503}]))[0] == 200
            assert (await speak(url, "GET", RELEASES, **token(fleet)))[0] == 503
            assert (await speak(url, "POST", "/_sim/faults", {"preset": "calm"}))[0] == 200
            assert (await speak(url, "GET", RELEASES, **token(fleet)))[0] == 200
            for body in ([{"effect": "nonsense"}], 7):
                status, _, told = await speak(url, "POST", "/_sim/faults", body)
                assert (status, json.loads(told)["errorCode"]) == (400, "CCE.01400001")
            assert (await speak(url, "POST", "/_sim/phase", phase | {"cluster_id": "nowhere"}))[0] == 404
            assert (await speak(url, "POST", "/_sim/phase", {}))[0] == 400

    asyncio.run(scenario())


def test_tags_and_values_have_views_of_their_own(make_world):
    async def scenario():
        fleet = fleet_of(make_world())
        async with serving(fleet) as url:
            one = await speak(url, "GET", f"/cce/v1/{'a' * 32}/cce-cluster/{KEY[:36]}/tags", **token(fleet))
            assert json.loads(one[2]) == {"tags": [{"key": "env", "value": "prod"}], "sys_tags": []}
            everywhere = await speak(url, "GET", f"/cce/v1/{'a' * 32}/cce-cluster/tags", **token(fleet))
            assert json.loads(everywhere[2]) == {"tags": [{"key": "env", "values": ["prod"]}]}
            values = await speak(url, "GET", f"/v2/charts/{WEB['chart_id']}/values", **token(fleet))
            assert json.loads(values[2]) == {"values": {}}

    asyncio.run(scenario())


def test_stopping_over_http_ends_the_server(make_world):
    async def scenario():
        ready = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(serve(fleet_of(make_world()), admin_token="admin", ready=ready.set_result))
        await speak(await ready, "POST", "/_sim/stop")
        await task

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", "::"])
def test_it_listens_on_loopback_only(make_world, host):
    with pytest.raises(InputError, match="listens on loopback only"):
        asyncio.run(serve(fleet_of(make_world()), admin_token="admin", host=host))


def test_a_port_in_use_is_bad_input(make_world):
    async def scenario():
        async with serving(fleet_of(make_world())) as url:
            port = int(url.rsplit(":", 1)[1])
            with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1 port {port}: .*in use"):
                await serve(fleet_of(make_world()), admin_token="admin", port=port)

    asyncio.run(scenario())


def test_a_ledger_file_that_cannot_be_written_is_bad_input(make_world, tmp_path):
    with pytest.raises(InputError, match="cannot write the ledger"):
        asyncio.run(serve(fleet_of(make_world()), admin_token="admin", ledger_file=tmp_path / "no" / "such" / "folder"))
