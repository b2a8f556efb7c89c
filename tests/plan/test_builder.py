"""Manifest to plan: who gets what, in which wave, what is left out, and replacement clusters."""

import uuid

import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.model.api import ClusterState
from batch_deployer.plan.builder import build_plan
from batch_deployer.settings import IntOrPercent

IDS = [str(uuid.UUID(int=n)) for n in range(1, 9)]
HEAD = "name: x\nclouds: {a: {cloud: otc}, b: {cloud: otc2}}\n"
FOUR = "clusters:\n" + "".join(
    f"  - {{id: {IDS[n]}, name: c{n + 1}, cloud: a, priority: {n}, tags: {{tier: {'canary' if n == 2 else 'core'}}}}}\n"
    for n in range(4)
)
TWO = """releases:
  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*", needs: [db], priority: 10, max_failures: 1}
  - {name: db, namespace: data, chart: {name: db, version: 1.0.0}, targets: "*"}
"""
WAVES = """rollout:
  max_failures: 5%
  waves: [{name: canary, clusters: {tier: canary}, max_failures: 0, soak: 10m}, {name: one, count: 1}, {name: rest}]
"""


@pytest.fixture
def manifest(tmp_path):
    def make(text):
        (tmp_path / "m.yaml").write_text(text)
        return load(tmp_path / "m.yaml", {})

    return make


def keys(plan):
    return [f"{each.cluster.name}/{each.release.name}" for each in plan.deployments]


def told(manifest, **options):
    with pytest.raises(InputError) as caught:
        build_plan(manifest, **options)
    return [fault.message for fault in caught.value.diagnostics]


def test_deployments_stand_in_the_order_of_clusters_then_releases(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO))
    assert keys(plan) == [f"c{n}/{release}" for n in range(1, 5) for release in ("web", "db")]
    assert plan.deployments[0].key == f"{IDS[0]}/default/web"
    assert plan.deployments[1].key == f"{IDS[0]}/data/db"
    assert [wave.name for wave in plan.waves] == ["all"]


def test_priorities_of_cluster_and_release_add_up(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO))
    assert [each.priority for each in plan.deployments] == [10, 0, 11, 1, 12, 2, 13, 3]


def test_waves_carry_their_gates_and_budgets_their_releases(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO + WAVES))
    assert [(wave.name, wave.max_failures, wave.soak) for wave in plan.waves] == [
        ("canary", IntOrPercent(0), 600.0),
        ("one", None, 0.0),
        ("rest", None, 0.0),
    ]
    assert {each.cluster.name for each in plan.deployments if each.wave == 0} == {"c3"}
    assert plan.gates.max_failures == IntOrPercent(5, percent=True)
    assert plan.release_budgets == {"web": IntOrPercent(1)}


def test_a_wave_without_clusters_is_dropped_and_told(manifest):
    plan = build_plan(manifest(HEAD + FOUR.replace("canary", "core") + TWO + WAVES))
    assert [wave.name for wave in plan.waves] == ["one", "rest"]
    assert {each.wave for each in plan.deployments} == {0, 1}
    assert plan.warnings == ('no cluster falls into wave "canary"',)


def test_clusters_that_fit_no_wave_form_a_last_one_and_are_told(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO + "rollout: {waves: [{name: canary, clusters: {tier: canary}}]}\n"))
    assert [wave.name for wave in plan.waves] == ["canary", "rest"]
    assert plan.warnings == ('3 clusters fit no wave and form a last one, "rest"',)


@pytest.mark.parametrize(
    ("limit", "exclude", "left"),
    [
        (["c1"], [], ["c1/web", "c1/db"]),
        (["db"], [], ["c1/db", "c2/db", "c3/db", "c4/db"]),
        (["c1/data/db", "c4/*"], [], ["c1/db", "c4/web", "c4/db"]),
        ([f"{IDS[1]}/default/web"], [], ["c2/web"]),
        ([IDS[2]], ["db"], ["c3/web"]),
        ([], ["c[123]", "c4/data/*"], ["c4/web"]),
    ],
)
def test_limit_and_exclude_take_globs_over_every_way_to_name_a_deployment(manifest, limit, exclude, left):
    assert keys(build_plan(manifest(HEAD + FOUR + TWO), limit=limit, exclude=exclude)) == left


def test_what_a_limit_leaves_out_is_no_longer_waited_for(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO), limit=["web", "c1"])
    assert [each.release.needs for each in plan.deployments if each.release.name == "web"] == [("data/db",), (), (), ()]
    assert plan.warnings == ('"web" needs "data/db", which was left out on 3 clusters and is taken to be there',)


def test_a_limit_does_not_move_anybody_to_another_wave(manifest):
    whole = build_plan(manifest(HEAD + FOUR + TWO + WAVES))
    some = build_plan(manifest(HEAD + FOUR + TWO + WAVES), exclude=["c3"])
    before = {each.key: whole.waves[each.wave].name for each in whole.deployments}
    assert all(before[each.key] == some.waves[each.wave].name for each in some.deployments)
    assert [wave.name for wave in some.waves] == ["one", "rest"]


def test_only_the_waves_asked_for_remain(manifest):
    plan = build_plan(manifest(HEAD + FOUR + TWO + WAVES), only_waves=["canary"])
    assert keys(plan) == ["c3/web", "c3/db"]
    assert [wave.name for wave in plan.waves] == ["canary"]


def test_all_parts_of_a_spread_wave_go_by_its_name(manifest):
    text = HEAD + FOUR + TWO + "rollout: {waves: [{name: w, spread: tier}]}\n"
    assert len(build_plan(manifest(text), only_waves=["w"]).deployments) == 8
    assert [wave.name for wave in build_plan(manifest(text), only_waves=["w-1"]).waves] == ["w-1"]


def test_options_that_fit_nothing_are_refused(manifest):
    ready = manifest(HEAD + FOUR + TWO + WAVES)
    assert told(ready, limit=["c9", "c1"]) == ['--limit "c9" matches no deployment of the manifest']
    assert told(ready, only_waves=["canry"]) == ['unknown wave "canry"; did you mean "canary"?']
    assert told(ready, exclude=["*"]) == ["the options --limit, --exclude and --wave together leave no deployment"]


ALIASES = """releases:
  - {name: web, namespace: a, alias: web-a, chart: {name: web, version: 1.0.0}, targets: "*"}
  - {name: web, namespace: b, alias: web-b, chart: {name: web, version: 1.0.0}, targets: "*"}
  - {name: cert-manager, namespace: data, chart: {name: db, version: 1.0.0}, targets: "*"}
"""


@pytest.mark.parametrize("option", ["limit", "exclude"])
@pytest.mark.parametrize(
    ("glob", "said"),
    [
        ("", ' "" is empty; name a cluster, a release, or cluster/namespace/release'),
        ("  ", ' "  " is empty; name a cluster, a release, or cluster/namespace/release'),
        ("cert-manger", ' "cert-manger" matches no deployment of the manifest; did you mean "cert-manager"?'),
        ("Cert-Manager", ' "Cert-Manager" matches no deployment of the manifest; did you mean "cert-manager"?'),
        (" web", ' " web" matches no deployment of the manifest; did you mean "web"?'),
        ("web_a", ' "web_a" matches no deployment of the manifest; did you mean "web-a"?'),
        ("c1/web", ' "c1/web" matches no deployment of the manifest; did you mean "c1/a/web"?'),
        ("c1/data/cert-manger", '; did you mean "c1/data/cert-manager"?'),
        ("test-*", ' "test-*" matches no deployment of the manifest'),
        ("c[7-9]", ' "c[7-9]" matches no deployment of the manifest'),
        ("!web", ' "!web" matches no deployment of the manifest; did you mean "web"?'),
        ("c1,c2", "; repeat the option for each: --{option} c1 --{option} c2"),
        ("web-a cert-*", "; repeat the option for each: --{option} web-a --{option} cert-*"),
    ],
)
def test_a_word_that_matches_nothing_is_a_fault_of_both_options(manifest, option, glob, said):
    (message,) = told(manifest(HEAD + FOUR + ALIASES), **{option: [glob]})
    assert message.startswith(f"--{option} ")
    assert message.endswith(said.replace("{option}", option))


def test_all_words_that_match_nothing_are_told_at_once(manifest):
    found = told(manifest(HEAD + FOUR + TWO), limit=["web", "c9"], exclude=["x9", "", "c1"])
    assert [message.partition(" matches")[0].partition(" is")[0] for message in found] == [
        '--limit "c9"',
        '--exclude "x9"',
        '--exclude ""',
    ]


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("web-a", "c1/a/web c2/a/web c3/a/web c4/a/web"),
        ("c1/a/web-a", "c1/a/web"),
        (f"{IDS[0]}/a/web-a", "c1/a/web"),
        ("c[12]/?/web-b", "c1/b/web c2/b/web"),
        (f"{IDS[0].upper()}/b/web", "c1/b/web"),
        ("web", " ".join(f"c{n}/{namespace}/web" for n in range(1, 5) for namespace in "ab")),
    ],
)
def test_aliases_and_ids_in_upper_case_are_names_for_both_options(manifest, glob, left):
    def places(plan):
        return {f"{each.cluster.name}/{each.release.qualified_name}" for each in plan.deployments}

    ready = manifest(HEAD + FOUR + ALIASES)
    assert places(build_plan(ready, limit=[glob])) == set(left.split())
    assert places(build_plan(ready, exclude=[glob])) == places(build_plan(ready)) - set(left.split())


def test_a_name_that_holds_glob_characters_names_itself(manifest):
    text = HEAD + FOUR.replace("name: c1,", "name: 'c[1]',") + TWO
    assert keys(build_plan(manifest(text), limit=["c[1]"])) == ["c[1]/web", "c[1]/db"]


def shown(number, name, **tags):
    return ClusterState(id=IDS[number], name=name, alias=f"alias-{name}", phase="Available", tags=tags)


DISCOVER = (
    "clusters: [{discover: {cloud: a, name: 'prod-*', tags: {env: prod}, phase: Available}, tags: {found: 'yes'}}]\n"
)


def test_discovered_clusters_are_those_that_fit_all_conditions(manifest):
    states = [
        shown(0, "prod-1", env="prod"),
        shown(1, "dev-1", env="prod"),
        shown(2, "prod-2", env="dev"),
        ClusterState(id=IDS[3], name="prod-3", phase="Hibernation", tags={"env": "prod"}),
        ClusterState(id=IDS[4], name="x", alias="prod-4", phase="Available", tags={"env": "prod"}),
    ]
    plan = build_plan(manifest(HEAD + DISCOVER + TWO), discovered={"a": states})
    assert [each.cluster.name for each in plan.deployments[::2]] == ["prod-1", "x"]
    cluster = plan.deployments[0].cluster
    assert (cluster.cloud, cluster.phase, cluster.tags) == ("a", "Available", {"env": "prod", "found": "yes"})


def test_what_the_manifest_says_of_a_discovered_cluster_wins(manifest):
    own = f"  - {{id: {IDS[0]}, name: mine, cloud: a, tags: {{tier: gold}}, priority: 5}}\n"
    text = HEAD + "clusters:\n  - {discover: {cloud: a}}\n" + own + TWO
    plan = build_plan(manifest(text), discovered={"a": [shown(0, "theirs", tier="tin", env="prod")]})
    cluster = plan.deployments[0].cluster
    assert len(plan.deployments) == 2
    assert (cluster.name, cluster.priority, cluster.phase) == ("mine", 5, "Available")
    assert cluster.tags == {"tier": "gold", "env": "prod"}


def test_a_manifest_that_asks_a_cloud_cannot_be_planned_without_its_answer(manifest):
    ready = manifest(HEAD + DISCOVER + TWO)
    assert ready.discover[0].cloud == "a"
    assert 'the clusters of cloud "a" must be discovered before this can be planned' in told(ready)
    assert 'none of the 1 clusters of cloud "a" fits this discover' in told(ready, discovered={"a": [shown(0, "dev")]})


def test_a_replacement_takes_over_what_the_lost_cluster_had(manifest):
    text = (
        HEAD
        + FOUR
        + TWO.replace('"*", needs', "{tier: canary}, values: {name: '${cluster.name}'}, needs")
        + ("deployments: [{cluster: c3, release: db, values: {a: 1}}]\n")
    )
    plan = build_plan(manifest(text), cluster_map={"c3": IDS[7].upper()})
    moved = {each.release.name: each for each in plan.deployments if each.cluster.id == IDS[7]}
    assert set(moved) == {"web", "db"}
    assert not any(each.cluster.id == IDS[2] for each in plan.deployments)
    assert moved["db"].release.values_json == '{"a":1}'
    assert moved["web"].release.values_json == f'{{"name":"{IDS[7]}"}}'
    assert moved["web"].cluster.tags == {"tier": "canary"}


def test_a_replacement_may_be_named_by_a_cloud_or_stand_in_the_manifest(manifest):
    ready = manifest(HEAD + FOUR + TWO)
    plan = build_plan(ready, discovered={"b": [shown(6, "fresh")]}, cluster_map={IDS[0]: "fresh"})
    assert (plan.deployments[0].cluster.name, plan.deployments[0].cluster.cloud) == ("fresh", "b")
    plan = build_plan(ready, cluster_map={"c1": "c2"})
    assert keys(plan) == ["c2/web", "c2/db", "c3/web", "c3/db", "c4/web", "c4/db"]
    assert plan.deployments[0].cluster.priority == 0


def test_a_pair_on_a_cluster_that_was_taken_over_is_kept(manifest):
    only = (
        TWO.replace('targets: "*"', "targets: {tier: canary}")
        + "deployments: [{cluster: c2, release: db, values: {a: 1}}]\n"
    )
    plan = build_plan(manifest(HEAD + FOUR + only), cluster_map={"c1": "c2"})
    assert keys(plan) == ["c2/db", "c3/web", "c3/db"]


def test_two_clusters_may_change_places(manifest):
    text = HEAD + FOUR + TWO.replace('"*"', "{tier: canary}") + "deployments: [{cluster: c1, release: db}]\n"
    plan = build_plan(manifest(text), cluster_map={"c3": "c1", "c1": "c3"})
    assert sorted(keys(plan)) == ["c1/db", "c1/web", "c3/db"]


def test_a_map_that_cannot_be_meant_is_refused(manifest):
    ready = manifest(HEAD + FOUR + TWO)
    assert told(ready, cluster_map={"c9": IDS[7]}) == ['unknown cluster "c9"; known: c1, c2, c3, c4']
    assert told(ready, cluster_map={"c1": "new"}) == [
        'unknown cluster "new"; known: c1, c2, c3, c4 to map to; give its id'
    ]
    assert told(ready, cluster_map={"c1": IDS[7], "c2": IDS[7]}) == [
        f'two clusters cannot both be mapped to "{IDS[7]}"'
    ]


def test_an_alias_lets_one_name_be_used_twice(manifest):
    text = (
        HEAD
        + FOUR
        + (
            "releases:\n"
            "  - {name: db, chart: {id: d}, version: 1.0.0, targets: {tier: core}}\n"
            "  - {name: db, alias: db-new, chart: {id: d}, version: 2.0.0, targets: {tier: canary}}\n"
            "  - {name: web, chart: {id: w}, version: 1.0.0, targets: {tier: canary}, needs: [db-new]}\n"
        )
    )
    plan = build_plan(manifest(text))
    assert {each.cluster.name: each.release.version for each in plan.deployments if each.release.name == "db"} == {
        "c1": "1.0.0",
        "c2": "1.0.0",
        "c3": "2.0.0",
        "c4": "1.0.0",
    }
    assert plan.deployments[-2].release.needs == ("db",)


def test_the_provider_s_own_releases_can_be_meant(manifest):
    text = (
        HEAD
        + FOUR
        + "releases: [{name: dns, namespace: kube-system, chart: {id: d}, version: 1.0.0, targets: '*', allow_system: true}]\n"
    )
    assert len(build_plan(manifest(text)).deployments) == 4


def test_integers_that_doubles_cannot_hold_are_warned_of_once(manifest):
    text = (
        HEAD + FOUR + TWO.replace('"*", needs', '"*", values: {id: 1234567890123456789, n1: 9007199254740993}, needs')
    )
    warnings = [line for line in build_plan(manifest(text)).warnings if "2^53" in line]
    assert len(warnings) == 1
    assert "web" in warnings[0]
