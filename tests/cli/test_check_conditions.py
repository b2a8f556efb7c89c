"""`check` under each condition that would spoil a night: clocks, permissions, throttling, proxies, TLS, `discover`."""

import email.utils
import json
import os
import re
import subprocess
import sys
import time

import pytest

REFUSED = {"error_code": "CCE.01403001", "error_msg": "Forbidden."}
THROTTLED = {"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached"}


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("OS_", "S3_", "SSL_CERT_")) or variable.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(variable)


def answer(status, body, **headers):
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


@pytest.fixture
def check(project):
    """`check(code)`: what the command finds out about each cloud; nothing may have been written."""

    def run(code, *arguments, wait="1s"):
        found, out, err = project.run("check", "m.yaml", "--format", "json", "--wait", wait, *arguments)
        assert found == code, out + err
        data = json.loads(out)
        assert data["exit_code"] == code
        assert not project.state.exists(), "the state folder was made"
        assert project.provider.ledger()["creates"] == {}
        assert_fits(project.run("check", "m.yaml", "--wait", wait, *arguments)[1])
        return data["clouds"]

    return run


def assert_fits(text, width=100):
    assert max(map(len, text.splitlines())) <= width, text


class TestClocks:
    @pytest.mark.parametrize("seconds", [-600, 600])
    def test_a_clock_that_is_set_wrong_is_named_with_its_direction(self, project, program, seconds):
        command = [program("faketime"), "-f", f"{seconds:+d}s", sys.executable, "-m", "batch_deployer"]
        done = subprocess.run(
            [*command, "check", "m.yaml", "--format", "json"],
            cwd=project.folder, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        (found,) = json.loads(done.stdout)["clouds"]
        assert abs(found["clock_skew"] - seconds) < 60
        direction = "ahead of" if seconds > 0 else "behind"
        assert any(f"s {direction} the cloud's; set it right" in text for text in found["problems"])
        assert found["readable"] == {"clusters": True, "charts": True, "releases": True}

    @pytest.mark.parametrize("way", ["password", "access key"])
    def test_a_server_whose_clock_is_off_is_the_same_to_us(self, front, check, by_access_key, way):
        date = email.utils.formatdate(time.time() - 300, usegmt=True)
        front(headers={"Date": date})
        if way == "access key":
            by_access_key()

        (found,) = check(1)

        assert 290 < found["clock_skew"] < 400
        assert [text for text in found["problems"] if "ahead of the cloud's" in text] == found["problems"]

    def test_a_signature_that_is_refused_for_its_age_names_the_clock(self, front, check, by_access_key):
        date = email.utils.formatdate(time.time() + 3600, usegmt=True)
        body = {"error_code": "APIGW.0303", "error_msg": "Incorrect app authentication information: signature expired"}
        server = front({"/api/v3/": answer(401, body, Date=date), "/v2/charts": answer(401, body, Date=date)})
        by_access_key()

        (found,) = check(5)

        assert any("this machine's clock is" in text and "behind the server's" in text for text in found["problems"])
        assert found["readable"]["clusters"] is False
        assert server.asked == [server.asked[0]] * 2, "a refused key was used again (the command ran twice)"

    @pytest.mark.parametrize("date", [None, "yesterday", ""])
    def test_without_a_date_no_skew_is_claimed(self, front, check, date):
        front(headers={"Date": date})

        (found,) = check(0)

        assert found["clock_skew"] is None


class TestPermissions:
    @pytest.mark.parametrize(
        ("path", "kind", "text"),
        [
            ("GET /api/v3/projects/", "clusters", "its clusters cannot be listed: HTTP 403"),
            ("GET /v2/charts", "charts", "its charts cannot be listed: HTTP 403"),
            ("/releases", "releases", "the releases of 3 clusters (prod-1, prod-2, prod-3) cannot be listed: HTTP 403"),
        ],
    )
    @pytest.mark.parametrize("way", ["password", "access key"])
    def test_a_refused_permission_is_named_and_the_others_are_checked(
        self, front, check, by_access_key, path, kind, text, way
    ):
        front({path: answer(403, REFUSED, **{"X-Request-Id": "r-1"})})
        if way == "access key":
            by_access_key()

        (found,) = check(5)

        assert found["readable"] == {"clusters": True, "charts": True, "releases": True} | {kind: False}
        assert [text in problem for problem in found["problems"]] == [True]

    def test_a_permission_on_some_clusters_only_names_them(self, front, check):
        front({"5dc7-11ee-bf71-0255ac100b02/releases": answer(403, REFUSED)})

        (found,) = check(5)

        assert found["readable"]["releases"] is False
        assert ["the releases of cluster prod-2 cannot be listed" in text for text in found["problems"]] == [True]


class TestThrottling:
    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}], ids=["no header", "Retry-After"])
    def test_a_cloud_that_throttles_now_and_then_is_ready(self, front, check, headers):
        left = ["GET /v2/charts", "/releases", "GET /api/v3/"]

        def once(request, _body):
            for part in left:
                if part in f"{request.command} {request.path}":
                    left.remove(part)
                    return answer(429, THROTTLED, **headers)
            return None

        front({"GET": once})

        (found,) = check(0)

        assert (left, found["problems"]) == ([], [])

    @pytest.mark.parametrize("path", ["GET /v2/charts", "GET /api/v3/", "/releases"])
    @pytest.mark.parametrize("headers", [{"Retry-After": "3000"}, {"Retry-After": "300"}])
    def test_a_longer_pause_than_is_waited_for_ends_at_once_and_is_named(self, front, check, path, headers):
        front({path: answer(429, THROTTLED, **headers)})
        began = time.monotonic()

        (found,) = check(1)

        assert time.monotonic() - began < 30
        asked = {"3000": "50m 00s", "300": "5m 00s"}[headers["Retry-After"]]
        assert ["HTTP 429" in text and f"asks to wait {asked}" in text for text in found["problems"]] == [True]

    def test_one_that_throttles_for_ever_is_given_up_after_a_few_tries(self, front, check):
        server = front({"GET /v2/charts": answer(429, THROTTLED)})

        (found,) = check(1)

        assert "its charts cannot be listed: HTTP 429 APIGW.0308" in found["problems"][0]
        assert 2 <= server.count("GET /v2/charts") <= 10

    def test_a_throttled_login_is_waited_for(self, front, check):
        answers = [answer(429, THROTTLED, **{"Retry-After": "1"})]
        front({"POST /v3/auth/tokens": lambda *_: answers.pop() if answers else None})

        (found,) = check(0, wait="20s")

        assert (answers, found["problems"]) == ([], [])


class TestCertificates:
    def test_the_right_bundle_is_used_and_named(self, project, front, check, certificates):
        folder = certificates("127.0.0.1")
        front(tls=folder)
        project.edit("    project: sim", f"    project: sim\n    ca_file: {folder / 'ca.pem'}")

        (found,) = check(0)

        assert found["tls"] == str(folder / "ca.pem")

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
    def test_a_bundle_of_the_environment_is_named_with_its_variable(
        self, front, check, certificates, monkeypatch, variable
    ):
        folder = certificates("127.0.0.1")
        front(tls=folder)
        monkeypatch.setenv(variable, str(folder / "ca.pem"))

        (found,) = check(0)

        assert found["tls"] == f"{folder / 'ca.pem'} ({variable})"

    @pytest.mark.parametrize("way", ["password", "access key"])
    @pytest.mark.parametrize("fault", ["unknown", "wrong", "name", "missing"])
    def test_what_is_wrong_with_tls_is_named_once(
        self, project, front, check, certificates, tmp_path, by_access_key, way, fault
    ):
        host = "localhost" if fault == "name" else "127.0.0.1"
        server = front(tls=certificates("127.0.0.1"), host=host)
        other = tmp_path / "other.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k", "-out", other, "-subj", "/CN=Other"],
            check=True, capture_output=True,
        )  # fmt: skip
        given = {
            "unknown": None,
            "wrong": other,
            "name": certificates("127.0.0.1") / "ca.pem",
            "missing": "/nowhere/ca.pem",
        }
        if given[fault] is not None:
            project.edit("    project: sim", f"    ca_file: {given[fault]}\n    project: sim")
        if way == "access key":
            by_access_key()
        if fault == "missing":
            code, out, err = project.run("check", "m.yaml", "--wait", "1s")
            assert (code, "/nowhere/ca.pem" in out + err) == (2, True)
            return

        (found,) = check(1)

        texts = {
            "unknown": r"certificate",
            "wrong": r"certificate",
            "name": r"[Hh]ostname mismatch|not valid for 'localhost'",
        }
        assert all(re.search(texts[fault], text) for text in found["problems"]), found["problems"]
        assert "  give the issuer" not in str(found) or fault == "unknown"
        assert server.asked == []


class TestProxies:
    NAME = "cce.example.test"

    @pytest.fixture
    def through(self, project, front, certificates, squid, monkeypatch):
        """`through(user)`: the manifest's cloud has a name that only the proxy knows."""
        port, log = squid(self.NAME)

        def start(user):
            folder = certificates(self.NAME)
            server = front(tls=folder, host=self.NAME)
            project.edit("    project: sim", f"    project: sim\n    ca_file: {folder / 'ca.pem'}")
            monkeypatch.setenv("HTTPS_PROXY", f"http://{user}@127.0.0.1:{port}")
            monkeypatch.setenv("BATCH_DEPLOYER_ALLOW_HOSTS", self.NAME)
            monkeypatch.setenv("BATCH_DEPLOYER_CHECK_MAX_WRITES", "50/s")
            monkeypatch.setenv("BATCH_DEPLOYER_CHECK_MAX_READS", "50/s")
            return server, log

        return start

    def test_the_proxy_is_used_and_shown_without_its_password(self, project, through, check):
        server, _ = through("deployer:pr0xy-pw")

        (found,) = check(0)

        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", found["proxy"])
        assert server.asked
        assert "pr0xy-pw" not in str(found) + str(project.run("check", "m.yaml"))

    @pytest.mark.parametrize("way", ["password", "access key"])
    def test_a_wrong_password_is_the_proxys_and_tried_once(self, project, through, by_access_key, way):
        server, log = through("deployer:wr0ng-pw")
        if way == "access key":
            by_access_key()

        code, out, err = project.run("check", "m.yaml", "--format", "json", "--wait", "1s")

        (found,) = json.loads(out)["clouds"]
        assert code == 5
        assert all("the proxy refused its user" in text for text in found["problems"])
        assert len(found["problems"]) == 1
        assert "wr0ng-pw" not in out + err
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", found["proxy"])
        assert server.asked == []
        time.sleep(0.3)  # squid writes its log when the connection is over
        assert log.read_text().count("CONNECT") == 1


class TestDiscover:
    @pytest.fixture
    def two(self, project):
        """`two(question)`: another cloud whose user is unknown; the clusters of one or both are asked for."""

        def change(*clouds):
            manifest = project.folder / "m.yaml"
            text = manifest.read_text()
            broken = text.split("  sim:\n")[1].split("limits:")[0].replace("username: demo", "username: nobody")
            text = text.replace("limits: {writes", f"  other:\n{broken}limits: {{writes", 1)
            questions = "".join(f"  - discover: {{cloud: {cloud}}}\n" for cloud in clouds)
            manifest.write_text(re.sub(r"clusters:\n(  - .*\n)+", f"clusters:\n{questions}", text, count=1))

        return change

    @pytest.mark.parametrize("clouds", [("sim", "other"), ("other",), ("sim",)])
    def test_one_cloud_that_refuses_does_not_hide_the_other(self, project, two, check, clouds):
        two(*clouds)

        good, bad = check(5)

        assert (good["cloud"], good["exit_code"], good["problems"]) == ("sim", 0, [])
        assert good["readable"]["clusters"] is True
        assert (bad["exit_code"], len(bad["problems"])) == (5, 1)
        if clouds == ("sim",):
            assert good["clusters"] == {"prod-1": "Available", "prod-2": "Available", "prod-3": "Available"}

    def test_a_password_is_sent_once(self, project, two, front):
        two("sim", "other")
        server = front()

        assert project.run("check", "m.yaml", "--wait", "1s")[0] == 5

        assert server.count("POST /v3/auth/tokens") == 2

    def test_a_question_that_nothing_answers_is_bad_input(self, project, check):
        manifest = project.folder / "m.yaml"
        question = "clusters:\n  - discover: {cloud: sim, tags: {tier: none}}\n"
        manifest.write_text(re.sub(r"clusters:\n(  - .*\n)+", question, manifest.read_text(), count=1))
        code, out, err = project.run("check", "m.yaml")
        assert (code, out) == (2, "")
        assert "none of the 3 clusters of cloud" in err


class TestWhatIsThere:
    @pytest.mark.parametrize(
        ("phase", "text"),
        [
            ("Available", ""),
            ("ScalingUp", ""),
            ("ScalingDown", ""),
            ("Upgrading", "is Upgrading: a run defers it"),
            ("Creating", "is Creating: a run defers it"),
            ("Resizing", "is Resizing: a run defers it"),
            ("Deleting", "is Deleting: it cannot be deployed to"),
            ("Hibernation", "is Hibernation: a run defers it"),
            ("Unavailable", "is Unavailable: it cannot be deployed to"),
            ("Frobbed", "is Frobbed: it cannot be deployed to"),
            ("", ""),
        ],
    )
    def test_phases(self, front, check, project, phase, text):
        def shown(request, _body):
            clusters = [
                {"metadata": {"uid": each.id, "name": each.name}, "status": {"phase": phase if each.name == "prod-2" else "Available"}}
                for each in project.provider.world.clusters
            ]  # fmt: skip
            return answer(200, {"kind": "Cluster", "items": clusters}) if request.path.endswith("/clusters") else None

        front({"GET /api/v3/": shown})

        (found,) = check(1 if text else 0)

        assert found["clusters"] == {"prod-1": "Available", "prod-2": phase, "prod-3": "Available"}
        assert [text in problem for problem in found["problems"]] == ([True] if text else [])

    def test_lacking_charts_and_versions_are_named(self, project, check):
        project.edit("{name: web, version: 1.0.0}, version: 1.0.0", "{name: web, version: 9.9.9}, version: 9.9.9")
        project.edit("{name: db, version: 1.0.0}", "{name: none, version: 1.0.0}")

        (found,) = check(1)

        assert found["charts"] == {"web 9.9.9": False, "none 1.0.0": False}
        assert "it has version 1.0.0" in found["problems"][0]
        assert "it has no chart of that name" in found["problems"][1]


@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_fits_the_terminal(project, program, columns):
    """By a real terminal of that width."""
    project.edit("{name: db, version: 1.0.0}", "{name: none, version: 1.0.0}")
    shown = in_terminal([sys.executable, "-m", "batch_deployer", "check", "m.yaml"], project.folder, columns)

    assert "not ready" in shown
    assert_fits(shown.replace("\r", ""), columns)
    for text in ("prod-1, prod-2, prod-3", "chart none 1.0.0 is not in the cloud", "small: not ready, exit code 1"):
        assert text in " ".join(shown.split())


def in_terminal(command, folder, columns):
    """All that a command writes to a terminal of so many columns."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(command, cwd=folder, stdin=follower, stdout=follower, stderr=follower):
        os.close(follower)
        pieces = []
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(leader)
    return b"".join(pieces).decode()
