"""Clusters and pairs from CSV and JSON Lines."""

import json
import uuid

import pytest

from batch_deployer.errors import BadInput
from batch_deployer.manifest.tables import cell_column
from batch_deployer.plan.build import build_plan

HEAD = "name: x\nclouds: {a: {cloud: otc}, b: {cloud: otc2}}\n"
REL = 'releases: [{name: web, chart: {name: web, version: 1.0.0}, targets: "*"}, {name: db, chart: {id: d}, version: 1.0.0}]\n'
IDS = [str(uuid.UUID(int=n)) for n in range(1, 5)]


def test_clusters_come_from_csv_with_tags_priority_and_defaults_of_the_entry(loaded):
    table = f'\ufeffid,name,cloud,priority,tags.env,tags.note\n{IDS[0]},c1,,7,prod,\n{IDS[1]},c2,b,,,"a, b"\n'
    text = HEAD + "clusters: [{from: i/c.csv, cloud: a, priority: 3, tags: {env: dev}}]\n" + REL
    first, second = (entry.cluster for entry in loaded(text, {"i/c.csv": table}).clusters)
    assert (first.id, first.name, first.cloud, first.priority, first.tags) == (IDS[0], "c1", "a", 7, {"env": "prod"})
    assert (second.cloud, second.priority, second.tags) == ("b", 3, {"env": "dev", "note": "a, b"})


def test_clusters_come_from_json_lines(loaded):
    lines = json.dumps({"id": IDS[0], "name": "c1", "cloud": "b", "tags": {"env": "prod"}, "values": {"k": 1}}) + "\n\n"
    plan = build_plan(
        loaded(
            HEAD + "clusters: [{from: c.jsonl}]\n" + REL.split(", {name: db", maxsplit=1)[0] + "]\n", {"c.jsonl": lines}
        )
    )
    assert plan.deployments[0].cluster.tags == {"env": "prod"}
    assert plan.deployments[0].release.values_json == '{"k":1}'


def test_pairs_of_a_table_carry_overrides_of_every_kind(loaded):
    pairs = (
        "cluster,release,version,timeout,priority,allow_destructive,on_existing,parameters.no_hooks,values.a.b,values.n\n"
        "c1,db,2.0.0,5m,9,true,replace,true,x,3\n"
    )
    text = HEAD + f"clusters: [{{id: {IDS[0]}, name: c1, cloud: a}}]\n" + REL + "deployments: [{from: p.csv}]\n"
    release = build_plan(loaded(text, {"p.csv": pairs})).deployments[1].release
    assert (release.version, release.timeout, release.priority) == ("2.0.0", 300.0, 9)
    assert (release.allow_destructive, release.on_existing.value) == (True, "replace")
    assert release.parameters.no_hooks is True
    assert json.loads(release.values_json) == {"a": {"b": "x"}, "n": 3}


def test_a_whole_json_object_fits_into_a_cell(loaded):
    pairs = 'cluster,release,values\nc1,db,"{""a"": [1, {""b"": null}]}"\n'
    text = HEAD + f"clusters: [{{id: {IDS[0]}, name: c1, cloud: a}}]\n" + REL + "deployments: [{from: p.csv}]\n"
    release = build_plan(loaded(text, {"p.csv": pairs})).deployments[1].release
    assert json.loads(release.values_json) == {"a": [1, {"b": None}]}


def test_placeholders_work_in_tables_too(loaded):
    pairs = "cluster,release,values.a\nc1,db,${cluster.name}\n"
    text = HEAD + f"clusters: [{{id: {IDS[0]}, name: c1, cloud: a}}]\n" + REL + "deployments: [{from: p.csv}]\n"
    assert build_plan(loaded(text, {"p.csv": pairs})).deployments[1].release.values_json == '{"a":"c1"}'


def test_too_many_broken_rows_are_cut_short(loaded):
    rows = "cluster,release\n" + "c1\n" * 5000
    with pytest.raises(BadInput) as caught:
        loaded(
            HEAD + f"clusters: [{{id: {IDS[0]}, cloud: a}}]\n" + REL + "deployments: [{from: p.csv}]\n", {"p.csv": rows}
        )
    assert len(caught.value.faults) == 101
    assert str(caught.value.faults[-1]) == "p.csv:101:1: many rows are wrong; the rest was not read"


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_hundred_thousand_pairs_share_their_release_specs_and_clusters(loaded, suffix):
    clusters = "id,name,cloud,tags.env\n" + "".join(f"{uuid.UUID(int=n)},c{n},a,prod\n" for n in range(1000))
    releases = "releases:\n" + "".join(f"  - {{name: r{n}, chart: {{id: d}}, version: 1.0.0}}\n" for n in range(100))
    wanted = ((f"c{n}", f"r{m}") for n in range(1000) for m in range(100))
    if suffix == "csv":
        table = "cluster,release\n" + "".join(f"{cluster},{release}\n" for cluster, release in wanted)
    else:
        table = "".join(f'{{"cluster": "{cluster}", "release": "{release}"}}\n' for cluster, release in wanted)
    text = HEAD + "clusters: [{from: c.csv}]\n" + releases + f"deployments: [{{from: p.{suffix}}}]\n"
    plan = build_plan(loaded(text, {"c.csv": clusters, f"p.{suffix}": table}))
    assert len(plan.deployments) == 100_000
    assert len({each.key for each in plan.deployments}) == 100_000
    assert len({id(each.release) for each in plan.deployments}) == 100
    assert len({id(each.cluster) for each in plan.deployments}) == 1000
    assert len({id(each.cluster.tags) for each in plan.deployments}) == 1


def test_equal_overrides_share_one_spec_and_different_ones_do_not(loaded):
    clusters = "id,name,cloud\n" + "".join(f"{identity},c{n},a\n" for n, identity in enumerate(IDS))
    pairs = "cluster,release,values.a\nc0,db,1\nc1,db,1\nc2,db,2\nc3,db,\n"
    text = HEAD + "clusters: [{from: c.csv}]\n" + REL + "deployments: [{from: p.csv}]\n"
    plan = build_plan(loaded(text, {"c.csv": clusters, "p.csv": pairs}))
    specs = [id(each.release) for each in plan.deployments if each.release.name == "db"]
    assert (specs[0] == specs[1], len(set(specs))) == (True, 3)


@pytest.mark.parametrize(
    ("line", "index", "column"),
    [("a,b,c\n", 0, 1), ("a,b,c\n", 2, 5), ('"a,""x",b\n', 1, 9), ("a,,\n", 2, 4), ("a\n", 3, 1)],
)
def test_a_cell_is_found_in_its_line(line, index, column):
    assert cell_column(line, index) == column
