"""Text to tree: what YAML and JSON mean here, places, and that nothing can make the reader fall over."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.errors import BadInput
from batch_deployer.manifest.load import load
from batch_deployer.manifest.reader import decode, read
from batch_deployer.manifest.tree import overlay

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text(st.characters(categories=["L", "N"]), min_size=1), below, max_size=4)
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "name: x\n",
        "clouds: {a: {cloud: b}}\n",
        "clusters:\n",
        "  - ",
        "{id: a870253f-5dc7-11ee-bf71-0255ac100b03}\n",
        "releases:\n",
        "&a ",
        "*a",
        "<<: ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        ",",
        "\n",
        "\t",
        "---\n",
        "!!str ",
        "!x ",
        "'",
        '"',
        "${",
        "env:A}",
        "# ",
        "? ",
        "~",
        "1e999",
        "0x1",
        "yes",
        "null",
        "defaults: ",
        "\\ud83d",
        "%YAML 1.2\n",
        "\x85",
    ]
)
CALM = settings(deadline=None)


def outcome(path, **options):
    """The manifest, or its faults; anything else is a bug."""
    try:
        return load(path, {"A": "${x}"}, **options)
    except BadInput as error:
        return error.faults


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1", 1),
        ("-1.5e3", -1500.0),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1.0.0", "1.0.0"),
        ("2026-01-01", "2026-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("'yes'", "yes"),
        ("!!str 1.10", "1.10"),
        ("!!float 1", 1.0),
        ("y", "y"),
        ('"\\u00e9"', "é"),
    ],
)
def test_a_plain_word_means_what_json_and_both_yaml_versions_agree_on(written, meant):
    value = read(f"a: {written}\n", "m.yaml").mapping["a"].value
    assert (value, type(value)) == (meant, type(meant))


def test_every_node_knows_its_line_and_column():
    tree = read("a:\n  - b: 1\n    c: [x, y]\n", "m.yaml")
    assert tree.at("a", 0, "c", 1).place == ("m.yaml", 3, 12)
    assert tree.at("a", 0).keys["c"] == ("m.yaml", 3, 5)


def test_merge_keys_fill_in_what_is_not_written_out():
    tree = read("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nboth: {<<: [{z: 9}, *b], x: 0}\n", "m.yaml")
    assert tree.mapping["more"].plain() == {"x": 1, "y": 3}
    assert tree.mapping["both"].plain() == {"x": 0, "y": 2, "z": 9}


def test_a_quoted_merge_key_is_a_key_like_any_other():
    assert read('"<<": {a: 1}\n', "m.yaml").plain() == {"<<": {"a": 1}}


def test_overlays_merge_maps_replace_lists_and_delete_by_null():
    base = read("a: {b: 1, c: 2}\nl: [1, 2]\nk: 1\n", "m.yaml")
    over = read("a: {c: null, d: 3}\nl: [9]\n", "m.yaml")
    assert overlay(base, over).plain() == {"a": {"b": 1, "d": 3}, "l": [9], "k": 1}


@CALM
@given(JSON_VALUES)
def test_any_json_is_read_as_json_reads_it(value):
    text = json.dumps({"a": value})
    assert read(text, "m.json").plain() == json.loads(text)


def test_json_may_be_indented_with_tabs():
    assert read('{\n\t"a": [\n\t\t1\n\t]\n}\n', "m.json").plain() == {"a": [1]}


def test_a_broken_json_file_gets_the_words_of_json():
    with pytest.raises(BadInput) as caught:
        read('{"a": 1,}\n', "m.json")
    assert str(caught.value).startswith("m.json:1:9: this is not JSON: ") or "m.json:1:8" in str(caught.value)


def test_a_byte_order_mark_is_skipped():
    assert decode(b"\xef\xbb\xbfa: 1\n", "m.yaml") == "a: 1\n"


def test_a_file_beyond_the_bound_is_refused():
    with pytest.raises(BadInput, match="larger than 16 MiB"):
        decode(b" " * (16 * 1024 * 1024 + 1), "m.yaml")


def test_small_aliases_are_welcome():
    assert read("a: &x [1]\nb: [*x, *x]\n", "m.yaml").plain() == {"a": [1], "b": [[1], [1]]}


@CALM
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200))
def test_no_text_gives_anything_but_a_manifest_or_a_clear_fault(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert outcome(path)


@CALM
@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_a_manifest_or_a_clear_fault(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz-bytes.yaml"
    path.write_bytes(data)
    with pytest.raises(BadInput):
        load(path, {})


GOOD = """{name: x, clouds: {a: {cloud: b}}, clusters: [{id: a870253f-5dc7-11ee-bf71-0255ac100b03, name: c}],
releases: [{name: r, chart: {name: r, version: v}, targets: "*", values: {a: 1}, needs: []}],
deployments: [{cluster: c, release: r}], rollout: {waves: [{name: w}]}, limits: {writes: 1/s}, profiles: {p: {}}}"""


@CALM
@given(st.data())
def test_a_good_manifest_with_any_part_replaced_gives_a_manifest_or_a_clear_fault(tmp_path_factory, data):
    tree = read(GOOD, "m.yaml").plain()
    spot, key = tree, None
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(spot[key], dict | list) or data.draw(st.booleans()):
            spot[key] = data.draw(JSON_VALUES)
            break
        spot = spot[key]
    path = tmp_path_factory.getbasetemp() / "fuzz-parts.json"
    path.write_text(json.dumps(tree))
    assert outcome(path, profile="p")
