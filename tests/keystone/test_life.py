"""Tokens that end and a Keystone that is out of order."""

import itertools

LOGIN = 'region: eu-de, project: eu-de, auth: {auth_url: "URL", username: deployer, domain: acme, password: "${secret:env:PASSWORD}"}'
WAVES = """\
rollout:
  waves:
    - {name: canary, clusters: {tier: canary}, soak: 24s}
    - {name: rest}
"""
RUN = ("run", "m.yaml", "--yes", "--state-dir", "state")


def cloud(keystone, deployer):
    return f"{{ca_file: {deployer.ca_file}, {LOGIN.replace('URL', keystone.url)}}}"


def test_no_call_leaves_with_a_token_whose_life_has_ended(serve, deployer):
    # Renewed 2 s before its end, the time that one call and its validation may take. A token that
    # lives 10 s or less is renewed only at its end, so a call under way could be refused.
    keystone = serve(expiration=20)
    deployer.manifest(cloud(keystone, deployer), WAVES)

    result = deployer.run(PASSWORD="Secret-of-deployer-1")

    assert result.code == 0, result.err
    calls = keystone.notes("call")
    gaps = [later["at"] - sooner["at"] for sooner, later in itertools.pairwise(calls)]
    assert max(gaps) > 20, "the run was never quiet for as long as a token lives"
    assert 401 not in {note["status"] for note in calls}
    assert len(keystone.notes("login")) > 1


def test_the_pauses_between_logins_grow_while_the_service_is_out_of_order(serve, deployer, until):
    keystone = serve()
    (keystone.folder / "outage").touch()
    deployer.manifest(cloud(keystone, deployer))
    process = deployer.start(*RUN, PASSWORD="Secret-of-deployer-1")

    until(lambda: len(keystone.notes("login")) == 3)
    (keystone.folder / "outage").unlink()
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, out + err
    logins = keystone.notes("login")
    assert [note["status"] for note in logins] == [503, 503, 503, 201]
    gaps = [later["at"] - sooner["at"] for sooner, later in itertools.pairwise(logins)]
    assert all(gap > 0.95 * pause for gap, pause in zip(gaps, (1, 2, 4), strict=True)), gaps
    assert "keystoneauth" not in err
