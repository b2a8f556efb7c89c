"""Wherever a login's settings stand, the write goes to the project that they mean, in a real Keystone."""

import pytest

USER = {"OS_USERNAME": "deployer", "OS_PASSWORD": "Secret-of-deployer-1", "OS_USER_DOMAIN_NAME": "acme"}
SHOP = ("cce-eu-de-public", "eu-de_shop")
ENTRY = """
clouds:
  otc:
    region_name: eu-de
    auth: {auth_url: URL, username: deployer, password: Secret-of-deployer-1, user_domain_name: acme, project_name: eu-de_shop}
"""
REGIONS = """
clouds:
  otc:
    auth: {auth_url: URL, username: deployer, password: Secret-of-deployer-1, user_domain_name: acme, project_name: eu-de_shop}
    regions:
      - eu-de
      - {name: eu-nl, values: {auth: {project_name: eu-nl}}}
"""
BY_ENVIRONMENT = {
    "project-name": ("{region: eu-de}", USER | {"OS_PROJECT_NAME": "eu-de_shop"}, SHOP),
    "project-id": ("{region: eu-de}", USER | {"OS_PROJECT_ID": "ID:eu-de_shop"}, SHOP),
    "tenant-name": ("{region: eu-de}", USER | {"OS_TENANT_NAME": "eu-de_shop"}, SHOP),
    "region": ("{}", USER | {"OS_PROJECT_NAME": "eu-de_shop", "OS_REGION_NAME": "eu-de"}, SHOP),
    "user-id": (
        "{region: eu-de}",
        {"OS_USER_ID": "ID:deployer", "OS_PASSWORD": USER["OS_PASSWORD"], "OS_PROJECT_ID": "ID:eu-de_shop"},
        SHOP,
    ),
    "domains-outright": (
        "{region: eu-de}",
        USER | {"OS_PROJECT_NAME": "eu-de", "OS_PROJECT_DOMAIN_NAME": "other"},
        ("cce-eu-de-public", "eu-de of other"),
    ),
    "domain-id": (
        "{region: eu-de}",
        {"OS_USERNAME": "deployer", "OS_PASSWORD": USER["OS_PASSWORD"], "OS_USER_DOMAIN_ID": "ID:acme"}
        | {"OS_PROJECT_NAME": "eu-de_shop"},
        SHOP,
    ),
    "v3password": ("{region: eu-de}", USER | {"OS_PROJECT_NAME": "eu-de_shop", "OS_AUTH_TYPE": "v3password"}, SHOP),
    "application-credential": (
        "{region: eu-de}",
        {
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": "ID:application credential",
            "OS_APPLICATION_CREDENTIAL_SECRET": "Secret-of-application-1",
        },
        SHOP,
    ),
    "the-manifests-project": ("{region: eu-de, project: eu-de}", USER | {"OS_PROJECT_NAME": "eu-de_shop"}, ("cce-eu-de-public", "eu-de")),
    "the-manifests-project-over-an-id": (
        "{region: eu-de, project: eu-de}",
        USER | {"OS_PROJECT_ID": "ID:eu-de_shop"},
        ("cce-eu-de-public", "eu-de"),
    ),
    "internal": ("{region: eu-de}", USER | {"OS_PROJECT_NAME": "eu-de_shop", "OS_INTERFACE": "internal"}, ("cce-eu-de-internal", "eu-de_shop")),
    "own-endpoint": (
        "{region: eu-de}",
        USER | {"OS_PROJECT_NAME": "eu-de_shop", "OS_CCE_ENDPOINT_OVERRIDE": "https://cce-own.example.test:PORT"},
        ("cce-own", "eu-de_shop"),
    ),
}  # fmt: skip
BY_CLOUDS_YAML = {
    "plain": ("{cloud: otc}", ENTRY, SHOP),
    "project-of-the-manifest": ("{cloud: otc, project: eu-de}", ENTRY, ("cce-eu-de-public", "eu-de")),
    "project-id-of-the-manifest": ("{cloud: otc, project_id: ID:eu-de}", ENTRY, ("cce-eu-de-public", "eu-de")),
    "keys-beside-auth": (
        "{cloud: otc}",
        ("clouds: {otc: {region_name: eu-de, username: deployer, password: Secret-of-deployer-1, user_domain_name: acme,"
        " project_name: eu-de_shop, auth_url: URL}}"),
        SHOP,
    ),
    "keys-beside-auth-and-a-project": (
        "{cloud: otc, project: eu-de}",
        ("clouds: {otc: {region_name: eu-de, username: deployer, password: Secret-of-deployer-1, user_domain_name: acme,"
        " project_name: eu-de_shop, auth: {auth_url: URL}}}"),
        ("cce-eu-de-public", "eu-de"),
    ),
    "first-region": ("{cloud: otc}", REGIONS, SHOP),
    "values-of-a-region": ("{cloud: otc, region: eu-nl}", REGIONS, ("cce-eu-nl-public", "eu-nl")),
    "internal": ("{cloud: otc}", ENTRY.replace("region_name", "interface: internal\n    region_name"), ("cce-eu-de-internal", "eu-de_shop")),
    "endpoint": (
        "{cloud: otc}",
        ENTRY.replace("region_name", "cce_endpoint: 'https://cce-own.example.test:PORT'\n    region_name"),
        ("cce-own", "eu-de_shop"),
    ),
    "by-the-environment": ("{}", ENTRY, SHOP),
}  # fmt: skip
BY_MANIFEST = {
    "project-name": ("project: eu-de_shop", "domain: acme", SHOP),
    "project-id": ('project_id: "ID:eu-de_shop"', "domain: acme", SHOP),
    "project-in-auth": ("region: eu-de", "domain: acme, project: eu-de_shop", SHOP),
    "domain-id": ("project: eu-de_shop", '"domain_id": "ID:acme"', SHOP),
    "other-domain": ("project: eu-de", "domain: acme, project_domain: other", ("cce-eu-de-public", "eu-de of other")),
}


@pytest.fixture
def filled(keystone):
    """`filled(text)`: with what only the running Keystone knows."""

    def fill(text):
        text = text.replace("URL", keystone.url).replace("PORT", str(keystone.port))
        for name, found in sorted(keystone.ids.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(f"ID:{name}", found)
        return text

    return fill


def check(keystone, result, expected):
    host, project = expected
    assert result.code == 0, result.err
    assert keystone.writes() == {(host, keystone.ids[project])}
    assert [note["status"] for note in keystone.notes("login")] == [201]
    assert keystone.notes("look") == []
    assert "keystoneauth" not in result.err
    assert "Secret-of" not in result.out + result.err


@pytest.mark.parametrize(("cloud", "variables", "expected"), BY_ENVIRONMENT.values(), ids=BY_ENVIRONMENT)
def test_of_the_environment(keystone, deployer, filled, cloud, variables, expected):
    deployer.manifest(filled(cloud))
    variables = {name: filled(text) for name, text in variables.items()}

    result = deployer.run(OS_AUTH_URL=keystone.url, OS_CACERT=str(deployer.ca_file), **variables)

    check(keystone, result, expected)


@pytest.mark.parametrize(("cloud", "entry", "expected"), BY_CLOUDS_YAML.values(), ids=BY_CLOUDS_YAML)
def test_of_clouds_yaml(keystone, deployer, filled, request, cloud, entry, expected):
    deployer.manifest(filled(cloud))
    deployer.clouds(filled(entry))
    named = {"OS_CLOUD": "otc"} if cloud == "{}" else {}

    result = deployer.run(SSL_CERT_FILE=str(deployer.ca_file), **named)

    check(keystone, result, expected)


@pytest.mark.parametrize(("cloud", "auth", "expected"), BY_MANIFEST.values(), ids=BY_MANIFEST)
def test_of_the_manifest(keystone, deployer, filled, cloud, auth, expected):
    login = f'auth_url: "{keystone.url}", username: deployer, password: "${{secret:env:PASSWORD}}", {auth}'
    region = "" if "region" in cloud else "region: eu-de, "
    deployer.manifest(filled(f"{{{region}{cloud}, ca_file: {deployer.ca_file}, auth: {{{login}}}}}"))

    result = deployer.run(PASSWORD="Secret-of-deployer-1")

    check(keystone, result, expected)
