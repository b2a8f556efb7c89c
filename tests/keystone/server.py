"""A real Keystone with a small CCE beside it; runs in the environment of Keystone, not in that of the tests.

    server.py prepare FOLDER                 make a database with users, projects and a service catalogue
    server.py serve FOLDER PORT CERT KEY     serve both over TLS, told apart by the name of the host

`FOLDER/notes.jsonl` gets a line for each login and each call; `FOLDER/outage` holds the number of logins to answer with 503.
"""

import base64
import json
import os
import socketserver
import ssl
import sys
import threading
import time
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CONFIGURATION = """
[DEFAULT]
log_dir = {folder}/log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
expiration = {expiration}
allow_expired_window = 0
[fernet_tokens]
key_repository = {folder}/tokens
[fernet_receipts]
key_repository = {folder}/receipts
[credential]
key_repository = {folder}/credentials
[cache]
enabled = false
[identity]
password_hash_rounds = 4
[oslo_policy]
enforce_scope = false
"""
PASSWORD = "Secret-of-deployer-1"


def application(folder, expiration=3600):
    sys.argv = ["keystone"]
    conf = folder / "keystone.conf"
    conf.write_text(CONFIGURATION.format(folder=folder, expiration=expiration))
    from keystone.server.flask import core

    return core.initialize_application("public", config_files=[str(conf)])


def prepare(folder):
    for name in ("tokens", "receipts", "credentials", "log"):
        (folder / name).mkdir(mode=0o700)
    for name in ("tokens", "receipts", "credentials"):
        for number in "01":
            (folder / name / number).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    conf = folder / "keystone.conf"
    conf.write_text(CONFIGURATION.format(folder=folder, expiration=3600))
    manage = Path(sys.executable).with_name("keystone-manage")
    for command in (
        ["db_sync"],
        ["bootstrap", "--bootstrap-password", "admin", "--bootstrap-region-id", "eu-de"],
    ):
        if os.spawnv(os.P_WAIT, manage, [str(manage), "--config-file", str(conf), *command]):
            sys.exit(f"keystone-manage {command[0]} failed")
    from werkzeug.test import Client

    Setup(Client(application(folder)), folder).fill()


class Setup:
    """Fills a new Keystone over its own API."""

    def __init__(self, client, folder):
        self.client = client
        self.folder = folder
        self.headers = {}
        self.ids = {}

    def call(self, method, path, **body):
        answer = self.client.open(f"/v3/{path}", method=method, json=body or None, headers=self.headers)
        assert answer.status_code < 300, (path, answer.status, answer.get_data(as_text=True))
        return answer

    def make(self, kind, name, **more):
        found = self.call("POST", f"{kind}s", **{kind: {"name": name, **more}}).get_json()[kind]["id"]
        self.ids[name] = found
        return found

    def fill(self):
        self.headers = {"X-Auth-Token": self.login("admin", "admin", {"id": "default"}, {"name": "admin"})}
        acme, other = self.make("domain", "acme"), self.make("domain", "other")
        member = self.call("GET", "roles?name=member").get_json()["roles"][0]["id"]
        user = self.make("user", "deployer", domain_id=acme, password=PASSWORD)
        projects = [self.make("project", name, domain_id=acme) for name in ("eu-de", "eu-de_shop", "eu-nl")]
        self.ids["eu-de of other"] = self.call(
            "POST", "projects", project={"name": "eu-de", "domain_id": other}
        ).get_json()["project"]["id"]
        for project in (*projects, self.ids["eu-de of other"]):
            self.call("PUT", f"projects/{project}/users/{user}/roles/{member}")
        self.call("PUT", f"domains/{acme}/users/{user}/roles/{member}")
        self.call("POST", "regions", region={"id": "eu-nl"})
        service = self.call("POST", "services", service={"type": "ccev2.0", "name": "cce"}).get_json()["service"]["id"]
        for region in ("eu-de", "eu-nl"):
            for interface in ("public", "internal"):
                url = f"https://cce-{region}-{interface}.example.test:PORT/api/v3"
                endpoint = {"service_id": service, "interface": interface, "region_id": region, "url": url}
                self.call("POST", "endpoints", endpoint=endpoint)
        project = {"name": "eu-de_shop", "domain": {"name": "acme"}}
        self.headers = {"X-Auth-Token": self.login("deployer", PASSWORD, {"name": "acme"}, project)}
        made = self.call(
            "POST",
            f"users/{user}/application_credentials",
            application_credential={"name": "ci", "secret": "Secret-of-application-1"},
        ).get_json()["application_credential"]["id"]
        self.ids["application credential"] = made
        (self.folder / "ids.json").write_text(json.dumps(self.ids))

    def login(self, name, password, domain, project):
        user = {"name": name, "password": password, "domain": domain}
        scope = {"project": {"domain": domain, **project}}
        identity = {"methods": ["password"], "password": {"user": user}}
        return self.call("POST", "auth/tokens", auth={"identity": identity, "scope": scope}).headers["X-Subject-Token"]


class Front:
    """Keystone for `iam.*`, a small CCE for any other host."""

    def __init__(self, keystone, folder, port):
        self.keystone = keystone
        self.folder = folder
        self.port = port
        self.lock = threading.Lock()
        self.validating = threading.Lock()

    def note(self, **what):
        with self.lock, (self.folder / "notes.jsonl").open("a") as file:
            file.write(json.dumps({"at": time.time(), **what}) + "\n")

    def __call__(self, environ, start_response):
        if environ["HTTP_HOST"].startswith("iam"):
            return self.identity(environ, start_response)
        return self.cce(environ, start_response)

    def identity(self, environ, start_response):
        if environ["REQUEST_METHOD"] != "POST":
            self.note(kind="look", path=environ["PATH_INFO"])
            return self.keystone(environ, start_response)
        outage = self.folder / "outage"
        if outage.exists():
            self.note(kind="login", status=503)
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]

        def answered(status, headers, *more):
            self.note(kind="login", status=int(status.split()[0]))
            # The port is known only here, so the catalogue gets it on the way out.
            return start_response(status, [pair for pair in headers if pair[0].lower() != "content-length"], *more)

        return [b"".join(self.keystone(environ, answered)).replace(b":PORT/", b":%d/" % self.port)]

    def cce(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        project = self.project_of(environ.get("HTTP_X_AUTH_TOKEN", ""))
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        status, answer = (
            self.answer(method, path, body)
            if project
            else (401, {"error_code": "APIGW.0307", "error_msg": "The token must be updated."})
        )
        self.note(kind="call", method=method, path=path, project=project, host=environ["HTTP_HOST"], status=status)
        text = json.dumps(answer).encode()
        start_response(f"{status} -", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
        return [text]

    def project_of(self, token):
        """The project of a token by Keystone itself; empty for one that counts no more."""
        from werkzeug.test import Client

        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        # One at a time: a Keystone that has just started refuses good tokens while another thread loads what it needs.
        with self.validating:
            answer = Client(self.keystone).get("/v3/auth/tokens", headers=headers)
        return answer.get_json()["token"].get("project", {}).get("id", "") if answer.status_code == 200 else ""

    def answer(self, method, path, body):
        """What a CCE of two clusters says; each release is a file, so that a test can begin anew."""
        if path.startswith("/v2/charts"):
            return 200, [{"id": "c-1", "name": "web", "version": "1.0.0"}]
        if path.startswith("/api/v3/projects/") and path.endswith("/clusters"):
            return 200, {"kind": "Cluster", "items": [
                {"metadata": {"uid": f"a870253f-5dc7-11ee-bf71-0255ac100b0{number}", "name": name}, "status": {"phase": "Available"}}
                for number, name in ((1, "one"), (2, "two"))
            ]}  # fmt: skip
        cluster = path.split("clusters/")[-1].split("/")[0]
        if method == "GET" and path.endswith("/releases"):
            return 200, [json.loads(file.read_text()) for file in self.folder.glob(f"release-{cluster}-*")]
        if method == "POST" and path.endswith("/releases"):
            given = json.loads(body)
            at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
            shown = {
                "name": given["name"], "namespace": given["namespace"], "chart_name": "web", "chart_version": given["version"],
                "version": 1, "status": "DEPLOYED", "values": json.dumps(given["values"]), "create_at": at, "update_at": at,
            }  # fmt: skip
            (self.folder / f"release-{cluster}-{given['name']}").write_text(json.dumps(shown))
            return 201, shown
        file = self.folder / f"release-{cluster}-{path.rpartition('/')[2]}"
        if method == "GET" and file.exists():
            return 200, json.loads(file.read_text())
        return 404, {"errorCode": "CCE.01404001", "errorMessage": "Resource not found."}


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_args):
        pass


def serve(folder, port, certificate, key):
    settings = json.loads((folder / "settings.json").read_text())
    front = Front(application(folder, settings["expiration"]), folder, port)
    server = make_server("127.0.0.1", port, front, server_class=Server, handler_class=Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "prepare":
        prepare(folder)
    else:
        serve(folder, int(sys.argv[3]), *sys.argv[4:6])
