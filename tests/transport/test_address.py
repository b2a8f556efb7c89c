import pytest

from batch_deployer.errors import BadInput
from batch_deployer.transport.address import checked, is_loopback, proxy_for
from batch_deployer.transport.auth.catalogue import cce_endpoint
from batch_deployer.transport.auth.tokens import Endpoint


@pytest.mark.parametrize(
    "url", ["https://cce.example.com/", "https://cce.example.com:8443", "http://[::1]:80", "http://localhost:1/"]
)
def test_encrypted_and_local_addresses_are_taken_without_their_slash(url):
    assert checked(url, "endpoint") == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1", True),
        ("http://127.9.9.9:80", True),
        ("http://localhost", True),
        ("http://[::1]", True),
        ("http://localhost.evil.com", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://2130706433", False),
    ],
)
def test_loopback_is_told_by_the_text_alone(url, local):
    assert is_loopback(url) is local


def test_the_environments_proxy_serves_remote_hosts_except_those_it_leaves_out(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "internal.example.com")

    assert proxy_for("https://cce.example.com") == "http://proxy:3128"
    assert proxy_for("https://internal.example.com") == ""
    assert proxy_for("https://127.0.0.1:8443") == ""


def entry(kind, region, url):
    return Endpoint(type=kind, region=region, url=url)


CATALOGUE = [
    entry("cce", "eu-de", "https://old.eu-de/api/v1"),
    entry("ccev2.0", "eu-de", "https://cce.eu-de/$(project_id)s"),
    entry("ccev2.0", "eu-nl", "https://cce.eu-nl"),
    entry("containerengine", "eu-ch2", "https://cce.eu-ch2/api/v1"),
]


@pytest.mark.parametrize(
    ("region", "url"),
    [("eu-de", "https://cce.eu-de"), ("eu-nl", "https://cce.eu-nl"), ("eu-ch2", "https://cce.eu-ch2")],
)
def test_the_newest_catalogue_entry_of_the_region_counts_without_its_path(region, url):
    assert cce_endpoint(CATALOGUE, region, "cloud 'c'") == url


def test_a_catalogue_with_one_region_needs_none_named():
    assert cce_endpoint(CATALOGUE[:2], "", "cloud 'c'") == "https://cce.eu-de"


@pytest.mark.parametrize(
    ("catalogue", "region", "message"),
    [
        (CATALOGUE, "", r"cloud 'c': CCE is offered in several regions \(eu-de, eu-nl\); give region"),
        (CATALOGUE, "mars", "cloud 'c': the service catalogue names no CCE for region mars; give endpoint"),
        ([], "", "cloud 'c': the service catalogue names no CCE; give endpoint"),
    ],
)
def test_a_catalogue_that_does_not_settle_the_endpoint_is_bad_input(catalogue, region, message):
    with pytest.raises(BadInput, match=message):
        cce_endpoint(catalogue, region, "cloud 'c'")
