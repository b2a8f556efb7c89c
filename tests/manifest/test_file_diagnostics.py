"""Broken manifests and the exact message of each: placeholders, files, tables, profiles."""

import pytest

HEAD = """name: x
clouds: {a: {cloud: otc}}
clusters:
  - {id: a870253f-5dc7-11ee-bf71-0255ac100b03, name: c1, tags: {env: prod}}
"""
REL = """releases:
  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*"}
"""

CASES = (
    (
        "an unset variable",
        HEAD + REL.replace("targets", "values: {a: '${env:NOPE}'}, targets"),
        {},
        None,
        "m.yaml:6:65: the environment variable NOPE is not set",
    ),
    (
        "an unset secret",
        HEAD + REL.replace("targets", "values: {a: '${secret:env:NOPE}'}, targets"),
        {},
        None,
        "m.yaml:6:65: the environment variable NOPE is not set",
    ),
    (
        "a missing secret file",
        HEAD + REL.replace("targets", "values: {a: '${secret:file:nope.txt}'}, targets"),
        {},
        None,
        'm.yaml:6:65: the secret cannot be read: there is no file "nope.txt"',
    ),
    (
        "a secret of an unknown kind",
        HEAD + REL.replace("targets", "values: {a: '${secret:vault:x}'}, targets"),
        {},
        None,
        "m.yaml:6:65: `${secret:vault:x}` is no secret; write ${secret:env:NAME} or ${secret:file:PATH}",
    ),
    (
        "a secret in a description",
        HEAD + REL.replace("targets", "description: '${secret:env:SET}', targets"),
        {},
        None,
        "m.yaml:6:66: `${secret:env:SET}` is not allowed here; secrets go into values and auth only",
    ),
    (
        "an unknown placeholder",
        HEAD + REL.replace("targets", "values: {a: '${cluster.nam}'}, targets"),
        {},
        None,
        "m.yaml:6:65: `${cluster.nam}`: did you mean ${cluster.name}? Write $${ for a literal ${",
    ),
    (
        "an open placeholder",
        HEAD + REL.replace("targets", "values: {a: '${cluster.name'}, targets"),
        {},
        None,
        "m.yaml:6:65: `${` has no matching `}`; write $${ for a literal ${",
    ),
    (
        "a cluster word where none can be",
        HEAD + REL.replace("targets", "namespace: '${cluster.name}', targets"),
        {},
        None,
        "m.yaml:6:64: `${cluster.name}` is not allowed here; only values, descriptions and name_template differ by cluster",
    ),
    (
        "a placeholder of a missing tag",
        HEAD + REL.replace("targets", "values: {a: '${cluster.tags.enw}'}, targets"),
        {},
        None,
        'm.yaml:6:5: release "web": cluster "c1" has no tag enw for `${cluster.tags.enw}`; did you mean env?',
    ),
    (
        "a placeholder in a key",
        HEAD + REL.replace("targets", "values: {'${env:SET}': 1}, targets"),
        {},
        None,
        "m.yaml:6:62: the key `${env:SET}` holds a placeholder; only texts may",
    ),
    (
        "a missing values file",
        HEAD + REL.replace("targets", "values_files: [nope.yaml], targets"),
        {},
        None,
        'm.yaml:6:68: there is no file "nope.yaml"',
    ),
    (
        "a values file outside",
        HEAD + REL.replace("targets", "values_files: [../secret.yaml], targets"),
        {},
        None,
        'm.yaml:6:68: "../secret.yaml" lies outside the folder of the manifest; copy it there',
    ),
    (
        "a values file with a fault",
        HEAD + REL.replace("targets", "values_files: [v.yaml], targets"),
        {"v.yaml": "a: 1\na: 2\n"},
        None,
        "v.yaml:2:1: `a` is given twice in this mapping, first on line 1",
    ),
    (
        "a values file that is a list",
        HEAD + REL.replace("targets", "values_files: [v.yaml], targets"),
        {"v.yaml": "- 1\n"},
        None,
        "v.yaml:1:1: a values file must be a mapping of keys to values",
    ),
    (
        "a clusters file with a bad id",
        HEAD + "  - {from: c.csv}\n" + REL,
        {"c.csv": "id,name\nnope,c2\n"},
        None,
        'c.csv:2:1: "nope" is not a cluster id; it is a UUID such as a870253f-5dc7-11ee-bf71-0255ac100b03',
    ),
    (
        "a clusters file with an unknown column",
        HEAD + "  - {from: c.csv}\n" + REL,
        {"c.csv": "id,nmae\n"},
        None,
        'c.csv:1:4: unknown column "nmae"; did you mean "name"?',
    ),
    (
        "a clusters file with semicolons",
        HEAD + "  - {from: c.csv}\n" + REL,
        {"c.csv": "id;name\n"},
        None,
        "c.csv:1:1: the columns must be separated by commas, not by semicolons",
    ),
    (
        "a clusters file that is empty",
        HEAD + "  - {from: c.csv}\n" + REL,
        {"c.csv": ""},
        None,
        "c.csv:1:1: the file is empty; its first line must name the columns",
    ),
    (
        "a clusters file with a bad priority",
        HEAD + "  - {from: c.csv}\n" + REL,
        {"c.csv": "id,name,priority\na870253f-5dc7-11ee-bf71-0255ac100b04,c2,high\n"},
        None,
        "c.csv:2:1: `priority` must be a whole number",
    ),
    (
        "a table of another kind",
        HEAD + "  - {from: c.xlsx}\n" + REL,
        {"c.xlsx": ""},
        None,
        'm.yaml:5:12: "c.xlsx" is no table; it must be named .csv or .jsonl',
    ),
    (
        "a pairs file with a short row",
        HEAD + REL + "deployments: [{from: p.csv}]\n",
        {"p.csv": "cluster,release\nc1\n"},
        None,
        "p.csv:2:1: the row has 1 cells, the header 2",
    ),
    (
        "a pairs file with an ambiguous value",
        HEAD + REL + "deployments: [{from: p.csv}]\n",
        {"p.csv": "cluster,release,values.a\nc1,web,yes\n"},
        None,
        "p.csv:2:8: `yes` is true in YAML 1.1 and text in YAML 1.2; name the column `values.a:text` to send it as text",
    ),
    (
        "a pairs file with an unknown cluster",
        HEAD + REL + "deployments: [{from: p.csv}]\n",
        {"p.csv": "cluster,release\nc2,web\n"},
        None,
        'p.csv:2:1: unknown cluster "c2"; known: c1',
    ),
    (
        "a pairs file with a bad policy",
        HEAD + REL + "deployments: [{from: p.csv}]\n",
        {"p.csv": "cluster,release,on_existing\nc1,web,upgrad\n"},
        None,
        "p.csv:2:1: `on_existing` must be one of upgrade, skip, fail, replace; did you mean upgrade?",
    ),
    (
        "a JSON Lines file with a broken line",
        HEAD + REL + "deployments: [{from: p.jsonl}]\n",
        {"p.jsonl": '{"cluster": "c1", "release": "web"}\n{"cluster": \n'},
        None,
        "p.jsonl:2:13: this is not JSON: Expecting value",
    ),
    (
        "a JSON Lines file with a double key",
        HEAD + REL + "deployments: [{from: p.jsonl}]\n",
        {"p.jsonl": '{"cluster": "c1", "cluster": "c1", "release": "web"}\n'},
        None,
        "p.jsonl:1:19: `cluster` is given twice in this mapping, first on line 1",
    ),
    (
        "a JSON Lines file with an unknown key",
        HEAD + REL + "deployments: [{from: p.jsonl}]\n",
        {"p.jsonl": '{"cluster": "c1", "relase": "web"}\n'},
        None,
        'p.jsonl:1:19: unknown key "relase"; did you mean "release"?',
    ),
    (
        "from beside other keys",
        HEAD + REL + "deployments: [{from: p.csv, release: web}]\n",
        {"p.csv": "cluster,release\n"},
        None,
        "m.yaml:7:29: `release` cannot stand beside `from`; make it a column of the file",
    ),
    (
        "a profile with an unknown release",
        HEAD + REL + "profiles: {dr: {releases: {wbe: {priority: 1}}}}\n",
        {},
        "dr",
        'm.yaml:7:28: unknown release "wbe"; did you mean "web"?',
    ),
    (
        "a profile with an unknown cloud",
        HEAD + REL + "profiles: {dr: {clouds: {b: {cloud: x}}}}\n",
        {},
        "dr",
        'm.yaml:7:26: unknown cloud "b"; known: a',
    ),
    (
        "a profile that is not there",
        HEAD + REL + "profiles: {dr: {}}\n",
        {},
        "drr",
        'unknown profile "drr"; did you mean "dr"?',
    ),
    (
        "several faults at once",
        HEAD.replace("cloud: otc", "clowd: otc")
        + REL.replace('targets: "*"', "timeout: soon, needs: [wbe]")
        + "deployments:\n  - {cluster: c1, release: wob}\n",
        {},
        None,
        'm.yaml:2:14: unknown key `clowd` in a cloud; did you mean `cloud`?\nm.yaml:6:62: `timeout`: \'soon\' is not a duration; write for example 90s, 15m or 1h30m\nm.yaml:6:76: unknown release "wbe"; did you mean "web"?\nm.yaml:8:28: unknown release "wob"; did you mean "web"?',
    ),
)


@pytest.mark.parametrize(
    ("text", "files", "profile", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_a_manifest_refers_to_is_told_in_full(faults, text, files, profile, message):
    assert faults(text, files, profile) == message
