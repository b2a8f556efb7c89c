"""Text to tree: what YAML and JSON mean here, places, and that nothing can make the reader fall over."""

import json
import math
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.manifest.nodes import overlay
from batch_deployer.manifest.yaml_reader import decode, read

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
    except InputError as error:
        return error.diagnostics


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1", 1),
        ("-1.5e+3", -1500.0),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1.0.0", "1.0.0"),
        ('"2026-01-01"', "2026-01-01"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("8080:80", "8080:80"),
        ("v1_000", "v1_000"),
        ("'yes'", "yes"),
        ("!!str 1.10", "1.10"),
        ("!!float 1", 1.0),
        ("yeah", "yeah"),
        ('"\\u00e9"', "é"),
    ],
)
def test_a_plain_word_means_what_json_and_both_yaml_versions_agree_on(written, meant):
    value = read(f"a: {written}\n", "m.yaml").mapping["a"].value
    assert (value, type(value)) == (meant, type(meant))


def test_every_node_knows_its_line_and_column():
    tree = read("a:\n  - b: 1\n    c: [x, z]\n", "m.yaml")
    assert tree.at("a", 0, "c", 1).location == ("m.yaml", 3, 12)
    assert tree.at("a", 0).keys["c"] == ("m.yaml", 3, 5)


def test_merge_keys_fill_in_what_is_not_written_out():
    tree = read("base: &b {x: 1, w: 2}\nmore: {<<: *b, w: 3}\nboth: {<<: [{z: 9}, *b], x: 0}\n", "m.yaml")
    assert tree.mapping["more"].plain() == {"x": 1, "w": 3}
    assert tree.mapping["both"].plain() == {"x": 0, "w": 2, "z": 9}


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
    with pytest.raises(InputError) as caught:
        read('{"a": 1,}\n', "m.json")
    assert str(caught.value).startswith("m.json:1:9: this is not JSON: ") or "m.json:1:8" in str(caught.value)


def test_a_byte_order_mark_is_skipped():
    assert decode(b"\xef\xbb\xbfa: 1\n", "m.yaml") == "a: 1\n"


def test_a_file_beyond_the_bound_is_refused():
    with pytest.raises(InputError, match="larger than 16 MiB"):
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
    with pytest.raises(InputError):
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


WORDS = [
    *(form(word) for word in ("y", "n", "yes", "no", "on", "off", "true", "false", "null") for form in (str, str.title, str.upper)),
    "~", "yEs", "0", "1", "-1", "+5", "00", "007", "0644", "08", "0o17", "0x1F", "0b101", "1_000", "-1_0", "1.10", "1.", ".5", "+.5",
    "1_0.5", "1e5", "1E5", "5e10", "1.5e3", "1.5e+3", "1e+5", "1:30", "22:00", "12:30:45", "1:30.5", "8080:80", "10.0.0.1", "1.2.3",
    ".inf", "-.inf", "+.INF", ".nan", ".NaN", ".", "..", "+", "_", "_1", "1_", "0_", "=", "2024-01-01", "2024-1-1",
    "2024-01-01T00:00:00Z", "2024-01-01 10:00:00", "20240101", "1e400", "123456789012345678901234567890", "v1", "-a", "1a", "0xZZ", "0x",
    "0b2", "-0", "-0.0", "+1.5", "nul", "none", "None",
]  # fmt: skip


def yaml_1_1(word):
    """As PyYAML reads it; `y` and `n` as the specification of YAML 1.1 does."""
    if word in ("y", "Y", "n", "N"):
        return word in ("y", "Y")
    try:
        return yaml.safe_load(f"[{word}]")[0]
    except (yaml.YAMLError, ValueError):
        return object()


def yaml_1_2(word):
    """The core schema, by the regular expressions of chapter 10.3.2."""
    if word in ("null", "Null", "NULL", "~"):
        return None
    if word in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return word.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", word):
        return int(word)
    if re.fullmatch(r"0o[0-7]+", word):
        return int(word, 0)
    if re.fullmatch(r"0x[0-9a-fA-F]+", word):
        return int(word, 16)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", word):
        return float(word)
    if re.fullmatch(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN", word):
        return float(word.replace(".", ""))
    return word


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("where", ["value", "item", "key", "merged"])
def test_a_word_that_readers_of_yaml_disagree_on_is_a_fault_with_its_place(word, where):
    """PyYAML and the specification of YAML 1.2 are the judges, for values and for keys."""
    old, new = yaml_1_1(word), yaml_1_2(word)
    agreed = type(old) is type(new) and (old == new) and not (isinstance(new, float) and not math.isfinite(new))
    text, column = {
        "value": (f"a: {word}\n", 4),
        "item": (f"a: [{word}]\n", 5),
        "key": (f"{word}: a\n", 1),
        "merged": (f"a: {{{word}: 1}}\n", 5),
    }[where]
    as_key = where in ("key", "merged")
    try:
        tree = read(text, "m.yaml").plain()
    except InputError as error:
        fault = error.diagnostics[0]
        assert (fault.line, fault.column) == (1, column)
        assert f'"{word}"' in fault.message
        canonical = agreed and not isinstance(new, str) and new is not None and json.dumps(new) == word
        assert not (canonical if as_key else agreed) or "x" in word
    else:
        assert agreed
        assert "x" not in word.lower() or isinstance(new, str)
        if as_key:
            assert word in (tree if where == "key" else tree["a"])
        else:
            value = tree["a"] if where == "value" else tree["a"][0]
            assert (value, type(value)) == (new, type(new))


@pytest.mark.parametrize("quote", ['"{}"', "'{}'"])
@pytest.mark.parametrize("word", [word for word in WORDS if word])
def test_a_quoted_word_is_text_as_value_and_as_key(quote, word):
    quoted = quote.format(word)
    assert read(f"{quoted}: [{quoted}]\n", "m.yaml").plain() == {word: [word]}


ODD_JSON = {
    "line separators": '{"a": "x\u2028y\u0085z\u2029"}',
    "control characters": '{"a": "\x7f\x80\x9f", "\x7f": 1}',
    "key and colon apart": '{"a"\n:\n1}',
    "leading tab": '\t{"a":\t1\n\t}',
    "long key": json.dumps({"k" * 5000: 1}),
    "escapes": r'{"a": "\u0041\ud83d\ude00\/\b\u0000"}',
    "numbers": '{"a": [1E5, -0, 0.1e-7, 12345678901234567890, 1.0]}',
    "a bare list": "[1, 2]",
    "bom-like text": '{"a": "\ufeff"}',
    "yaml words": '{"yes": "no", "0644": "1e5", "<<": {"x": 1}, "": null}',
}


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=ODD_JSON)
def test_legal_json_is_read_as_json_reads_it(text):
    assert read(text, "m.json").plain() == json.loads(text)
    if text.lstrip().startswith("{"):
        assert read(text, "m.yaml").plain() == json.loads(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"a":\n 1e400}', 2, 2, "too large a number"),
        ('{"a": 803E5708}', 1, 7, "too large a number"),
        ('{"a": -1e999}', 1, 7, "too large a number"),
        ('{"a": NaN}', 1, 1, "NaN is not JSON"),
        ('{"a": Infinity}', 1, 1, "Infinity is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", 1, 7, "the number is too long"),
        ('{"a": 1,\n "a": 2}', 2, 2, "`a` is given twice in this mapping, first on line 1"),
        (r'{"a": ["x", "\ud800"]}', 1, 13, "half of a surrogate pair"),
        (r'{"\udc00": 1}', 1, 2, "half of a surrogate pair"),
        ('{"a" 1}', 1, 6, "this is not JSON"),
        ("[" * 100 + "]" * 100, 1, 65, "nested more than 64 levels deep"),
        ("[" * 100_000 + "]" * 100_000, 1, 1, "nested more than 64 levels deep"),
        ('{"a": "\n"}', 1, 8, "this is not JSON"),
    ],
)
def test_what_json_has_not_is_a_fault_with_its_place(text, line, column, message):
    with pytest.raises(InputError) as refused:
        read(text, "m.json")
    fault = refused.value.diagnostics[0]
    assert message in fault.message
    assert (fault.line, fault.column) == (line, column)


@pytest.mark.parametrize("word", ["1.5e+400", "-9" + "9" * 400, '"\\ud800"'])
def test_yaml_has_no_other_numbers_and_texts_than_json(word):
    with pytest.raises(InputError):
        read(f"a: {word}\n", "m.yaml")
