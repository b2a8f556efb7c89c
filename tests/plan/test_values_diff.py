"""Which values an upgrade changes."""

import json

import pytest

from batch_deployer.model.helm_values import MASK
from batch_deployer.plan.values_diff import _by_path, changes, from_texts, with_sent, without_values


def told(shown, wanted, template=None):
    return [str(change) for change in changes(shown, wanted, template or wanted)]


def test_equal_values_and_extra_defaults_are_no_change():
    assert told({"a": 1, "chart": {"default": True}}, {"a": 1}) == []


def test_each_change_is_named_by_its_path():
    shown = {"image": {"tag": "v1", "pull": "Always"}, "replicas": 2, "list": [1]}
    wanted = {"image": {"tag": "v2", "pull": "Always"}, "replicas": 3, "list": [1, 2], "new": {"x": None}}
    assert told(shown, wanted) == [
        'image.tag: "v1" -> "v2"',
        "replicas: 2 -> 3",
        "list: [1] -> [1,2]",
        'new: (absent) -> {"x":null}',
    ]


def test_a_mask_is_never_a_difference():
    assert told({"password": MASK, "a": {"b": MASK}}, {"password": "x", "a": {"b": {"c": 1}}}) == []


def test_a_secret_is_shown_on_neither_side():
    wanted, template = {"password": "hunter2", "user": "new"}, {"password": "${secret:env:PW}", "user": "new"}
    text = told({"password": "old-hunter", "user": "old"}, wanted, template)
    assert text == ["password: (secret) -> (secret)", 'user: "old" -> "new"']
    assert told({}, wanted, template)[0] == "password: (absent) -> (secret)"


def test_a_secret_within_a_longer_text_hides_the_whole_text():
    wanted, template = {"url": "postgres://u:hunter2@db"}, {"url": "postgres://u:${secret:env:PW}@db"}
    assert told({"url": "postgres://u:old@db"}, wanted, template) == ["url: (secret) -> (secret)"]


def test_values_that_the_cloud_does_not_show_are_absent():
    assert [str(change) for change in from_texts("", '{"a":1}', '{"a":1}')] == ['values: (absent) -> {"a":1}']
    assert [str(change) for change in from_texts("not json", '{"a":1}', '{"a":1}')] == ['values: (absent) -> {"a":1}']


def test_a_long_value_is_cut():
    (change,) = changes({"a": "x" * 1000}, {"a": "y" * 1000}, {"a": "y" * 1000})
    assert len(change.shown) == len(change.wanted) == 200


LIVE = "LIVE-PROD-PW"
SECRETS = {
    "a key": {"password": LIVE},
    "camel case": {"adminPassword": LIVE, "apiKey": LIVE, "smtp-pass": LIVE, "DB_TOKEN": LIVE, "dbpassword": LIVE},
    "below a key": {"secrets": {"db": LIVE, "list": [LIVE, {"x": LIVE}]}},
    "an item's name": {"env": [{"name": "DB_PASSWORD", "value": LIVE}]},
    "a map's name": {"admin": {"name": "DB_PASSWORD", "value": LIVE}},
    "a pair in other case": {"env": [{"Name": "DB_PASSWORD", "Value": LIVE}]},
    "an argument after its flag": {"args": ["--db-password", LIVE]},
    "a short key": {"psk": LIVE, "otp": LIVE},
    "a token's text": {"x": f"eyJhbGciOiJIUzI1NiJ9.eyJ{LIVE}"},
    "within a list": {"users": [{"name": "a", "password": LIVE}]},
    "a URL": {"database": f"postgres://app:{LIVE}@db/x"},
    "a file": {"config": f"user: x\npassword: {LIVE}\n"},
    "a private key": {"tls": {"crt": f"-----BEGIN PRIVATE KEY-----\n{LIVE}"}},
    "an object where a text is wanted": {"db": {"password": LIVE}},
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_looks_like_a_secret_is_shown_on_neither_side(name):
    shown = SECRETS[name]
    other = json.loads(json.dumps(shown).replace(LIVE, "WANTED-PW"))
    for wanted in (other, dict.fromkeys(shown, "x")):
        text = str(told(shown, wanted))
        assert "secret)" in text
        assert LIVE not in text
        assert "WANTED-PW" not in text
    removed = [path for path, _ in _by_path(shown)]
    texts = str(with_sent((), json.dumps(shown), json.dumps(other), removed, removed))
    assert LIVE not in texts
    assert "WANTED-PW" not in texts


def test_names_that_only_resemble_secrets_are_shown():
    assert told(
        {"key": "a", "path": "/x", "author": "b", "replicas": 1}, {"key": "b", "path": "/y", "author": "c"}
    ) == [
        'key: "a" -> "b"',
        'path: "/x" -> "/y"',
        'author: "b" -> "c"',
    ]


def test_paths_are_left_where_values_are_hidden():
    found = without_values(changes({"a": 1, "password": "x"}, {"a": 2, "b": 3, "password": "y"}, {}))
    assert {str(each) for each in found} == {
        "a: (hidden) -> (hidden)",
        "password: (secret) -> (secret)",
        "b: (absent) -> (hidden)",
    }
