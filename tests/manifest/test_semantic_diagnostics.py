"""Broken manifests and the exact message of each: well formed, but it cannot be meant so."""

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
        "a release given twice",
        HEAD + REL + '  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*"}\n',
        {},
        None,
        'm.yaml:7:12: release "web" is given twice, first on line 6; give one an `alias`',
    ),
    (
        "an unknown need",
        HEAD + REL.replace("targets", "needs: [wbe], targets"),
        {},
        None,
        'm.yaml:6:61: unknown release "wbe"; did you mean "web"?',
    ),
    (
        "needs in a circle",
        HEAD
        + 'releases:\n  - {name: a, chart: {name: a, version: 1.0.0}, targets: "*", needs: [b]}\n  - {name: b, chart: {name: b, version: 1.0.0}, targets: "*", needs: [c]}\n  - {name: c, chart: {name: c, version: 1.0.0}, targets: "*", needs: [a]}\n',
        {},
        None,
        "m.yaml:6:71: releases need each other in a circle: a -> b -> c -> a",
    ),
    (
        "a need that is not deployed there",
        HEAD
        + "  - {id: a870253f-5dc7-11ee-bf71-0255ac100b04, name: c2}\n"
        + 'releases:\n  - {name: web, chart: {name: web, version: 1.0.0}, targets: "*", needs: [db]}\n  - {name: db, chart: {name: db, version: 1.0.0}, targets: {env: prod}}\n',
        {},
        None,
        'm.yaml:7:75: release "web" needs "db", which is not deployed on cluster "c2"',
    ),
    (
        "targets with an unknown tag",
        HEAD + REL.replace('"*"', "{enw: prod}"),
        {},
        None,
        'm.yaml:6:62: no cluster matches the targets of release "web"; none has the tag enw, did you mean env?',
    ),
    (
        "targets with an unknown value",
        HEAD + REL.replace('"*"', "{env: prd}"),
        {},
        None,
        'm.yaml:6:62: no cluster matches the targets of release "web"; none has env: prd, did you mean prod?',
    ),
    (
        "a release that goes nowhere",
        HEAD + REL.replace(', targets: "*"', ""),
        {},
        None,
        'm.yaml:6:5: release "web" goes nowhere; give it `targets`, or a deployment',
    ),
    (
        "kube-system",
        HEAD + REL.replace("targets", "namespace: kube-system, targets"),
        {},
        None,
        "m.yaml:6:64: namespace kube-system belongs to the provider; write `allow_system: true` if that is meant",
    ),
    (
        "an add-on",
        HEAD + REL.replace("name: web, c", "name: cceaddon-web, c"),
        {},
        None,
        "m.yaml:6:12: release cceaddon-* belongs to the provider; write `allow_system: true` if that is meant",
    ),
    (
        "replace in kube-system",
        HEAD
        + REL.replace(
            "targets",
            "namespace: kube-system, allow_system: true, allow_destructive: true, on_existing: replace, targets",
        ),
        {},
        None,
        "m.yaml:6:135: `on_existing: replace` is never allowed in kube-system or for cceaddon-*",
    ),
    (
        "replace without leave",
        HEAD + REL.replace("targets", "parameters: {replace: true}, targets"),
        {},
        None,
        "m.yaml:6:75: `replace: true` needs `allow_destructive: true`; the platforms disagree on whether it keeps or destroys what runs",
    ),
    (
        "recreate without leave",
        HEAD + REL.replace("targets", "parameters: {recreate: true}, targets"),
        {},
        None,
        "m.yaml:6:76: `recreate: true` needs `allow_destructive: true`; the platforms disagree on whether it keeps or destroys what runs",
    ),
    (
        "on_existing replace without leave",
        HEAD + REL.replace("targets", "on_existing: replace, targets"),
        {},
        None,
        "m.yaml:6:66: `on_existing: replace` needs `allow_destructive: true`",
    ),
    (
        "replace in a deployment without leave",
        HEAD + REL + "deployments:\n  - {cluster: c1, release: web, on_existing: replace}\n",
        {},
        None,
        "m.yaml:8:5: `on_existing: replace` needs `allow_destructive: true`",
    ),
    (
        "a pair of an unknown cluster",
        HEAD + REL + "deployments:\n  - {cluster: c2, release: web}\n",
        {},
        None,
        'm.yaml:8:5: unknown cluster "c2"; known: c1',
    ),
    (
        "a pair of an unknown release",
        HEAD + REL + "deployments:\n  - {cluster: c1, release: wbe}\n",
        {},
        None,
        'm.yaml:8:28: unknown release "wbe"; did you mean "web"?',
    ),
    (
        "a pair given twice",
        HEAD + REL + "deployments:\n  - {cluster: c1, release: web}\n  - {cluster: c1, release: web}\n",
        {},
        None,
        'm.yaml:9:5: release "web" on cluster "c1" is given twice, first on line 8',
    ),
    (
        "a pair without a release",
        HEAD + REL + "deployments:\n  - {cluster: c1}\n",
        {},
        None,
        "m.yaml:8:5: a deployment needs the key `release`, or `from`",
    ),
    (
        "a pair by a name that two clusters have",
        HEAD
        + "  - {id: a870253f-5dc7-11ee-bf71-0255ac100b04, name: c1}\n"
        + REL
        + "deployments:\n  - {cluster: c1, release: web}\n",
        {},
        None,
        'm.yaml:9:5: several clusters are called "c1"; use the id',
    ),
    (
        "two releases that meet",
        HEAD + REL + "  - {name: web, alias: web2, chart: {name: web, version: 2.0.0}, targets: {env: prod}}\n",
        {},
        None,
        'm.yaml:7:5: releases "web" and "web2" are both default/web on cluster "c1"; keep one of them there',
    ),
    (
        "a bad rate",
        HEAD + REL + "limits: {writes: 10 per minute}\n",
        {},
        None,
        "m.yaml:7:18: `writes`: '10 per minute' is not a rate; write for example 10/min or 20/s",
    ),
    (
        "a bad percentage",
        HEAD + REL + "rollout: {max_failures: 150%}\n",
        {},
        None,
        "m.yaml:7:25: `max_failures`: '150%' is neither a whole number nor a percentage; write for example 3 or 5%",
    ),
    (
        "a negative soak",
        HEAD + REL + "rollout: {waves: [{name: a, soak: -5}]}\n",
        {},
        None,
        "m.yaml:7:35: `soak`: -5 is not a usable duration; write for example 90s, 15m or 1h30m",
    ),
    (
        "a wave given twice",
        HEAD + REL + "rollout: {waves: [{name: a}, {name: a}]}\n",
        {},
        None,
        'm.yaml:7:37: wave "a" is given twice, first on line 7',
    ),
    (
        "a wave with count and percent",
        HEAD + REL + "rollout: {waves: [{name: a, count: 1, percent: 5}]}\n",
        {},
        None,
        "m.yaml:7:39: a wave takes `count` or `percent`, not both",
    ),
    (
        "parts without spread",
        HEAD + REL + "rollout: {waves: [{name: a, parts: 2}]}\n",
        {},
        None,
        "m.yaml:7:29: `parts` cuts a wave with `spread` and without `count` or `percent`",
    ),
    (
        "settings that contradict",
        HEAD + REL + "poll: {min_interval: 2m}\n",
        {},
        None,
        "m.yaml:7:22: `min_interval` (120 s) must not exceed `max_interval` (60 s)",
    ),
    (
        "an endpoint in clear",
        HEAD.replace("cloud: otc", "endpoint: http://cce.example.com") + REL,
        {},
        None,
        'm.yaml:2:24: `endpoint`: "http://cce.example.com" would send credentials unencrypted; use https (http is for loopback only)',
    ),
    (
        "an endpoint that is no URL",
        HEAD.replace("cloud: otc", "endpoint: cce.example.com") + REL,
        {},
        None,
        'm.yaml:2:24: `endpoint`: "cce.example.com" is not a URL; write for example https://cce.eu-de.otc.t-systems.com',
    ),
    (
        "a password in clear",
        HEAD.replace("cloud: otc", "endpoint: https://cce.example.com, auth: {username: u, password: hunter2}") + REL,
        {},
        None,
        "m.yaml:2:79: `password` stands here in clear; write ${secret:env:NAME} or ${secret:file:PATH}",
    ),
    (
        "an unknown auth key",
        HEAD.replace("cloud: otc", "auth: {usrname: u}") + REL,
        {},
        None,
        "m.yaml:2:21: unknown key `usrname` in auth; did you mean `username`?",
    ),
    (
        "auth that lacks a key",
        HEAD.replace("cloud: otc", "endpoint: https://cce.example.com, auth: {method: aksk, access_key: AK}") + REL,
        {},
        None,
        "m.yaml:2:55: auth by aksk needs the key `secret_key`",
    ),
    (
        "auth with a key of another method",
        HEAD.replace("cloud: otc", "auth: {method: environment, username: u}") + REL,
        {},
        None,
        "m.yaml:2:42: auth by environment has no key `username`; known: form",
    ),
    (
        "a token without an endpoint",
        HEAD.replace("cloud: otc", "auth: {token: '${secret:env:SET}'}") + REL,
        {},
        None,
        'm.yaml:2:13: cloud "a" needs `endpoint`: auth by token knows no service catalogue',
    ),
    (
        "both clouds.yaml and auth",
        HEAD.replace("cloud: otc", "cloud: otc, auth: {username: u}") + REL,
        {},
        None,
        'm.yaml:2:26: cloud "a" has both `cloud` and `auth`; an entry of clouds.yaml has its own',
    ),
)


@pytest.mark.parametrize(
    ("text", "files", "profile", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_manifest_that_cannot_be_meant_is_told_in_full(faults, text, files, profile, message):
    assert faults(text, files, profile) == message
