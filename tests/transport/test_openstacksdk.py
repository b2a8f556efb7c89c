"""Configurations as openstacksdk reads them: the same identity service, project, region, endpoint and interface, or a refusal."""

import os

import pytest
import yaml
from openstack.config import OpenStackConfig

from batch_deployer.errors import InputError
from batch_deployer.transport.auth.openstack_config import Source, read_entry

pytestmark = pytest.mark.filterwarnings("ignore::Warning:openstack")
USER = {"username": "robot", "password": "pw", "user_domain_name": "D"}
AUTH = {"auth_url": "https://iam.example.com/v3", "project_name": "eu-de", **USER}


def entry(auth=AUTH, **more):
    return {"auth": dict(auth), **more}


def without(*names):
    return {name: text for name, text in AUTH.items() if name not in names}


REGIONS = [
    "eu-de",
    {
        "name": "eu-nl",
        "values": {
            "auth": {"auth_url": "https://iam.eu-nl.example.com/v3", "project_name": "eu-nl"},
            "interface": "internal",
        },
    },
]
CLOUDS = {
    "plain": (entry(region_name="eu-de"), {}),
    "no-region": (entry(), {}),
    "region-of-the-manifest": (entry(), {"region": "eu-nl"}),
    "region-said-twice": (entry(region_name="eu-de"), {"region": "eu-de"}),
    "beside-auth": ({**AUTH, "region_name": "eu-de"}, {}),
    "half-beside-auth": ({"auth": without("password", "project_name"), "password": "pw", "project_name": "eu-de"}, {}),
    "dashes": ({"auth": without("project_name") | {"project-name": "eu-de"}, "region-name": "eu-de"}, {}),
    "tenant": (entry(without("project_name") | {"tenant_name": "eu-de"}), {}),
    "project-id": (entry(without("project_name") | {"project_id": "p1"}), {}),
    "project-id-and-name": (entry(AUTH | {"project_id": "p1"}), {}),
    "domain-once": (entry(without("user_domain_name") | {"domain_name": "D"}), {}),
    "regions-first": (entry(regions=REGIONS), {}),
    "regions-second": (entry(regions=REGIONS), {"region": "eu-nl"}),
    "regions-texts": (entry(regions=["eu-de", "eu-nl"]), {"region": "eu-nl"}),
    "regions-and-region": (entry(regions=["eu-de", "eu-nl"], region_name="eu-nl"), {"region": "eu-de"}),
    "regions-by-comma": (entry(region_name="eu-de,eu-nl"), {"region": "eu-nl"}),
    "profile": (entry(without("auth_url"), profile="otc"), {}),
    "profile-region": (entry(without("auth_url"), profile="otc"), {"region": "eu-nl"}),
    "profile-own-region": (entry(without("auth_url"), profile="otc", region_name="eu-nl"), {}),
    "region-in-the-url": (entry(AUTH | {"auth_url": "https://iam.{region_name}.example.com/v3"}, region_name="eu-de"), {}),
    "interface": (entry(interface="internal"), {}),
    "interface-of-cce": (entry(interface="internal", cce_interface="admin"), {}),
    "interfaces": (entry(interface=["internal", "public"]), {}),
    "endpoint-type": (entry(endpoint_type="internal"), {}),
    "endpoint-override": (entry(cce_endpoint_override="https://cce.example.com"), {}),
    "endpoint": (entry(cce_endpoint="https://cce.example.com"), {}),
    "endpoint-both": (entry(cce_endpoint_override="https://a.example.com", cce_endpoint="https://b.example.com"), {}),
    "region-of-cce": (entry(region_name="eu-de", cce_region_name="eu-nl"), {}),
    "v3password": (entry(AUTH | {"project_domain_name": "D"}, auth_type="v3password"), {}),
    "token": (entry(without(*USER) | {"token": "t"}, auth_type="token"), {}),
    "application-credential": (
        entry(
            {"auth_url": AUTH["auth_url"], "application_credential_id": "a", "application_credential_secret": "s"},
            auth_type="v3applicationcredential",
        ),
        {},
    ),
    "access-key": (entry({"project_id": "p1"}, ak="AK", sk="SK", region_name="eu-de", cce_endpoint="https://cce.example.com"), {}),
    "project-of-the-manifest": (entry(), {"project": "eu-de_shop"}),
    "project-of-the-manifest-over-an-id": (entry(without("project_name") | {"project_id": "p1"}), {"project": "eu-de_shop"}),
    "project-of-the-manifest-beside-auth": ({**AUTH}, {"project": "eu-de_shop"}),
    "project-id-of-the-manifest": (entry(), {"project_id": "p9"}),
}  # fmt: skip
REFUSED = {
    "region-not-listed": (entry(regions=["eu-de"]), {"region": "eu-xx"}, "Region eu-xx is not a valid region name"),
    "another-region": (entry(region_name="eu-de"), {"region": "eu-nl"}, "Region eu-nl is not a valid region name"),
    "region-of-no-profile": (entry(without("auth_url"), profile="otc"), {"region": "xx"}, "not a valid region name"),
    "unverified": (entry(verify=False), {}, "TLS cannot be left unverified"),
    "plain-http": (entry(AUTH | {"auth_url": "http://iam.example.com/v3"}), {}, "is not encrypted"),
    "version-2": (entry(AUTH | {"auth_url": "https://iam.example.com/v2.0"}), {}, "version 2"),
    "no-password": (entry(without("password")), {}, "needs password"),
    "no-user": (entry(without("username")), {}, "needs username or user_id"),
    "no-token": (entry({}, auth_type="none"), {}, "brings no token"),
}
"""What openstacksdk takes or refuses later, and we refuse at once."""


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    from openstack.config import loader

    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    for kind in ("CONFIG_FILES", "SECURE_FILES", "VENDOR_FILES"):
        monkeypatch.setattr(loader, kind, [])
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(tmp_path / "clouds.yaml")])


def arguments(manifest):
    """What a user of openstacksdk would write for the manifest's words."""
    auth = {
        name: manifest[given] for given, name in (("project", "project_name"), ("project_id",) * 2) if given in manifest
    }
    more = {"region_name": manifest["region"]} if "region" in manifest else {}
    return more | {"auth": auth} if auth else more


def seen(region, manifest):
    """What matters of openstacksdk's view."""
    auth = {**region.config["auth"]}
    interface = region.get_interface("cce")
    return {
        "auth_url": auth.get("auth_url", ""),
        "project": "" if auth.get("project_id") and "project" not in manifest else auth.get("project_name", ""),
        "project_id": "" if "project" in manifest else auth.get("project_id", ""),
        "region": region.get_region_name("cce") or "",
        "endpoint": region.get_endpoint("cce") or "",
        "interfaces": tuple(interface if isinstance(interface, list) else [interface]),
    }


def ours(entry):
    return {
        "auth_url": entry.auth_url,
        "project": entry.project,
        "project_id": entry.project_id,
        "region": entry.region,
        "endpoint": entry.endpoint,
        "interfaces": entry.interfaces,
    }


@pytest.mark.parametrize(("settings", "manifest"), CLOUDS.values(), ids=CLOUDS)
def test_clouds_yaml_comes_to_what_openstacksdk_makes_of_it(tmp_path, settings, manifest):
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"c": settings}}))
    key = "ak" in settings
    # Settings beside `auth` go before arguments in it, so a project that is named there is taken out for the comparison.
    told = arguments(manifest)
    if "project" in manifest and "project_name" in settings:
        told["project_name"] = manifest["project"]
    expected = seen(OpenStackConfig().get_one(cloud="c", validate=not key, **told), manifest)

    found = read_entry(Source(who="cloud 'c'", label="entry 'c'", cloud="c", **manifest))

    assert ours(found) == expected
    assert (found.key is not None) == key


@pytest.mark.parametrize(("settings", "manifest", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_its_place(tmp_path, settings, manifest, message):
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"c": settings}}))

    with pytest.raises(InputError, match=message) as refused:
        read_entry(Source(who="cloud 'c'", label="entry 'c' of clouds.yaml", cloud="c", **manifest))

    assert str(refused.value).startswith("cloud 'c'")
    assert "\n" not in str(refused.value)


VARIABLES = {
    "password": AUTH,
    "region": AUTH | {"region_name": "eu-de"},
    "tenant": without("project_name") | {"tenant_name": "eu-de"},
    "project-id": without("project_name") | {"project_id": "p1"},
    "default-domain": without("user_domain_name") | {"domain_name": "D"},
    "interface": AUTH | {"interface": "internal"},
    "endpoint": AUTH | {"cce_endpoint_override": "https://cce.example.com"},
    "region-in-the-url": AUTH | {"auth_url": "https://iam.{region_name}.example.com/v3", "region_name": "eu-de"},
}


@pytest.mark.parametrize(
    "manifest", [{}, {"project": "eu-de_shop"}, {"project_id": "p9"}, {"region": "eu-de"}], ids=str
)
@pytest.mark.parametrize("variables", VARIABLES.values(), ids=VARIABLES)
def test_variables_come_to_what_openstacksdk_makes_of_them(monkeypatch, variables, manifest):
    for name, text in variables.items():
        monkeypatch.setenv(f"OS_{name.upper()}", text)
    told = {name: text for name, text in arguments(manifest).items() if name != "auth"}
    # Each variable stands beside `auth`, so the manifest's words do too.
    told |= {"project_name": manifest.get("project"), "project_id": manifest.get("project_id")}
    expected = seen(OpenStackConfig().get_one(**told), manifest)

    found = read_entry(Source(who="cloud 'c'", label="the OS_* variables", **manifest))

    assert ours(found) == expected
    assert "pw" in found.secrets


@pytest.mark.parametrize("manifest", [{"project": "eu-de"}, {"project_id": "p1", "region": "eu-de"}], ids=str)
def test_a_manifests_own_auth_comes_to_what_openstacksdk_makes_of_its_arguments(monkeypatch, manifest):
    monkeypatch.setenv("OS_PROJECT_ID", "of-somebody-else")
    auth = without("project_name")
    config = OpenStackConfig(load_yaml_config=False, load_envvars=False)
    told = arguments(manifest)
    expected = seen(config.get_one(**told | {"auth": auth | told["auth"]}), manifest)

    found = read_entry(Source(who="cloud 'c'", label="auth", auth=auth, **manifest))

    assert ours(found) == expected


def test_every_secret_is_handed_over(tmp_path):
    settings = entry(AUTH | {"passcode": "123456"}, ak="AK", sk="secret-key", security_token="session-token")
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"c": settings}}))
    found = read_entry(Source(who="cloud 'c'", label="entry 'c'", cloud="c"))
    assert set(found.secrets) == {"pw", "123456", "secret-key", "session-token"}
