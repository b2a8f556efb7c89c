import pytest
import requests

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.credentials import Endpoint
from batch_deployer.transport.auth.service_catalog import cce_endpoint
from batch_deployer.transport.tls import checked, is_loopback, proxy_for


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


NO_PROXY = [
    "", "*", "cce.example.com", ".example.com", "example.com", "EXAMPLE.com", "ample.com", "cce.example.com:8443",
    "cce.example.com:1", " a , cce.example.com ", "10.0.0.0/8", "10.1.2.3", "10.0.0.0/99", "10.1.2.0/24,x", "192.168.0.0/16",
    "localhost", "a,,b",
]  # fmt: skip
URLS = [
    "https://cce.example.com", "https://cce.example.com:8443/x", "https://10.1.2.3", "https://10.1.2.3:444",
    "https://other.org", "https://notexample.com",
]  # fmt: skip
PROXIES = [
    {"HTTPS_PROXY": "http://p:1"}, {"https_proxy": "http://p:1"}, {"ALL_PROXY": "http://p:1"}, {"all_proxy": "http://p:1"},
    {"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://q:2"}, {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"},
    {"HTTP_PROXY": "http://p:1"}, {"https_proxy": "", "ALL_PROXY": "http://q:2"},
]  # fmt: skip


@pytest.mark.parametrize("proxies", PROXIES, ids=str)
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_proxy_of_a_url_is_the_one_that_requests_would_use(monkeypatch, proxies, url, name):
    for variable, text in proxies.items():
        monkeypatch.setenv(variable, text)
    for excluded in NO_PROXY:
        monkeypatch.setenv(name, excluded)
        with requests.Session() as session:
            settings = session.merge_environment_settings(url, {}, None, None, None)
            assert proxy_for(url) == (requests.utils.select_proxy(url, settings["proxies"]) or ""), excluded


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("10.0.0.9:3128", "http://10.0.0.9:3128"),
        ("proxy", "http://proxy"),
        ("//proxy:3128", "http://proxy:3128"),
        ("user:pw@proxy:3128", "http://user:pw@proxy:3128"),
        (" http://proxy:3128 ", "http://proxy:3128"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("https://proxy:3128", "https://proxy:3128"),
    ],
)
def test_a_proxy_may_be_written_without_a_scheme(monkeypatch, text, proxy):
    monkeypatch.setenv("HTTPS_PROXY", text)
    assert proxy_for("https://cce.example.com") == proxy


@pytest.mark.parametrize(
    "text",
    [
        "http://proxy:99999", "http://proxy:0", "http://proxy:port", "http://", "http://[::1", "socks5://proxy:1080",
        "socks5h://proxy:1080", "ftp://proxy", "http:///path", "://proxy", "http://s3cret@", "http://u:s3cret@:80", "proxy:99999",
        "http://pro\nxy:80", "http://pro xy:80", "http://a..b:80", "http://.:80", f"http://{'a' * 70}:80",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_bad_input_that_names_the_variable(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(
        InputError, match=rf"^{name} names no proxy that can be used; write http://HOST:PORT"
    ) as refused:
        proxy_for("https://cce.example.com")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("excluded", "direct"), [("2001:db8::/32", True), ("[2001:db8::7]", True), ("2001:db9::/32", False), ("x", False)]
)
def test_no_proxy_holds_networks_of_ipv6_too(monkeypatch, excluded, direct):
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", excluded)
    assert (proxy_for("https://[2001:db8::7]:8443") == "") is direct


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
    with pytest.raises(InputError, match=message):
        cce_endpoint(catalogue, region, "cloud 'c'")
