"""Which hosts a manifest may send a credential to, and where it may read secrets."""

from pathlib import Path

import pytest

from batch_deployer.model.permissions import Permissions, host_glob

OWN = "https://iam.eu.example.com/v3"


@pytest.mark.parametrize(
    ("url", "own", "allowed"),
    [
        ("http://127.0.0.1:8443", "", True),
        ("https://localhost:8443", "", True),
        ("https://[::1]:1", "", True),
        ("https://127.0.0.1.evil.example", "", False),
        ("https://localhost.evil.example", "", False),
        ("https://cce.eu-de.otc.t-systems.com", "", True),
        ("https://iam.eu-de.otc.t-systems.com/v3", "", True),
        ("https://cce.eu-ch2.sc.otc.t-systems.com", "", True),
        ("https://CCE.EU-NL.OTC.T-SYSTEMS.COM.", "", True),
        ("https://iam.myhuaweicloud.com/v3", "", True),
        ("https://cce.cn-north-4.myhuaweicloud.com", "", True),
        ("https://iam.eu-west-101.myhuaweicloud.eu", "", True),
        ("https://evil.example", "", False),
        ("https://cce.eu-de.otc.t-systems.com.evil.example", "", False),
        ("https://cce.eu-de.otc.t-systems.com@evil.example", "", False),
        ("https://evilotc.t-systems.com", "", False),
        ("https://cce.evil-otc.t-systems.com", "", False),
        ("https://a1b2.apic.eu-de.otc.t-systems.com", "", False),
        ("https://cce.obs.a.eu-de.otc.t-systems.com", "", False),
        ("https://bucket.obs.eu-de.otc.t-systems.com", "https://iam.eu-de.otc.t-systems.com/v3", False),
        ("https://cce.eu.example.com", OWN, True),
        ("https://eu.example.com", OWN, True),
        ("https://a.b.eu.example.com", OWN, True),
        ("https://cce.us.example.com", OWN, False),
        ("https://evileu.example.com", OWN, False),
        ("https://example.com", OWN, False),
        ("https://cce.example.org", "https://iam.example.org", True),
        ("https://other.org", "https://example.org", False),
        ("https://evil.co.uk", "https://example.co.uk", False),
        ("https://evil.com", "https://example.com", False),
        ("https://10.0.0.5", "https://10.0.0.5:5000/v3", True),
        ("https://10.0.0.6", "https://10.0.0.5:5000/v3", False),
        ("https://[fd00::6]", "https://[fd00::5]", False),
        ("https://anything", "http://localhost:5000", False),
        ("https://", "", False),
        ("https://[", "", False),
    ],
)
def test_a_host_is_known_or_the_owners(url, own, allowed):
    assert Permissions().permits_host(url, [own] if own else []) is allowed


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("cce.corp.example", "https://cce.corp.example:8443/x", True),
        ("*.corp.example", "https://CCE.Corp.Example", True),
        ("*.Corp.example", "https://a.b.corp.example", True),
        ("*.corp.example", "https://corp.example", False),
        ("*.corp.example", "https://corp.example.evil", False),
        ("10.1.?.3", "https://10.1.2.3", True),
        ("*", "https://evil.example", True),
    ],
)
def test_the_operator_allows_hosts_by_patterns(pattern, url, allowed):
    assert Permissions(hosts=(host_glob(pattern),)).permits_host(url, []) is allowed


@pytest.mark.parametrize("text", ["", " ", "https://cce.example.com", "a/b", "a b", "a@b"])
def test_what_is_no_pattern_of_hosts_is_refused(text):
    with pytest.raises(ValueError, match="is not a pattern of host names"):
        host_glob(text)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/m/secret", True),
        ("/m/deep/secret", True),
        ("/run/secrets/a/b", True),
        ("/var/run/secrets/a", True),
        ("/vault/a", True),
        ("/etc/shadow", False),
        ("/mother/secret", False),
        ("/run/secretsx/a", False),
        ("/proc/self/environ", False),
        ("/sys/kernel", False),
        ("/dev/shm/a", False),
    ],
)
def test_secrets_are_read_from_known_folders(path, allowed):
    assert Permissions(secret_folders=("/vault",)).permits_secret(Path(path), [Path("/m")]) is allowed


@pytest.mark.parametrize("path", ["/proc/self/environ", "/sys/x", "/dev/fd/0"])
def test_no_permission_opens_the_systems_own_files(path):
    assert not Permissions(secret_folders=("/",)).permits_secret(Path(path), [Path("/")])
