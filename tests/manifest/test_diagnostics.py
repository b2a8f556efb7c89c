"""Broken manifests and the exact message of each: what is wrong with the text and the shape."""

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
    ("an empty file", "", {}, None, "m.yaml:1:1: the file is empty"),
    ("a comment alone", "# nothing\n", {}, None, "m.yaml:1:1: the file is empty"),
    (
        "a list at the top",
        "- a\n",
        {},
        None,
        "m.yaml:1:1: a manifest is a mapping with keys such as name, clouds, clusters, releases",
    ),
    (
        "bytes that are not UTF-8",
        b"name: x\nclouds: \xff\n",
        {},
        None,
        "m.yaml:2:9: the file is not UTF-8 text; save it as UTF-8",
    ),
    (
        "a control character",
        "name: x\x07\n",
        {},
        None,
        "m.yaml:1:8: the control character U+0007 is not allowed in a text file",
    ),
    (
        "a tab as indentation",
        "name: x\nclouds:\n\ta: {}\n",
        {},
        None,
        "m.yaml:3:1: a tab stands where YAML wants spaces; indent with spaces",
    ),
    (
        "an unclosed bracket",
        "name: [x\nclouds: {}\n",
        {},
        None,
        "m.yaml:2:7: this is not YAML: did not find expected ',' or ']'",
    ),
    (
        "two documents",
        HEAD + REL + "---\nname: y\n",
        {},
        None,
        "m.yaml:7:1: a second document starts here; keep one document per file",
    ),
    (
        "a duplicate key",
        "name: x\n" + HEAD + REL,
        {},
        None,
        "m.yaml:2:1: `name` is given twice in this mapping, first on line 1",
    ),
    ("a list as a key", "? [a]\n: b\n", {}, None, "m.yaml:1:3: a key must be text, not a list or a mapping"),
    ("an alias to nothing", "name: *x\n", {}, None, "m.yaml:1:7: `*x` stands before its `&x` ends, or has none"),
    (
        "aliases that explode",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
        {},
        None,
        "m.yaml:6:26: the aliases of this file expand to far too much; write it out",
    ),
    ("too deep", "a: " + "[" * 70 + "]" * 70 + "\n", {}, None, "m.yaml:1:67: nested more than 64 levels deep"),
    (
        "a foreign YAML tag",
        "name: !!python/object:os.system x\n",
        {},
        None,
        "m.yaml:1:7: the YAML tag `!!python/object:os.system` is not supported; leave it out",
    ),
    (
        "yes for true",
        HEAD + 'releases:\n  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*", allow_destructive: yes}\n',
        {},
        None,
        'm.yaml:6:86: `yes` is true in YAML 1.1 and text in YAML 1.2; write true or "yes"',
    ),
    (
        "an octal number",
        HEAD + 'releases:\n  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*", values: {mode: 0644}}\n',
        {},
        None,
        'm.yaml:6:82: `0644` is 420 in YAML 1.1 and 644 in YAML 1.2; write 420 or 644 or "0644"',
    ),
    (
        "infinity",
        HEAD + 'releases:\n  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*", values: {x: .inf}}\n',
        {},
        None,
        'm.yaml:6:79: `.inf` (infinity) is not a JSON value; write ".inf" if it is text',
    ),
    ("no name", HEAD.replace("name: x\n", "") + REL, {}, None, "m.yaml:1:1: the manifest needs the key `name`"),
    (
        "an unknown key",
        HEAD + REL + "releses: []\n",
        {},
        None,
        "m.yaml:7:1: unknown key `releses` in the manifest; did you mean `releases`?",
    ),
    (
        "an unknown key without a near one",
        HEAD + REL + "zzz: 1\n",
        {},
        None,
        "m.yaml:7:1: unknown key `zzz` in the manifest; known: clouds, clusters, deadline, defaults, deployments, limits, name, poll, profiles, reconcile, releases, retry, rollout",
    ),
    (
        "a bad manifest name",
        HEAD.replace("name: x", "name: a/b") + REL,
        {},
        None,
        'm.yaml:1:7: `name`: "a/b" is not a name; use letters, digits, dot, - and _, 100 at most',
    ),
    ("no clouds", HEAD.replace("{a: {cloud: otc}}", "{}") + REL, {}, None, "m.yaml:2:9: `clouds` must not be empty"),
    (
        "no clusters",
        "name: x\nclouds: {a: {cloud: otc}}\nclusters: []\n" + REL,
        {},
        None,
        "m.yaml:3:11: `clusters` must not be empty",
    ),
    ("no releases", HEAD + "releases: []\n", {}, None, "m.yaml:5:11: `releases` must not be empty"),
    (
        "clusters as a mapping",
        "name: x\nclouds: {a: {cloud: otc}}\nclusters: {a: b}\n" + REL,
        {},
        None,
        "m.yaml:3:11: `clusters` must be a list; each item starts with -",
    ),
    (
        "a cluster id that is no UUID",
        HEAD.replace("a870253f-5dc7-11ee-bf71-0255ac100b03", "prod-1") + REL,
        {},
        None,
        'm.yaml:4:10: `id`: "prod-1" is not a cluster id; it is a UUID such as a870253f-5dc7-11ee-bf71-0255ac100b03',
    ),
    (
        "a cluster without a kind",
        HEAD + "  - {name: c2}\n" + REL,
        {},
        None,
        "m.yaml:5:5: a cluster needs one of `id`, `from` and `discover`; this has none",
    ),
    (
        "a cluster with two kinds",
        HEAD + "  - {id: a870253f-5dc7-11ee-bf71-0255ac100b04, from: x.csv}\n" + REL,
        {},
        None,
        "m.yaml:5:5: a cluster needs one of `id`, `from` and `discover`; this has both `id` and `from`",
    ),
    (
        "a cluster given twice",
        HEAD + "  - {id: A870253F-5dc7-11ee-bf71-0255ac100b03, name: c2}\n" + REL,
        {},
        None,
        "m.yaml:5:5: cluster a870253f-5dc7-11ee-bf71-0255ac100b03 is given twice, first on line 4",
    ),
    (
        "an unknown cloud",
        HEAD.replace("name: c1,", "name: c1, cloud: b,") + REL,
        {},
        None,
        'm.yaml:4:65: unknown cloud "b"; known: a',
    ),
    (
        "a cloud left open among several",
        HEAD.replace("{a: {cloud: otc}}", "{a: {cloud: otc}, b: {cloud: otc2}}") + REL,
        {},
        None,
        "m.yaml:4:5: a cluster needs `cloud`, as there are several: a, b",
    ),
    (
        "a number as a tag",
        HEAD.replace("env: prod", "zone: 1.10") + REL,
        {},
        None,
        'm.yaml:4:71: `zone` must be text; put quotes around it: "1.10"',
    ),
    (
        "a bad release name",
        HEAD + REL.replace("name: web, c", "name: Web_1, c"),
        {},
        None,
        'm.yaml:6:12: `name`: "Web_1" is not a release name; use lower-case letters, digits and -, start with a letter, end with a letter or digit, 53 at most',
    ),
    (
        "a bad namespace",
        HEAD + REL.replace("targets", "namespace: My_NS, targets"),
        {},
        None,
        'm.yaml:6:64: `namespace`: "My_NS" is not a namespace; use lower-case letters, digits and -, 63 at most',
    ),
    (
        "a chart with nothing",
        HEAD + REL.replace("{name: web, version: 1.0.0}", "{}"),
        {},
        None,
        "m.yaml:6:24: a chart needs `id`, or `name` and `version`",
    ),
    (
        "a chart without a version",
        HEAD + REL.replace(", version: 1.0.0", ""),
        {},
        None,
        'm.yaml:6:24: release "web" needs `version`, the version of its chart',
    ),
    (
        "a version that is a number",
        HEAD + REL.replace("1.0.0", "1.10"),
        {},
        None,
        'm.yaml:6:45: `version` must be text; put quotes around it: "1.10"',
    ),
    (
        "two versions that contradict",
        HEAD + REL.replace("targets", "version: 2.0.0, targets"),
        {},
        None,
        "m.yaml:6:45: the chart's version 1.0.0 contradicts the release's version 2.0.0; keep one",
    ),
    (
        "a misspelt chart key",
        HEAD + REL.replace("{name: web, version", "{nam: web, version"),
        {},
        None,
        "m.yaml:6:25: unknown key `nam` in a chart; did you mean `name`?",
    ),
    (
        "a bad policy",
        HEAD + REL.replace("targets", "on_existing: upgrad, targets"),
        {},
        None,
        "m.yaml:6:66: `on_existing` must be one of upgrade, skip, fail, replace; did you mean upgrade?",
    ),
    (
        "a bad duration",
        HEAD + REL.replace("targets", "timeout: soon, targets"),
        {},
        None,
        "m.yaml:6:62: `timeout`: 'soon' is not a duration; write for example 90s, 15m or 1h30m",
    ),
    (
        "a timeout of zero",
        HEAD + REL.replace("targets", "timeout: 0, targets"),
        {},
        None,
        "m.yaml:6:62: `timeout` must be longer than 0 seconds",
    ),
    (
        "values that are a list",
        HEAD + REL.replace("targets", "values: [a], targets"),
        {},
        None,
        "m.yaml:6:61: `values` must be a mapping of keys to values",
    ),
    (
        "an empty selector",
        HEAD + REL.replace('"*"', "{}"),
        {},
        None,
        'm.yaml:6:62: `targets`: an empty selector would take every cluster; write "*" if that is meant',
    ),
    (
        "a selector with an unknown condition",
        HEAD + REL.replace('"*"', "{env: {nto: prod}}"),
        {},
        None,
        "m.yaml:6:62: `targets`: tag env has the unknown condition `nto`; did you mean `not`?",
    ),
    (
        "a selector with a number",
        HEAD + REL.replace('"*"', "{env: 1}"),
        {},
        None,
        "m.yaml:6:62: `targets`: values of tag env must be text; put quotes around 1",
    ),
)


@pytest.mark.parametrize(
    ("text", "files", "profile", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_broken_manifest_is_told_in_full(faults, text, files, profile, message):
    assert faults(text, files, profile) == message
