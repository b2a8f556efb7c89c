"""A good manifest's meaning: merging, interpolation, clouds, limits, profiles, tables."""

import json

import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.model.deployment import OnExisting, OnFailure
from batch_deployer.model.helm_values import render
from batch_deployer.plan.builder import build_plan
from batch_deployer.settings import IntOrPercent, Rate

ONE = "a870253f-5dc7-11ee-bf71-0255ac100b03"
HEAD = f"""name: x
clouds: {{a: {{cloud: otc}}}}
clusters:
  - {{id: {ONE}, name: c1, tags: {{env: prod, odd: "a\\"b${{env:DOLLAR}}"}}}}
"""
REL = 'releases: [{name: web, chart: {name: web, version: 1.0.0}, targets: "*"}]\n'


def values(plan, key=None):
    found = [each for each in plan.deployments if key is None or key in each.key]
    return json.loads(found[0].release.values_json)


def test_values_merge_in_the_order_of_the_reference(loaded):
    text = (
        "name: x\nclouds: {a: {cloud: otc}}\n"
        "defaults: {release: {values: {who: defaults, a: 1, f: 0, m: {d: 1}, l: [1, 2]}, values_files: [d.yaml]}}\n"
        f"clusters: [{{id: {ONE}, name: c1, values: {{who: cluster, d: 4, m: {{k: 4}}}}}}]\n"
        "releases:\n"
        "  - name: web\n"
        "    chart: {name: web, version: 1.0.0}\n"
        "    values: {who: release, c: 3, m: {r: 3, d: null}, l: [3]}\n"
        "    values_files: [r.yaml]\n"
        '    targets: "*"\n'
        "deployments: [{cluster: c1, release: web, values: {who: deployment, e: 5, c: null}}]\n"
    )
    files = {"d.yaml": "who: file\nf: 1\nb: 2\nm: {f: 2}\n", "r.yaml": "b: 22\n"}
    assert values(build_plan(loaded(text, files))) == {
        "who": "deployment",
        "a": 1,
        "f": 1,
        "b": 22,
        "d": 4,
        "e": 5,
        "m": {"f": 2, "r": 3, "k": 4, "d": None},
        "l": [3],
        "c": None,
    }


def test_placeholders_bring_text_that_is_never_read_again(loaded):
    text = HEAD + (
        "releases:\n"
        "  - name: web\n"
        "    chart: {name: web, version: 1.0.0}\n"
        '    targets: "*"\n'
        '    description: "web of ${cluster.name}, $${kept}"\n'
        "    values:\n"
        "      name: ${cluster.name}/${cluster.id}/${cluster.cloud}/${release.name}/${release.namespace}/${release.version}\n"
        "      odd: ${cluster.tags.odd}\n"
        "      env: ${env:DOLLAR}\n"
        "      literal: $${cluster.name}\n"
        "      secret: ${secret:env:PW}\n"
    )
    manifest = loaded(text, environ={"DOLLAR": "${secret:env:PW}", "PW": "hunter2"})
    [deployment] = build_plan(manifest).deployments
    assert "hunter2" not in repr(manifest) + repr(deployment)
    assert deployment.release.description == "web of c1, ${kept}"
    assert json.loads(render(deployment.release.values_json, {"env:PW": "hunter2"}.__getitem__)) == {
        "name": f"c1/{ONE}/a/web/default/1.0.0",
        "odd": 'a"b${secret:env:PW}',
        "env": "${secret:env:PW}",
        "literal": "${cluster.name}",
        "secret": "hunter2",
    }


def test_clusters_for_which_the_placeholders_bring_the_same_share_one_spec(loaded):
    text = (
        HEAD.replace("${env:DOLLAR}", "")
        + f"  - {{id: {ONE[:-1]}4, name: c2, tags: {{env: prod}}}}\n"
        + (f"  - {{id: {ONE[:-1]}5, name: c3, tags: {{env: dev}}}}\n")
    )
    text += REL.replace("targets", "values: {e: '${cluster.tags.env}'}, targets")
    first, second, third = (each.release for each in build_plan(loaded(text)).deployments)
    assert first is second
    assert (first.values_json, third.values_json) == ('{"e":"prod"}', '{"e":"dev"}')


def test_a_secret_file_is_remembered_by_its_absolute_path(loaded, folder):
    text = HEAD.replace("${env:DOLLAR}", "") + REL.replace("targets", "values: {k: '${secret:file:s/k}'}, targets")
    plan = build_plan(loaded(text, {"s/k": "x"}))
    assert values(plan) == {"k": f"${{secret:file:{folder.resolve()}/s/k}}"}


def test_the_defaults_of_a_release_give_way_to_its_own_and_those_to_a_deployments(loaded):
    text = HEAD.replace("${env:DOLLAR}", "") + (
        "defaults: {release: {namespace: infra, timeout: 1m, on_existing: skip, on_failure: rollback, priority: 1,"
        " parameters: {no_hooks: true, dry_run: true}}}\n"
        "releases: [{name: web, chart: {name: web}, version: 1.0.0, timeout: 2m, targets: '*',"
        " parameters: {dry_run: false, name_template: ''}}]\n"
        "deployments: [{cluster: c1, release: web, on_existing: fail, version: 2.0.0, parameters: {reset_values: true}}]\n"
    )
    [deployment] = build_plan(loaded(text)).deployments
    release = deployment.release
    assert deployment.key == f"{ONE}/infra/web"
    assert (release.timeout, release.on_existing, release.on_failure) == (120.0, OnExisting.FAIL, OnFailure.ROLLBACK)
    assert (release.version, release.priority) == ("2.0.0", 1)
    assert release.parameters.as_body() == {"dry_run": False, "no_hooks": True, "reset_values": True}


@pytest.mark.parametrize(
    ("written", "method", "options"),
    [
        ("{cloud: otc}", "clouds", {"cloud": "otc"}),
        ("{}", "environment", {}),
        (
            "{endpoint: https://h/, auth: {token: '${secret:env:SET}'}}",
            "token",
            {"token": "${secret:env:SET}"},
        ),
        (
            "{project: p, auth: {auth_url: https://i/v3, username: u, password: '${secret:env:SET}', domain: d}}",
            "password",
            {
                "auth_url": "https://i/v3",
                "username": "u",
                "password": "${secret:env:SET}",
                "user_domain": "d",
                "project": "p",
            },
        ),
        (
            "{auth: {username: u, password: '${secret:env:SET}', agency: g, agency_domain: x}}",
            "agency",
            {"username": "u", "password": "${secret:env:SET}", "agency": "g", "agency_domain": "x"},
        ),
        (
            "{endpoint: https://h, auth: {access_key: AK, secret_key: '${secret:env:SET}', form: legacy}}",
            "aksk",
            {"access_key": "AK", "secret_key": "${secret:env:SET}", "form": "legacy"},
        ),
        (
            "{endpoint: http://127.0.0.1:1, auth: {token: demo}}",
            "token",
            {"token": "demo"},
        ),
    ],
)
def test_the_method_of_auth_follows_from_its_keys(loaded, written, method, options):
    text = HEAD.replace("${env:DOLLAR}", "").replace("{cloud: otc}", written) + REL
    auth = loaded(text).clouds["a"].auth
    assert (auth.method, auth.options) == (method, options)


def test_a_clear_demo_password_stays_out_of_what_is_printed(loaded):
    text = HEAD.replace("${env:DOLLAR}", "") + REL
    manifest = loaded(
        text.replace("cloud: otc", "endpoint: http://localhost:1, auth: {username: u, password: hunter2}")
    )
    assert manifest.clouds["a"].auth.options["password"] == "hunter2"
    assert "hunter2" not in repr(manifest)


def test_an_endpoint_keeps_no_trailing_slash(loaded):
    text = HEAD.replace("${env:DOLLAR}", "").replace("cloud: otc", "endpoint: https://h:1/") + REL
    assert loaded(text).clouds["a"].endpoint == "https://h:1"


def test_limits_of_a_cloud_lie_over_those_of_all(loaded):
    text = HEAD.replace("${env:DOLLAR}", "").replace("cloud: otc", "cloud: otc, limits: {reads: 5/s}") + REL
    limits = loaded(text + "limits: {writes: 20/min, reads: 9/s, per_cluster: 10%}\n").clouds["a"].limits
    assert (limits.writes, limits.reads) == (Rate(20, 60.0), Rate(5, 1.0))
    assert (limits.per_cluster, limits.in_flight) == (IntOrPercent(10, percent=True), IntOrPercent(64))


def test_settings_are_overridden_one_by_one(loaded):
    text = HEAD.replace("${env:DOLLAR}", "") + REL
    text += "retry: {max_writes: 2, base: 2s}\npoll: {initial_delay: 1s, growth_factor: 0.5}\nreconcile: {absence_grace: 2m}\ndeadline: 4h\n"
    settings = loaded(text).settings
    assert (settings.retry.max_writes, settings.retry.base, settings.retry.cap) == (2, 2.0, 60.0)
    assert (settings.poll.initial_delay, settings.poll.growth_factor, settings.reconcile.absence_grace) == (
        1.0,
        0.5,
        120.0,
    )
    assert settings.deadline == 14400.0


PROFILE = """limits: {writes: 10/min, reads: 5/s}
rollout: {max_failures: 5%, systemic: 4, waves: [{name: canary, count: 1}]}
profiles:
  dr:
    limits: {writes: 50/min}
    rollout: {max_failures: 50%, waves: [{name: all}]}
    defaults: {release: {on_failure: rollback}}
    releases: {"w*": {priority: 7, on_existing: skip}, web: {timeout: 1h, max_failures: 2}}
    retry: {give_up_after: 30m}
"""


def test_a_profile_lies_over_limits_waves_and_policies(loaded):
    text = HEAD.replace("${env:DOLLAR}", "") + REL + PROFILE
    plain, dr = build_plan(loaded(text)), build_plan(loaded(text, profile="dr"))
    assert [wave.name for wave in plain.waves] == ["canary"]
    assert [wave.name for wave in dr.waves] == ["all"]
    assert (dr.clouds["a"].limits.writes, dr.clouds["a"].limits.reads) == (Rate(50, 60.0), Rate(5, 1.0))
    assert (dr.gates.max_failures, dr.gates.systemic) == (IntOrPercent(50, percent=True), 4)
    assert dr.release_budgets == {"web": IntOrPercent(2)}
    release = dr.deployments[0].release
    assert (release.priority, release.timeout, release.on_existing) == (7, 3600.0, OnExisting.SKIP)
    assert release.on_failure is OnFailure.ROLLBACK
    assert dr.settings.retry.give_up_after == 1800.0
    assert plain.deployments[0].release.priority == 0


def test_a_profile_is_checked_even_when_it_is_not_chosen(loaded):
    with pytest.raises(InputError, match="did you mean `limits`"):
        loaded(HEAD.replace("${env:DOLLAR}", "") + REL + "profiles: {dr: {limit: {}}}\n")


def test_a_link_out_of_the_folder_is_refused(loaded, folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "v.yaml"
    outside.write_text("a: 1\n")
    (folder / "v.yaml").symlink_to(outside)
    with pytest.raises(InputError, match="lies outside the folder of the manifest"):
        loaded(HEAD.replace("${env:DOLLAR}", "") + REL.replace("targets", "values_files: [v.yaml], targets"))


def test_a_link_within_the_folder_is_followed(loaded, folder):
    (folder / "v.yaml").symlink_to("real.yaml")
    text = HEAD.replace("${env:DOLLAR}", "") + REL.replace("targets", "values_files: [v.yaml], targets")
    assert values(build_plan(loaded(text, {"real.yaml": "a: 1\n"}))) == {"a": 1}


def test_a_manifest_may_be_json(folder):
    tree = {
        "name": "x",
        "clouds": {"a": {"cloud": "otc"}},
        "clusters": [{"id": ONE}],
        "releases": [{"name": "web", "chart": {"id": "abc"}, "version": "1.0.0", "targets": "*"}],
    }
    (folder / "m.json").write_text(json.dumps(tree, indent="\t"))
    [deployment] = build_plan(load("m.json", {})).deployments
    assert deployment.cluster.name == ONE


def test_a_missing_manifest_is_one_clear_fault(folder):
    with pytest.raises(InputError) as caught:
        load("nope.yaml", {})
    assert str(caught.value) == "nope.yaml: cannot be read: No such file or directory"


def test_a_manifest_that_is_a_folder_is_one_clear_fault(folder):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(folder, {})
