"""`check` at a real Keystone: what a login comes to is shown, and a refused one is tried once."""

import json
import time

ENTRY = """
clouds:
  otc:
    region_name: eu-de
    cacert: CA
    auth: {auth_url: URL, username: deployer, password: PASSWORD, user_domain_name: acme, project_name: eu-de_shop}
"""


def checked(keystone, deployer, password, code, **variables):
    text = ENTRY.replace("CA", str(deployer.ca_file)).replace("URL", keystone.url).replace("PASSWORD", password)
    deployer.clouds(text)
    deployer.manifest("{cloud: otc}")
    arguments = ("check", "m.yaml", "--format", "json", "--wait", "1s", "--max-writes", "50/s", "--max-reads", "100/s")
    result = deployer.run(*arguments, **variables)
    assert result.code == code, result.err + result.out
    assert "Secret-of" not in result.out + result.err
    assert keystone.writes() == set()
    # stevedore, by which keystoneauth finds its plugins, caches what is installed in ~/.cache.
    assert {path.name for path in deployer.folder.iterdir()} - {".cache"} == {"clouds.yaml", "hosts", "m.yaml"}
    return json.loads(result.out)["clouds"][0]


def test_what_a_login_came_to_is_shown(keystone, deployer):
    found = checked(keystone, deployer, "Secret-of-deployer-1", 0)

    assert found["endpoint"] == f"https://cce-eu-de-public.example.test:{keystone.port}"
    assert found["auth_url"] == keystone.url
    assert (found["region"], found["project"], found["project_id"]) == (
        "eu-de",
        "eu-de_shop",
        keystone.ids["eu-de_shop"],
    )
    assert found["user"] == "deployer"
    assert found["tls"] == str(deployer.ca_file)
    assert found["config_files"] == [str(deployer.folder / "clouds.yaml")]
    end = time.mktime(time.strptime(found["token_expires"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 3000 < end - time.time() < 3700
    assert found["readable"] == {"clusters": True, "charts": True, "releases": True}
    assert found["clusters"] == {"one": "Available", "two": "Available"}
    assert found["charts"] == {"c-1": True}
    assert len(keystone.notes("login")) == 1


def test_a_wrong_password_is_tried_once(keystone, deployer):
    found = checked(keystone, deployer, "Secret-of-nobody", 5)

    assert "user 'deployer' of domain 'acme' was refused (HTTP 401" in found["problems"][0]
    assert [note["status"] for note in keystone.notes("login")] == [401]
