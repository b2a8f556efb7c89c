"""A manifest of a stranger cannot send the operator's credential away, nor read secrets that are not its own."""

import http.server
import os
import threading

import pytest

HEAD = """\
name: attacked
clusters: [{id: 00000000-0000-4000-8000-000000000001, name: c1, cloud: one}]
releases: [{name: web, namespace: apps, chart: {name: web, version: 1.0.0}, version: 1.0.0, targets: "*"}]
"""
EVIL = "https://cce.evil.example"
KEY = 'access_key: "${secret:env:OS_ACCESS_KEY}", secret_key: "${secret:env:OS_SECRET_KEY}"'
USER = 'username: robot, password: "${secret:env:OS_PASSWORD}", domain: D, project: p'
SENDING = {
    "endpoint, token of the environment": f"{{endpoint: '{EVIL}', project_id: p}}",
    "endpoint, token of the manifest": f"{{endpoint: '{EVIL}', project_id: p, auth: {{token: '${{secret:env:OS_TOKEN}}'}}}}",
    "endpoint, access key": f"{{endpoint: '{EVIL}', project_id: p, auth: {{{KEY}}}}}",
    "auth_url, password": f"{{auth: {{auth_url: 'https://iam.evil.example/v3', {USER}}}}}",
    "auth_url, agency": f"{{auth: {{auth_url: 'https://iam.evil.example/v3', {USER}, agency: a, agency_domain: D}}}}",
    "auth_url and endpoint": f"{{endpoint: '{EVIL}', auth: {{auth_url: 'https://iam.evil.example/v3', {USER}}}}}",
    "a name like the provider's": "{endpoint: 'https://cce.eu-de.otc.t-systems.com.evil.example', project_id: p}",
    "an API gateway of a customer": "{endpoint: 'https://a1.apic.eu-de.otc.t-systems.com', project_id: p}",
}
ENTRY = {"auth": {"auth_url": "", "username": "robot", "password": "pw-of-the-operator", "project_name": "p"}}
COMMANDS = (
    ("plan", "m.yaml"),
    ("check", "m.yaml"),
    ("run", "m.yaml", "--yes"),
    ("snapshot", "one", "--manifest", "m.yaml", "--output", "backup"),
)


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Notes where a client wants to go and leads nowhere."""

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        self.send_error(502)

    def log_message(self, *_):
        pass


@pytest.fixture
def serving():
    """`serving(handler)`: a server and what it was asked."""
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", server.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def outside(serving):
    """The hosts beyond this machine that a process connects to, and the environment that shows them."""
    url, asked = serving(_Proxy)
    return asked, {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": "", "no_proxy": ""}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("cloud", SENDING.values(), ids=SENDING)
def test_a_credential_goes_to_no_host_that_only_the_manifest_names(checkout, outside, command, cloud, tmp_path):
    """Exit 2, the host and the remedy named, and no connection."""
    told, environment = outside
    checkout.write("m.yaml", f"{HEAD}clouds: {{one: {cloud}}}\n")
    keys = {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "SK"} if "access_key" in cloud else {}
    state = {"BATCH_DEPLOYER_STATE_DIR": str(tmp_path / "state")}
    done = checkout.run(*command, env={**environment, **keys, **state})
    assert done.returncode == 2, done.stderr
    shown = done.stdout + done.stderr
    assert "--allow-host" in shown
    assert "evil.example" in shown or "apic" in shown
    assert "pw-of-the-operator" not in shown
    assert told == []


def test_the_owner_is_named_where_it_is_known(checkout, outside):
    """The credential's own identity service stands beside the host that it may not go to."""
    checkout.write("m.yaml", f"{HEAD}clouds: {{one: {{endpoint: '{EVIL}', project_id: p}}}}\n")
    done = checkout.run("plan", "m.yaml", env={**outside[1], "OS_AUTH_URL": "https://iam.corp.example/v3"})
    assert done.returncode == 2
    assert "cce.evil.example" in done.stderr
    assert "iam.corp.example" in done.stderr


@pytest.mark.parametrize("given", ["option", "variable", "domain of the credential"])
def test_the_operator_may_allow_a_host(checkout, outside, given):
    """Then it is asked."""
    told, environment = outside
    checkout.write("m.yaml", f"{HEAD}clouds: {{one: {{endpoint: 'https://cce.corp.example', project_id: p}}}}\n")
    arguments = ("check", "m.yaml", "--wait", "1s", *(("--allow-host", "*.corp.example") if given == "option" else ()))
    more = {
        "option": {},
        "variable": {"BATCH_DEPLOYER_ALLOW_HOSTS": "other.example, *.CORP.example"},
        "domain of the credential": {"OS_AUTH_URL": "https://iam.corp.example/v3"},
    }[given]
    done = checkout.run(*arguments, env={**environment, **more})
    assert done.returncode == 1, done.stderr
    assert "cce.corp.example:443" in told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("endpoint: 'https://${env:HOME_OF_EVIL}'", "not allowed here"),
        ("project_id: '${env:PROJECT}', endpoint: 'https://cce.eu-de.otc.t-systems.com'", "not allowed here"),
        ("auth: {auth_url: 'https://${env:HOST}/v3', username: u, password: '${secret:env:PW}'}", "not allowed here"),
        ("auth: {domain_id: '${env:HOST}', username: u, password: '${secret:env:PW}'}", "not allowed here"),
    ],
)
def test_no_variable_stands_in_a_host_or_an_id(checkout, text, problem):
    """A text of the environment could be sent away as part of an address."""
    checkout.write("m.yaml", f"{HEAD}clouds: {{one: {{{text}}}}}\n")
    done = checkout.run(
        "validate", "m.yaml", env={"HOME_OF_EVIL": "evil-text", "PROJECT": "evil-text", "HOST": "evil-text", "PW": "x"}
    )
    assert done.returncode == 2, done.stderr
    assert problem in done.stderr
    assert "evil-text" not in done.stderr


@pytest.mark.parametrize("kind", ["env", "secret:env"])
@pytest.mark.parametrize(
    "name", ["OS_PASSWORD", "OS_TOKEN", "S3_SECRET_ACCESS_KEY", "BATCH_DEPLOYER_RUN_PING", "OS_AUTH_URL"]
)
@pytest.mark.parametrize("place", ["values: {a: '%s'}", "description: '%s'", "values: {a: [{b: 'x%sx'}]}"])
def test_what_the_program_logs_in_with_is_no_value(checkout, kind, name, place):
    """Not in values, which a cluster and its owners see, nor in texts."""
    text = place % f"${{{kind}:{name}}}"
    manifest = f"{HEAD}clouds: {{one: {{endpoint: 'http://127.0.0.1:9', project_id: p}}}}\n"
    checkout.write("m.yaml", manifest.replace("targets", f"{text}, targets"))
    done = checkout.run("validate", "m.yaml", env={name: "text-of-the-operator"})
    assert done.returncode == 2
    assert "text-of-the-operator" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["DB_PASSWORD", "API_KEY", "my_token", "VAULT_SECRET", "PGPASSWD"])
def test_a_secret_is_named_as_one(checkout, name):
    """`${env:...}` would write it into plans and journals."""
    manifest = f"{HEAD}clouds: {{one: {{endpoint: 'http://127.0.0.1:9', project_id: p}}}}\n"
    checkout.write("m.yaml", manifest.replace("targets", f"values: {{a: '${{env:{name}}}'}}, targets"))
    done = checkout.run("validate", "m.yaml", env={name: "text-of-the-operator"})
    if name == "PGPASSWD":
        assert done.returncode == 0  # not a word of its own; a variable's name is all there is to go by
        return
    assert done.returncode == 2
    assert f"${{secret:env:{name}}}" in done.stderr
    assert "text-of-the-operator" not in done.stdout + done.stderr


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("place", ["outside", "/proc/self/environ", "/dev/stdin", "/sys/kernel/notes"])
def test_a_secret_file_lies_where_secrets_lie(checkout, tmp_path, place, link):
    """Neither by its path nor by a link in the checkout."""
    outside = tmp_path / "outside"
    outside.write_text("text-of-the-operator")
    path = str(outside) if place == "outside" else place
    if link:
        (checkout.path / "link").symlink_to(path)
        path = "link"
    manifest = f"{HEAD}clouds: {{one: {{endpoint: 'http://127.0.0.1:9', project_id: p}}}}\n"
    checkout.write("m.yaml", manifest.replace("targets", f"values: {{a: '${{secret:file:{path}}}'}}, targets"))
    allowed = ("--allow-secrets", "/") if place != "outside" else ()
    done = checkout.run("validate", "m.yaml", *allowed)
    assert done.returncode == 2, done.stdout
    assert "secret" in done.stderr
    assert "text-of-the-operator" not in done.stdout + done.stderr


@pytest.mark.parametrize("given", ["option", "variable", "CREDENTIALS_DIRECTORY", "beside the manifest"])
def test_secret_files_that_may_be_read(checkout, tmp_path, given):
    """The manifest's folder, systemd's credentials, and what the operator allows."""
    outside = tmp_path / "vault"
    outside.mkdir()
    (outside / "key").write_text("k")
    (checkout.path / "key").write_text("k")
    path = "key" if given == "beside the manifest" else str(outside / "key")
    manifest = f"{HEAD}clouds: {{one: {{endpoint: 'http://127.0.0.1:9', project_id: p}}}}\n"
    checkout.write("m.yaml", manifest.replace("targets", f"values: {{a: '${{secret:file:{path}}}'}}, targets"))
    option = ("--allow-secrets", str(outside)) if given == "option" else ()
    variable = {"variable": "BATCH_DEPLOYER_ALLOW_SECRETS", "CREDENTIALS_DIRECTORY": given}.get(given)
    done = checkout.run("validate", "m.yaml", *option, env={variable: str(outside)} if variable else {})
    assert done.returncode == 0, done.stderr


class _Identity(http.server.BaseHTTPRequestHandler):
    """An identity service that notes who asks and lets nobody in."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append(self.rfile.read(length).decode())
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def identity(serving):
    """`identity()`: the URL of a new identity service and what it was asked."""

    def start():
        url, asked = serving(_Identity)
        return f"{url}/v3", asked

    return start


def _clouds(url, *, password=True):
    secret = ", password: pw-of-the-operator" if password else ""
    return f"clouds: {{one: {{auth: {{auth_url: '{url}', username: robot, user_domain_name: D, project_name: p{secret}}}}}}}\n"


@pytest.mark.parametrize("name", ["clouds.yaml", "clouds.yml", "secure.yaml", "clouds-public.yaml"])
@pytest.mark.parametrize("named_by", ["the user's folder", "OS_CLIENT_CONFIG_FILE"])
def test_files_of_the_working_folder_do_not_move_a_login(checkout, identity, tmp_path, name, named_by):
    """What a pull request puts beside the manifest is no configuration."""
    (url, asked), (evil, stolen) = identity(), identity()
    folder = tmp_path / "home" / ".config" / "openstack"
    folder.mkdir(parents=True)
    profile = "clouds: {one: {profile: corp, " if name == "clouds-public.yaml" else "clouds: {one: {"
    text = _clouds(url).replace("clouds: {one: {", profile)
    (folder / "clouds.yaml").write_text(text)
    wrong = (
        _clouds(evil).replace("clouds:", "public-clouds:").replace("one:", "corp:")
        if name == "clouds-public.yaml"
        else _clouds(evil)
    )
    checkout.write(name, wrong)
    checkout.write("m.yaml", HEAD + "clouds: {one: {cloud: one, endpoint: 'http://127.0.0.1:9'}}\n")
    environment = {"HOME": str(tmp_path / "home"), "OS_PASSWORD": "", "OS_TOKEN": ""}
    if named_by != "the user's folder":
        environment["OS_CLIENT_CONFIG_FILE"] = str(folder / "clouds.yaml")
    done = checkout.run("check", "m.yaml", env=environment)
    assert done.returncode == 5, done.stderr
    assert len(asked) == 1
    assert stolen == []


def test_a_checkout_s_clouds_yaml_takes_no_password_of_the_users_secure_yaml(checkout, identity, tmp_path):
    """Nor with the operator's wish: files of two folders are not merged."""
    evil, stolen = identity()
    folder = tmp_path / "home" / ".config" / "openstack"
    folder.mkdir(parents=True)
    (folder / "secure.yaml").write_text("clouds: {one: {auth: {password: pw-of-the-operator}}}\n")
    checkout.write("clouds.yaml", _clouds(evil, password=False))
    checkout.write("m.yaml", HEAD + "clouds: {one: {cloud: one, endpoint: 'http://127.0.0.1:9'}}\n")
    environment = {"HOME": str(tmp_path / "home"), "OS_PASSWORD": "", "OS_TOKEN": ""}
    for wish in ((), ("--clouds-from-cwd",)):
        done = checkout.run("check", "m.yaml", *wish, env=environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert stolen == []


def test_the_working_folder_s_clouds_yaml_counts_on_wish(checkout, identity, tmp_path):
    """For whoever keeps it beside a manifest of their own; `check` says which files were read."""
    url, asked = identity()
    checkout.write("clouds.yaml", _clouds(url))
    checkout.write("m.yaml", HEAD + "clouds: {one: {cloud: one, endpoint: 'http://127.0.0.1:9'}}\n")
    environment = {"HOME": str(tmp_path), "OS_PASSWORD": "", "OS_TOKEN": ""}
    done = checkout.run("check", "m.yaml", "--clouds-from-cwd", env=environment)
    assert done.returncode == 5, done.stderr
    assert len(asked) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_files_of_two_owners_are_not_merged(checkout, identity, tmp_path):
    """One of them may be a stranger's."""
    url, asked = identity()
    folder = tmp_path / "home" / ".config" / "openstack"
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").write_text(_clouds(url, password=False))
    (folder / "secure.yaml").write_text("clouds: {one: {auth: {password: pw-of-the-operator}}}\n")
    os.chown(folder / "secure.yaml", 65534, 65534)
    checkout.write("m.yaml", HEAD + "clouds: {one: {cloud: one, endpoint: 'http://127.0.0.1:9'}}\n")
    done = checkout.run("check", "m.yaml", env={"HOME": str(tmp_path / "home"), "OS_PASSWORD": "", "OS_TOKEN": ""})
    assert done.returncode == 2
    assert "different users" in done.stdout + done.stderr
    assert asked == []
