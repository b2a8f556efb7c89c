"""Which values an upgrade changes."""

from batch_deployer.model.values import MASK
from batch_deployer.plan.difference import changes, from_texts


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
