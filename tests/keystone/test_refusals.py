"""What a real Keystone refuses or gives otherwise ends before the first write, with one line."""

import pytest

LOGIN = 'auth_url: "URL", username: deployer, domain: acme'
FIRST = "cloud 'otc': "


@pytest.fixture
def refused(keystone, deployer):
    """`refused(cloud, code, text, ...)`: run, and expect one line, no write, and nothing left behind."""

    def check(cloud, code, text, *, logins, **variables):
        deployer.manifest(cloud.replace("URL", keystone.url).replace("CA", str(deployer.ca_file)))
        result = deployer.run(**{"PASSWORD": "Secret-of-deployer-1", **variables})
        assert result.code == code, result.err
        assert text in result.err
        assert result.err.count("\n") == 1, result.err
        assert result.out == ""
        assert "Secret-of" not in result.err
        assert keystone.writes() == set()
        assert len(keystone.notes("login")) == logins
        assert deployer.left() == []

    return check


def test_a_wrong_password_is_tried_once(refused):
    cloud = '{region: eu-de, project: eu-de, ca_file: CA, auth: {LOGIN, password: "${secret:env:PASSWORD}"}}'
    text = FIRST + "login at https://iam.example.test"
    refused(cloud.replace("LOGIN", LOGIN), 5, text, logins=1, PASSWORD="Secret-of-nobody")


def test_a_project_without_a_role_is_refused(refused):
    cloud = '{region: eu-de, project: none, ca_file: CA, auth: {LOGIN, password: "${secret:env:PASSWORD}"}}'
    refused(cloud.replace("LOGIN", LOGIN), 5, "was refused (HTTP 401", logins=1)


@pytest.mark.parametrize("said", ["project: eu-de", "project_id: ID"])
def test_a_token_of_another_project_than_was_meant_names_both(refused, keystone, said):
    """An application credential has a project of its own, whatever else is said."""
    variables = {
        "OS_AUTH_URL": keystone.url,
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_APPLICATION_CREDENTIAL_ID": keystone.ids["application credential"],
        "OS_APPLICATION_CREDENTIAL_SECRET": "Secret-of-application-1",
    }
    given = f"the login gave a token of project 'eu-de_shop' (id {keystone.ids['eu-de_shop']}); correct one of them"
    said = said.replace("ID", keystone.ids["eu-de"])
    meant = f"project_id {keystone.ids['eu-de']} is meant" if "_id" in said else "project 'eu-de' is meant"

    refused(f"{{region: eu-de, ca_file: CA, {said}}}", 2, f"{FIRST}{meant}, but {given}", logins=1, **variables)


def test_a_region_without_cce_is_refused(refused):
    cloud = '{region: eu-xx, project: eu-de, ca_file: CA, auth: {LOGIN, password: "${secret:env:PASSWORD}"}}'
    refused(cloud.replace("LOGIN", LOGIN), 2, "the service catalogue names no CCE for region eu-xx", logins=1)


def test_a_login_that_gives_a_token_of_no_project_is_refused(refused, keystone):
    variables = {
        "OS_AUTH_URL": keystone.url,
        "OS_USERNAME": "deployer",
        "OS_PASSWORD": "Secret-of-deployer-1",
        "OS_USER_DOMAIN_NAME": "acme",
        "OS_DOMAIN_NAME": "acme",
    }
    refused("{region: eu-de, ca_file: CA}", 2, "gave a token of no project; name the project", logins=1, **variables)


def test_an_unknown_issuer_is_named(refused):
    cloud = '{region: eu-de, project: eu-de, auth: {LOGIN, password: "${secret:env:PASSWORD}"}}'
    text = "its certificate cannot be verified: unable to get local issuer certificate; give the issuer as ca_file"
    refused(cloud.replace("LOGIN", LOGIN), 1, text, logins=0)


def test_a_bundle_that_is_not_there_is_named(refused, keystone):
    variables = {"OS_AUTH_URL": keystone.url, "OS_USERNAME": "deployer", "OS_PASSWORD": "Secret-of-deployer-1"}
    variables |= {"OS_USER_DOMAIN_NAME": "acme", "OS_PROJECT_NAME": "eu-de", "OS_CACERT": "/nowhere/ca.pem"}
    refused("{region: eu-de}", 2, "ca_file '/nowhere/ca.pem' cannot be used: No such file", logins=0, **variables)
