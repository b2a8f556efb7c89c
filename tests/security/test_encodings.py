"""Whatever credential a server echoes in whatever encoding: no file, stream or message of any command holds it."""

import base64
import html
import http.server
import json
import threading
import urllib.parse

import pytest

from batch_deployer.app import runner
from batch_deployer.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Apprise imports
SECRET = "Pa55 w/o\"r\\d+ü&<x>'%41-tail"
"""Looks different in each encoding."""
PLAIN = "Zq7-plain_credential.0123456789abcdef"
"""A credential that may stand in a header or a URL."""
FORMATS = ("text", "json", "junit", "csv", "markdown", "html")
CLUSTER = "a870253f-5dc7-11ee-bf71-0255ac100b01"


def percent(text, safe=""):
    return urllib.parse.quote(text, safe=safe)


ENCODINGS = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of user:secret": lambda text: base64.b64encode(f"demo:{text}".encode()).decode(),
    "base64 of json": lambda text: base64.b64encode(json.dumps({"password": text, "more": 1}).encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "percent": percent,
    "percent, slashes kept": lambda text: percent(text, "/"),
    "percent, lower case": lambda text: percent(text).lower() if text.islower() else percent(text),
    "form": urllib.parse.quote_plus,
    "html": html.escape,
    "html, quotes kept": lambda text: html.escape(text, quote=False),
    "html, decimal": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "html, hexadecimal": lambda text: "".join(f"&#x{ord(each):x};" for each in text),
    "json": json.dumps,
    "json, not ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "json, slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "json in json in json": lambda text: json.dumps(json.dumps(json.dumps([text]))),
    "python": repr,
    "html of json": lambda text: html.escape(json.dumps(text)),
    "percent of json": lambda text: percent(json.dumps(text)),
}


def spellings(secret):
    """Each encoding as it may stand in a file: a text of JSON, HTML, CSV or SQLite may encode it once more."""
    found = set()
    for encode in ENCODINGS.values():
        text = encode(secret)
        found |= {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text)}
    # Of the base64 of a longer text only the digits that hold nothing but the secret tell.
    return {each.encode() for each in found if len(each) >= 6}


class Echo:
    """A provider that lets everybody in, and tells all secrets that it is given in the encoding of its turn."""

    def __init__(self):
        self.secrets = []
        self.number = 0
        self.pad = ""
        self.heard = []
        """Bodies of notifications and pings."""
        self.refuses_login = False

    def text(self):
        """Some secret in some encoding."""
        turns = [(secret, encode) for encode in ENCODINGS.values() for secret in self.secrets]
        secret, encode = turns[self.number % len(turns)]
        self.number += 1
        return f"{self.pad}{encode(secret)} end"

    def answer(self, method, path, body):
        if path.startswith("/outside"):
            self.heard.append(body)
            return 200, {}, {}
        if path.endswith("/auth/tokens"):
            return self.login()
        if path.endswith("/clusters"):
            cluster = {
                "metadata": {"uid": CLUSTER, "name": "one", "alias": self.text()},
                "status": {"phase": "Available", "reason": self.text()},
            }
            return 200, {}, {"items": [cluster]}
        if path.startswith("/v2/charts"):
            return 200, {}, [{"id": "c-1", "name": "web", "version": "1.0.0", "description": self.text()}]
        if method == "GET" and path.endswith("/releases"):
            return 200, {}, [self.release("failed", "FAILED"), self.release("there", "DEPLOYED")]
        if method == "GET" and path.endswith("/history"):
            return 200, {}, []
        return self.refusal(self.number % 3)

    def login(self):
        if self.refuses_login:
            return (
                401,
                {"X-Request-Id": self.text()},
                {"error": {"code": 401, "message": self.text(), "title": self.text()}},
            )
        project = {"id": "p" * 32, "name": "sim", "domain": {"id": "d", "name": "sim"}}
        token = {
            "issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z", "methods": ["password"],
            "project": project, "user": {"id": "u", "name": "demo", "domain": project["domain"]}, "catalog": [],
        }  # fmt: skip
        return 201, {"X-Subject-Token": self.token}, {"token": token}

    token = "T0ken-of-the-login-0123456789"

    def release(self, name, status):
        return {
            "name": name, "namespace": "shop", "cluster_id": CLUSTER, "chart_name": "web", "chart_version": "1.0.0",
            "version": 1, "status": status, "status_description": self.text(), "create_at": "2026-01-01T00:00:00Z",
            "update_at": "2026-01-01T00:00:00Z", "values": json.dumps({"echo": self.text()}),
        }  # fmt: skip

    def refusal(self, kind):
        if kind == 1:
            return (
                400,
                {"Content-Type": "text/html", "X-Request-Id": self.text()},
                f"<html><title>{self.text()}</title></html>",
            )
        if kind == 2:
            return 307, {"Location": f"/x?{urllib.parse.quote(self.text())}", "X-Request-Id": self.text()}, {}
        codes = {"error_code": f"CCE.01400001 {self.text()}", "errorCode": self.text(), "request_id": self.text()}
        return 400, {"X-Request-Id": self.text()}, codes | {"error_msg": self.text()}


@pytest.fixture
def echo():
    """The server, with its `url`."""
    server_side = Echo()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, answer = server_side.answer(self.command, self.path.partition("?")[0], body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text.encode("ascii", "replace").decode())
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server wants

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server_side.url = f"http://127.0.0.1:{server.server_port}"
        yield server_side
        server.shutdown()


PASSWORD = 'auth: {{auth_url: "{url}/v3", username: demo, password: "${{secret:env:PW}}", domain: sim, project: sim}}'
ENTRY = "clouds: {{otc: {{auth: {{auth_url: '{url}/v3', username: demo, password: {secret}, user_domain_name: sim, project_name: sim}}}}}}"
KEY = 'project_id: {p}\n    auth: {{access_key: AK-0123456789, secret_key: "${{secret:file:sk}}", security_token: "${{secret:env:STS}}"}}'
KEY_ENTRY = "clouds: {{otc: {{ak: AK-0123456789, sk: {secret}, security_token: {plain}, project_id: {p}, auth: {{auth_url: '{url}/v3'}}}}}}"
WAYS = {
    "password": (PASSWORD, {"PW": SECRET}, {}),
    "token": ('auth: {{token: "${{secret:env:TOKEN}}", project_id: {p}}}', {"TOKEN": PLAIN}, {}),
    "access key": (KEY, {"STS": PLAIN}, {"sk": PLAIN[::-1] + "\n"}),
    "clouds.yaml": ("cloud: otc", {"OS_CLIENT_CONFIG_FILE": "clouds.yaml"}, {"clouds.yaml": ENTRY}),
    "key of clouds.yaml": ("cloud: otc", {"OS_CLIENT_CONFIG_FILE": "clouds.yaml"}, {"clouds.yaml": KEY_ENTRY}),
    "OS_PASSWORD": (
        "project: sim",
        {"OS_AUTH_URL": "{url}/v3", "OS_USERNAME": "demo", "OS_PASSWORD": SECRET, "OS_USER_DOMAIN_NAME": "sim"},
        {},
    ),
    "OS_TOKEN": ("project_id: {p}", {"OS_TOKEN": PLAIN}, {}),
    "OS_SECRET_KEY": ("project_id: {p}", {"OS_ACCESS_KEY": "AK-0123456789", "OS_SECRET_KEY": SECRET, "OS_SECURITY_TOKEN": PLAIN}, {}),
}  # fmt: skip
SECRETS = {SECRET, PLAIN, PLAIN[::-1], Echo.token}
OTHERS = {
    "values": 'V4lue of "values" / 1+1',
    "values file": "F1le-of-values/secret+2",
    "proxy": "pr0xy-pass-w0rd",
    "ping": "7b1f8c1e-ping-4c7f-9d3a-0b8f6a1c2d3e",
    "notify": "n0tify-cr3dential-XYZ",
    "plan key": "plan-k3y-0123456789-abcdef",
}
MANIFEST = """\
name: echoes
clouds:
  sim:
    endpoint: {url}
    {login}
limits: {{writes: 50/s, reads: 50/s, per_cluster: 8}}
poll: {{initial_delay: 50ms, min_interval: 50ms, max_interval: 200ms}}
reconcile: {{absence_grace: 200ms, confirmations: 2}}
retry: {{give_up_after: 1s}}
rollout: {{max_failures: 100%, systemic: 1000}}
clusters:
  - {{id: {cluster}, name: one, cloud: sim}}
releases:
{releases}
"""
RELEASE = "  - {{name: {name}, namespace: shop, chart: {{name: web, version: 1.0.0}}, version: 1.0.0, targets: '*', values: {values}}}"


class Place:
    """The folder of a manifest, and all that its commands wrote."""

    def __init__(self, folder, echo, capfd):
        self.folder = folder
        self.echo = echo
        self.capfd = capfd
        self.inputs = set()
        self.shown = b""

    def write(self, name, text):
        (self.folder / name).write_text(text)
        self.inputs.add(self.folder / name)

    def run(self, *arguments):
        self.capfd.readouterr()
        code = main([str(each) for each in arguments])
        out, err = self.capfd.readouterr()
        self.shown += f"\n$ {arguments[0]}\n{out}\n{err}".encode()
        return code, out, err

    def leaks(self, secrets):
        """(place, what) of every spelling of every secret that something holds."""
        places = {"streams": self.shown, "messages": b"\n".join(self.echo.heard)}
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.inputs:
                places[str(path.relative_to(self.folder))] = path.read_bytes()
        return [
            (name, spelling.decode(), data[max(0, at - 60) : at + 80])
            for secret in secrets
            for spelling in spellings(secret)
            for name, data in places.items()
            if (at := data.find(spelling)) >= 0
        ]


@pytest.fixture
def place(tmp_path, monkeypatch, echo, capfd):
    """`place(way)`: a manifest that logs in this way, and the environment that it needs."""
    import os

    for variable in list(os.environ):
        if variable.startswith(("OS_", "S3_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)

    def made(way):
        login, variables, files = WAYS[way]
        words = {"url": echo.url, "p": "p" * 32, "secret": json.dumps(SECRET), "plain": PLAIN}
        here = Place(tmp_path, echo, capfd)
        for name, text in files.items():
            here.write(name, text.format(**words) if name.endswith(".yaml") else text)
        for name, text in variables.items():
            monkeypatch.setenv(
                name, str(tmp_path / text) if name.endswith("_FILE") else text.replace("{url}", echo.url)
            )
        here.write("value", OTHERS["values file"])
        values = '{a: "${secret:env:VALUE}", b: "${secret:file:value}"}'
        names = [*(f"r{number}" for number in range(24)), "failed", "there"]
        releases = "\n".join(RELEASE.format(name=name, values=values) for name in names)
        here.write("m.yaml", MANIFEST.format(**words, login=login.format(**words), cluster=CLUSTER, releases=releases))
        monkeypatch.setenv("VALUE", OTHERS["values"])
        monkeypatch.setenv("HTTPS_PROXY", f"http://deployer:{OTHERS['proxy']}@127.0.0.1:1")
        monkeypatch.setenv("BATCH_DEPLOYER_PLAN_KEY", OTHERS["plan key"])
        monkeypatch.setenv("BATCH_DEPLOYER_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        held = {text for text in (*variables.values(), *files.values()) if text.strip() in SECRETS}
        logs_in = "auth_url" in login or way in ("clouds.yaml", "OS_PASSWORD")
        used = {text.strip() for text in held} | ({Echo.token} if logs_in else set())
        used |= {SECRET} if files.get("clouds.yaml") else set()
        used |= {PLAIN} if way == "key of clouds.yaml" else set()
        echo.secrets = [*used, *OTHERS.values()]
        return here

    return made


def ending(number, echo, log_format="console"):
    outside = echo.url.removeprefix("http://")
    return (
        "--yes", "--run-id", f"it{number}", "--report", f"report{number}", "--metrics-file", f"metrics{number}",
        "--ping", f"{echo.url}/outside/{OTHERS['ping']}", "--notify", f"json://demo:{OTHERS['notify']}@{outside}/outside",
        "--log-format", log_format,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_no_command_keeps_what_a_server_echoes(place, echo, way, monkeypatch):
    here = place(way)
    codes = {}
    for number, log_format in enumerate(("console", "json")):
        codes["run", number] = here.run("run", "m.yaml", *ending(number, echo, log_format))[0]
        for command in ("status", "report", "explain", "runs"):
            arguments = {"explain": [f"it{number}", "one/shop/r0"], "runs": []}.get(command, [f"it{number}"])
            codes[command, number] = here.run(command, *arguments)[0]
    for kind in FORMATS:
        codes["report", kind] = here.run("report", "it0", "--format", kind)[0]
    codes["status json"] = here.run("status", "it0", "--format", "json")[0]
    codes["diff"] = here.run("diff", "it0", "it1")[0]
    everything = echo.secrets
    # A command that is not told of a monitor or a message cannot know its URL.
    echo.secrets = [each for each in everything if each not in (OTHERS["ping"], OTHERS["notify"])]
    codes["plan"] = here.run("plan", "m.yaml", "--out", "saved.plan")[0]
    codes["plan json"] = here.run("plan", "m.yaml", "--format", "json", "--show-values")[0]
    codes["check"] = here.run("check", "m.yaml", "--wait", "1s")[0]
    codes["check json"] = here.run("check", "m.yaml", "--format", "json", "--wait", "1s")[0]
    echo.secrets = everything
    codes["retry"] = here.run("retry", "it0", *ending(2, echo))[0]

    async def crash(*_arguments, **_options):
        raise RuntimeError(*[encode(secret) for secret in echo.secrets for encode in ENCODINGS.values()])

    with monkeypatch.context() as patch:
        patch.setattr(runner.Engine, "run", crash)
        codes["crash"] = here.run("run", "m.yaml", *ending(3, echo))[0]
    echo.refuses_login = True
    echo.secrets = [each for each in everything if each not in (OTHERS["ping"], OTHERS["notify"], Echo.token)]
    codes["refused"] = here.run("check", "m.yaml", "--wait", "1s")[0]

    assert codes["crash"] == 3, here.shown[:3000].decode()
    assert list(here.folder.rglob("crash-*")), "no crash file"
    assert codes["run", 0] == 1, here.shown[:6000].decode()
    assert codes["check"] == 0, here.shown[-3000:].decode()
    assert echo.number > len(ENCODINGS) * len(everything), "not every secret was echoed in every encoding"
    assert b"******" in here.shown
    leaks = here.leaks(everything)
    assert leaks == [], "\n".join(f"{name}: {spelling[:60]} in {data!r}" for name, spelling, data in leaks)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cut", [64, 128, 500, 1000, 2000, 131072])
def test_a_text_that_is_cut_keeps_no_half_of_a_secret(place, echo, cut):
    """The secret straddles each place at which some text is cut."""
    here = place("password")
    echo.secrets = [OTHERS["values file"]]
    for step in (0, 6, 12) if cut < 10_000 else (6,):
        echo.pad = "x" * (cut - step - 4) + " "
        here.run("run", "m.yaml", "--yes", "--run-id", f"cut{cut}-{step}", "--limit", f"one/shop/r{step}")
        here.run("report", f"cut{cut}-{step}", "--format", "json")
    halves = {OTHERS["values file"][:size].encode() for size in range(9, len(OTHERS["values file"]) + 1)}
    found = [(half, name) for half in halves for name, data in places_of(here).items() if half in data]
    assert found == []


def places_of(here):
    places = {"streams": here.shown}
    for path in here.folder.rglob("*"):
        if path.is_file() and path not in here.inputs:
            places[str(path.relative_to(here.folder))] = path.read_bytes()
    return places
