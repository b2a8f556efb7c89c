"""Fault files: what they may say, and that every mistake is named with its rule and its remedy."""

import pytest

from batch_deployer.errors import InputError
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.faults.presets import PRESETS
from batch_deployer.simulator.faults.rules import READS, WRITES, Acts, Effect, FaultRule


def test_a_file_is_a_list_of_rules_in_yaml_or_json():
    yaml = "- {effect: error, status: 504, acts: late, late: 20s, calls: writes, probability: 0.1, from: 1m}"
    json = '[{"effect":"error","status":504,"acts":"late","late":"20s","calls":["writes"],"probability":0.1,"from":60}]'
    wanted = FaultRule(
        effect=Effect.ERROR, status=504, acts=Acts.LATE, late=20.0, calls=WRITES, probability=0.1, starts=60.0
    )
    assert files.load(yaml) == files.load(json) == (wanted,)


def test_a_file_may_start_from_a_preset():
    rules = files.load("preset: rough\nfaults:\n  - {effect: stuck, release: web}\n")
    assert rules[:-1] == PRESETS["rough"]
    assert rules[-1] == FaultRule(effect=Effect.STUCK, release="web")


@pytest.mark.parametrize("name", ["calm", "rough", "storm", "outage"])
def test_presets_are_known_by_name_and_survive_a_round_trip(name):
    assert files.load(name) == files.preset(name) == PRESETS[name] == files.load(files.dump(PRESETS[name]))


def test_an_empty_file_has_no_rules():
    assert files.load("") == files.load("faults: []") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "f.yaml: a fault file holds a list of rules, or `preset` and `faults`"),
        ("- [1", "f.yaml:2:1: not YAML: "),
        ("rules: []", "f.yaml: unknown key 'rules'; a fault file has `preset` and `faults`"),
        ("preset: nice", "there is no fault preset 'nice'; take one of calm, rough, storm, outage"),
        ("- 7", "f.yaml: rule 1: a rule is a mapping, for example `{effect: error, status: 503, probability: 0.1}`"),
        ("- {status: 503}", "f.yaml: rule 1: Object missing required field `effect`"),
        ("- {effect: stale, probabilty: 1}", "f.yaml: rule 1: unknown key 'probabilty'; did you mean 'probability'?"),
        ("- {effect: rest}", "f.yaml: rule 1: effect 'rest' is not known; did you mean 'reset'?"),
        (
            "- {effect: reset, acts: sometimes}",
            "rule 1: acts 'sometimes' is not known; take one of never, at_once, late",
        ),
        ("- {effect: slow, seconds: soon}", "rule 1: seconds: 'soon' is not a duration; write for example 90s, 15m"),
        ("- {effect: slow, seconds: [1]}", "rule 1: seconds: '[1]' is not a duration; write for example 90s, 15m"),
        ("- {effect: error, calls: wites}", "rule 1: calls: 'wites' is no kind of call; did you mean 'writes'?"),
        ("- {effect: error, probability: often}", "rule 1: Expected `float`, got `str` - at `$.probability`"),
        ("- {effect: error, probability: 20}", "rule 1: probability 20.0 is not between 0 and 1"),
        ("- {effect: error, from: 20, until: 10}", "rule 1: `from` must be before `until`"),
        ("- {effect: error, attempts: [0]}", "rule 1: attempts are counted from 1"),
        ("- {effect: error, status: 404}", "rule 1: status 404 of an error must be 500, 502, 503 or 504"),
        ("- {effect: html, status: 200}", "rule 1: status 200 must be between 400 and 599"),
        ("- {effect: phase}", "rule 1: `phase` belongs to the effect `phase`, and that effect needs it"),
        ("- {effect: stale, phase: Deleting}", "rule 1: `phase` belongs to the effect `phase`"),
        ("- {effect: slow, acts: late}", "rule 1: `acts` has no meaning for the effect slow"),
        ("- {effect: reset, status: 500}", "rule 1: `status` has no meaning for the effect reset"),
        ("- {effect: fail, calls: reads}", "rule 1: the effect fail is about writes, `calls` must not name reads"),
    ],
)
def test_a_mistake_is_named(text, message):
    with pytest.raises(InputError) as caught:
        files.load(text, file="f.yaml")
    assert message in str(caught.value)


def test_all_rules_that_are_wrong_are_named_at_once():
    with pytest.raises(InputError) as caught:
        files.load("- {effect: x}\n- {effect: slow}\n- {effect: slow, seconds: x}\n")
    assert [str(fault).split(":")[0] for fault in caught.value.diagnostics] == ["rule 1", "rule 3"]


def test_a_yaml_file_runs_no_code():
    with pytest.raises(InputError, match="not YAML"):
        files.load("!!python/object/apply:os.getcwd []")


def test_rough_leaves_about_a_fifth_of_the_writes_ambiguous(scene):
    play = scene("rough")
    answers = [play.wait(0.05).create(f"r{number}").status for number in range(4000)]
    ambiguous = sum(status in (0, 500, 502, 503, 504) for status in answers) / len(answers)
    assert 0.17 < ambiguous < 0.23


def test_kinds_of_calls_are_those_of_the_model():
    from batch_deployer.model import api

    kinds = {one.kind: one.writes for one in vars(api).values() if isinstance(getattr(one, "kind", None), str)}
    assert {kind for kind, writes in kinds.items() if writes} == WRITES
    assert {kind for kind, writes in kinds.items() if not writes} == READS
