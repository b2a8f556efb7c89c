"""Clusters and pairs from CSV and JSON Lines."""

import json
import uuid

import pytest

from batch_deployer.errors import InputError
from batch_deployer.manifest.tables import cell_column
from batch_deployer.plan.builder import build_plan

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
    with pytest.raises(InputError) as caught:
        loaded(
            HEAD + f"clusters: [{{id: {IDS[0]}, cloud: a}}]\n" + REL + "deployments: [{from: p.csv}]\n", {"p.csv": rows}
        )
    assert len(caught.value.diagnostics) == 101
    assert str(caught.value.diagnostics[-1]) == "p.csv:101:1: many rows are wrong; the rest was not read"


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


ONE = f"clusters: [{{id: {IDS[0]}, name: c1, cloud: a}}]\n"


def pairs_of(loaded, table, name="p.csv"):
    """The values of the one pair in a table."""
    plan = build_plan(loaded(HEAD + ONE + REL + f"deployments: [{{from: {name}}}]\n", {name: table}))
    (release,) = [each.release for each in plan.deployments if each.release.name == "db"]
    return json.loads(release.values_json)


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        ("1.10", "text", "1.10"), ("007", "text", "007"), ("yes", "text", "yes"), ("true", "text", "true"), ("1", "text", "1"),
        ("", "text", None), (" x ", "text", " x "), ('"""1.10"""', "text", '"1.10"'), ("2024-01-01", "text", "2024-01-01"),
        ("1.10", "json", 1.1), ('"""1.10"""', "json", "1.10"), ('"[1, {""a"": null}]"', "json", [1, {"a": None}]),
        ("true", "json", True), ("null", "json", None), ("123456789012345678", "json", 123456789012345678),
        ("1", "", 1), ("-5", "", -5), ("1.5", "", 1.5), ("true", "", True), ("TRUE", "", True), ("~", "", None), ("v1", "", "v1"),
        ("1.2.3", "", "1.2.3"), ("0", "", 0), ("10.0.0.1:80", "", "10.0.0.1:80"),
    ],
)  # fmt: skip
def test_a_column_may_have_a_type(loaded, cell, kind, value):
    title = f"values.a:{kind}" if kind else "values.a"
    values = pairs_of(loaded, f"cluster,release,{title}\nc1,db,{cell}\n")
    assert values == ({} if cell == "" else {"a": value})


@pytest.mark.parametrize(
    "cell",
    [
        "1.10", "007", "5e10", "1e5", "123456789012345678", "99999999999999999999", "+5", "1.", ".5", "-0", "00", "1_000", "0x1F", "0b1",
        "0o7", "1.0e400", "yes", "No", "on", "y", "12:30", "2024-01-01", ".inf", "=", "1.50",
    ],
)  # fmt: skip
def test_a_cell_that_would_come_back_as_another_text_is_refused_with_the_remedy(loaded, cell):
    with pytest.raises(InputError, match=r"name the column `values\.a\.b:text`") as refused:
        pairs_of(loaded, f"cluster,release,values.a.b\nc1,db,{cell}\n")
    assert str(refused.value).startswith("p.csv:2:7: ")


@pytest.mark.parametrize(
    ("titles", "cells", "values"),
    [
        ([r"values.nodeSelector.kubernetes\.io/os"], ["linux"], {"nodeSelector": {"kubernetes.io/os": "linux"}}),
        (["values.hosts[0].name"], ["a"], {"hosts": [{"name": "a"}]}),
        (["values.hosts[0].name", "values.hosts[0].port", "values.hosts[1].name"], ["a", "1", "b"],
         {"hosts": [{"name": "a", "port": 1}, {"name": "b"}]}),
        (["values.hosts[1]", "values.hosts[0]"], ["b", "a"], {"hosts": ["a", "b"]}),
        (["values.m[0][1]", "values.m[0][0]"], ["2", "1"], {"m": [[1, 2]]}),
        ([r"values.a\\b"], ["x"], {"a\\b": "x"}),
        (["values.image.tag:text", "values"], ["1.10", '"{""image"": {""name"": ""x""}}"'], {"image": {"name": "x", "tag": "1.10"}}),
        (["values", "values.image.tag"], ['"{""image"": {""name"": ""x""}}"', "v1"], {"image": {"name": "x", "tag": "v1"}}),
        (["values", "values.a"], ['"{""a"": 1}"', "1"], {"a": 1}),
    ],
)  # fmt: skip
def test_keys_are_spelt_as_helm_spells_them(loaded, titles, cells, values):
    assert pairs_of(loaded, f"cluster,release,{','.join(titles)}\nc1,db,{','.join(cells)}\n") == values


@pytest.mark.parametrize(
    "title",
    ["values..image", "values.image.", "values.", "values.a..b", "values.[0]", "values.a[", "values.a[x]", "values.a]", "values.a[0]b",
     "values.a[-1]", "values.a[5000]", "tags.", "values.a\\", "values.:text", "values.a.:json"],
)  # fmt: skip
def test_a_title_that_is_no_path_is_a_fault(loaded, title):
    with pytest.raises(InputError) as refused:
        pairs_of(loaded, f"cluster,release,{title}\nc1,db,x\n")
    assert str(refused.value).startswith("p.csv:1:17: ")


@pytest.mark.parametrize(
    ("titles", "cells"),
    [
        (["values.a", "values.a.b"], ["1", "2"]),
        (["values.a.b", "values.a"], ["1", "2"]),
        (["values.a[0]", "values.a.b"], ["1", "2"]),
        (["values", "values.a"], ['"{""a"": 1}"', "2"]),
        (["values", "values.a.b"], ['"{""a"": 1}"', "2"]),
        (["values.h[0]", "values.h[2]"], ["1", "2"]),
        (["values.h[1]"], ["1"]),
        (["values.a", "values.a:text"], ["1", "2"]),
    ],
)
def test_columns_that_contradict_each_other_are_a_fault(loaded, titles, cells):
    with pytest.raises(InputError, match=r"p\.csv:2:"):
        pairs_of(loaded, f"cluster,release,{','.join(titles)}\nc1,db,{','.join(cells)}\n")


def clusters_of(loaded, table, entry="cloud: a", *, both=True):
    releases = REL if both else REL.split(", {name: db", maxsplit=1)[0] + "]\n"
    manifest = loaded(HEAD + f"clusters: [{{from: c.csv, {entry}}}]\n" + releases, {"c.csv": table})
    return manifest, list(manifest.clusters)


def test_values_of_a_row_are_merged_over_those_of_the_entry(loaded):
    table = f"id,values.replicas,values.region\n{IDS[0]},3,\n{IDS[1]},,us\n{IDS[2]},,\n"
    _, found = clusters_of(loaded, table, "cloud: a, values: {region: eu, image: {tag: v1}}")
    assert [entry.values for entry in found] == [
        {"region": "eu", "image": {"tag": "v1"}, "replicas": 3},
        {"region": "us", "image": {"tag": "v1"}},
        {"region": "eu", "image": {"tag": "v1"}},
    ]


@pytest.mark.parametrize("titles", ["tags.env,tags", "tags,tags.env"])
def test_tags_given_whole_and_in_parts_are_all_kept(loaded, titles):
    cells = {"tags.env": "prod", "tags": '"{""tier"": ""web""}"'}
    table = f"id,{titles}\n{IDS[0]},{','.join(cells[title] for title in titles.split(','))}\n"
    _, found = clusters_of(loaded, table)
    assert found[0].cluster.tags == {"env": "prod", "tier": "web"}


SHEETS = {
    "sep line": f"sep=,\nid,name\n{IDS[0]},c1\n",
    "quoted sep line": f'"sep=;"\nid;name\n{IDS[0]};c1\n',
    "sep tab": f"sep=\t\r\nid\tname\r\n{IDS[0]}\tc1\r\n",
    "tabs": f"id\tname\n{IDS[0]}\tc1\n",
    "byte order mark": f"\ufeffid,name\n{IDS[0]},c1\n",
    "byte order mark and sep": f"\ufeffsep=,\nid,name\n{IDS[0]},c1\n",
    "empty rows": f"id,name\n,\n{IDS[0]},c1\n  ,\n\n,,\n",
    "empty columns": f"id,name,,\n{IDS[0]},c1,,\n",
    "longer rows": f"id,name\n{IDS[0]},c1,,,\n",
    "line ends": f"id,name\r\n{IDS[0]},c1\r\n",
    "no last line end": f"id,name\n{IDS[0]},c1",
    "blanks in the header": f" id , name \n{IDS[0]},c1\n",
}


@pytest.mark.parametrize("table", SHEETS.values(), ids=SHEETS)
def test_tables_as_spreadsheets_write_them_are_read(loaded, table):
    _, found = clusters_of(loaded, table)
    assert [(entry.cluster.id, entry.cluster.name) for entry in found] == [(IDS[0], "c1")]


def test_faults_of_a_table_with_a_sep_line_are_placed_right(loaded):
    with pytest.raises(InputError, match=r"^c\.csv:3:1: ") as refused:
        clusters_of(loaded, f"sep=,\nid,name\n{IDS[0]},c1,more\n")
    assert "3 cells, the header 2" in str(refused.value)


@pytest.mark.parametrize("cell", ["prod ", " prod", "prod\u00a0", "cafe\u0301", "\ufb01ne"][:4])
def test_a_tag_that_only_looks_like_another_is_warned_of(loaded, cell):
    manifest, found = clusters_of(loaded, f"id,name,tags.env\n{IDS[0]},c1,{cell}\n", both=False)
    assert found[0].cluster.tags == {"env": cell}
    (warning,) = build_plan(manifest).warnings
    assert warning.startswith("c.csv:2:")
    assert "tags.env" in warning


def test_a_cell_may_be_longer_than_the_librarys_bound(loaded):
    text = "x" * 200_000
    assert pairs_of(loaded, f"cluster,release,values.a\nc1,db,{text}\n") == {"a": text}
    with pytest.raises(InputError, match="longer than 1 MiB"):
        pairs_of(loaded, f'cluster,release,values.a\nc1,db,"{"x" * 700_000}\n{"x" * 700_000}"\n')


VALUES_FILES = {
    "empty": ("", {}),
    "only comments": ("# nothing\n\n# yet\n", {}),
    "only a marker": ("---\n", {}),
    "a marker before": ("---\na: 1\n", {"a": 1}),
    "a marker after": ("a: 1\n---\n", {"a": 1}),
    "a marker and a comment after": ("a: 1\n---\n# end\n", {"a": 1}),
    "an end": ("a: 1\n...\n", {"a": 1}),
    "empty JSON": ("{}", {}),
}


@pytest.mark.parametrize(("text", "values"), VALUES_FILES.values(), ids=VALUES_FILES)
def test_a_values_file_may_hold_what_helm_accepts(loaded, text, values):
    release = 'releases: [{name: db, chart: {id: d}, version: 1.0.0, targets: "*", values_files: [v.yaml]}]\n'
    plan = build_plan(loaded(HEAD + ONE + release, {"v.yaml": text}))
    assert json.loads(plan.deployments[0].release.values_json) == values


def test_a_second_document_is_still_a_fault(loaded):
    release = 'releases: [{name: db, chart: {id: d}, version: 1.0.0, targets: "*", values_files: [v.yaml]}]\n'
    with pytest.raises(InputError, match=r"^v\.yaml:2:1: a second document"):
        loaded(HEAD + ONE + release, {"v.yaml": "a: 1\n---\nb: 2\n"})


@pytest.mark.parametrize(("first", "mark"), [("sep=;\n", ";"), ("", "\t"), ("", ",")])
def test_a_fault_is_placed_in_its_cell_whatever_separates_the_cells(loaded, first, mark):
    table = (
        first
        + mark.join(("cluster", "release", "values.a", "values.b"))
        + "\n"
        + mark.join(("c1", "db", "1", "yes"))
        + "\n"
    )
    line = 3 if first else 2
    with pytest.raises(InputError) as refused:
        pairs_of(loaded, table)
    assert str(refused.value).startswith(f"p.csv:{line}:9: ")
